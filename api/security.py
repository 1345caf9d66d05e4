"""Who is asking, and may they: API keys as bearer tokens, or for the pages in a session cookie.

The cookie holds the key itself, HttpOnly and SameSite=Strict, so that a session is checked like any other request and ends
when its key is revoked. Requests that change something with a cookie must come from our own pages.
"""

from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.errors import Forbidden
from api.services import EngineDep
from nas.errors import Denied
from nas.keys import SCOPES, Principal
from nas.store.api_keys import authenticate

SESSION_COOKIE: Final = "nas_session"

_bearer = HTTPBearer(scheme_name="key", description="An API key: `nas_…`", auto_error=False)
_cookie = APIKeyCookie(name=SESSION_COOKIE, scheme_name="session", description="What /login sets", auto_error=False)


def token_of(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    session: Annotated[str | None, Depends(_cookie)],
) -> str:
    """The key that came with a request. Raises `Denied` without one, `Forbidden` for a session used from another site."""
    if bearer is not None:
        return bearer.credentials
    if session is None:
        raise Denied("send an API key as 'Authorization: Bearer nas_…'; 'nas key create' makes one")
    refuse_other_sites(request)
    return session


Token = Annotated[str, Depends(token_of)]


def authorize(required: SecurityScopes, token: Token, engine: EngineDep) -> Principal:
    """Who is asking. Raises `Denied` without a live key, `Forbidden` without the scope."""
    principal = authenticate(engine, token)
    for scope in SCOPES:
        if scope in required.scopes and not principal.allows(scope):
            raise Forbidden(f"this key lacks the scope '{scope}'; ask for a key that has it")
    return principal


def refuse_other_sites(request: Request) -> None:
    """A request that changes something must name our own origin. Raises `Forbidden`."""
    if request.method in ("GET", "HEAD"):
        return
    if request.headers.get("origin") != f"{request.url.scheme}://{request.url.netloc}":
        raise Forbidden("this form must be sent from the service's own pages")


def open_session(response: Response, token: str, *, secure: bool) -> None:
    """Let the browser send the key from now on, to this service and from its own pages only, until it is closed."""
    response.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/")


def close_session(response: Response) -> None:
    """Make the browser forget the key."""
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict", path="/")


Reader = Annotated[Principal, Security(authorize, scopes=["read"])]
Writer = Annotated[Principal, Security(authorize, scopes=["write"])]
Admin = Annotated[Principal, Security(authorize, scopes=["admin"])]
