"""The pages for people: rendered on the server, live with a little JavaScript, complete without network or build."""

from api.pages.views import install, refused

__all__ = ["install", "refused"]
