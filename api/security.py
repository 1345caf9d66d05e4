"""Who is asking, and may they: API keys as bearer tokens, or for the pages the token of a session in a cookie.

Neither passes for the other. Sessions expire, and end when their key is revoked. Requests that change something with a
cookie must come from our own pages.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy import Engine

from api.errors import Forbidden
from api.services import EngineDep
from nas.errors import Denied
from nas.keys import SCOPES, Principal, Scope
from nas.store.api_keys import authenticate
from nas.store.sessions import resume_session

SESSION_COOKIE: Final = "nas_session"

_bearer = HTTPBearer(scheme_name="key", description="An API key: `nas_…`", auto_error=False)
_cookie = APIKeyCookie(name=SESSION_COOKIE, scheme_name="session", description="What /login sets", auto_error=False)


Identify = Callable[[Engine], Principal]
"""Asks the database who it is. Raises `Denied` when the key or the session has ended."""

SessionCookie = Annotated[str | None, Depends(_cookie)]


def identify_by(
    request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)], session: SessionCookie
) -> Identify:
    """How to find out who is asking. Raises `Denied` without a key, `Forbidden` for a session used from another site."""
    if bearer is not None:
        return partial(authenticate, token=bearer.credentials)
    if session is None:
        raise Denied("send an API key as 'Authorization: Bearer nas_…'; 'nas key create' makes one")
    refuse_other_sites(request)
    return partial(resume_session, token=session)


IdentifyDep = Annotated[Identify, Depends(identify_by)]


def authorize(required: SecurityScopes, identify: IdentifyDep, engine: EngineDep) -> Principal:
    """Who is asking. Raises `Denied` without a live key, `Forbidden` without the scope."""
    principal = identify(engine)
    for scope in SCOPES:
        if scope in required.scopes:
            require(principal, scope)
    return principal


def require(principal: Principal, scope: Scope) -> None:
    """Raises `Forbidden` without the scope."""
    if not principal.allows(scope):
        raise Forbidden(f"this key lacks the scope '{scope}'; ask for a key that has it")


def refuse_other_sites(request: Request) -> None:
    """A request that changes something must name our own origin. Raises `Forbidden`."""
    if request.method in ("GET", "HEAD"):
        return
    if request.headers.get("origin") != f"{request.url.scheme}://{request.url.netloc}":
        raise Forbidden("this form must be sent from the service's own pages")


def set_session(response: Response, token: str, *, secure: bool) -> None:
    """Let the browser send the session's token from now on, from the service's own pages only, until it is closed."""
    response.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/")


def forget_session(response: Response) -> None:
    """Make the browser forget the session."""
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict", path="/")


Reader = Annotated[Principal, Security(authorize, scopes=["read"])]
Writer = Annotated[Principal, Security(authorize, scopes=["write"])]
Admin = Annotated[Principal, Security(authorize, scopes=["admin"])]
