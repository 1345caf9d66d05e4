"""Sessions of the pages: a browser keeps a random token instead of the key, for half a day at most.

A cookie is sent to every server of the host's name, whatever its port: what leaks so must expire, and end with its key.
"""

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from nas.errors import Denied
from nas.keys import Principal, hash_secret
from nas.store.api_keys import authenticate
from nas.store.engine import reading, transaction
from nas.store.schema import key, session

LIFETIME: Final = timedelta(hours=12)


def open_session(engine: Engine, key_token: str) -> str:
    """The token of a new session of this key. Sweeps out sessions that have expired. Raises `Denied`."""
    principal, token = authenticate(engine, key_token), secrets.token_urlsafe(32)
    expires_at = func.clock_timestamp() + LIFETIME
    with transaction(engine) as connection:
        connection.execute(delete(session).where(session.c.expires_at < func.clock_timestamp()))
        values = {"token_hash": hash_secret(token), "key_id": principal.key_id, "expires_at": expires_at}
        connection.execute(insert(session).values(values))
    return token


def resume_session(engine: Engine, token: str) -> Principal:
    """Who a session's token stands for. Raises `Denied` once it was closed, has expired, or its key was revoked."""
    live = (
        select(key.c.id, key.c.owner, key.c.scopes)
        .join_from(session, key)
        .where(session.c.token_hash == hash_secret(token))
        .where(session.c.expires_at > func.clock_timestamp(), key.c.revoked_at.is_(None))
    )
    with reading(engine) as connection:
        row = connection.execute(live).one_or_none()
    if row is None:
        raise Denied("the session has ended: log in again")
    return Principal(key_id=row.id, owner=row.owner, scopes=frozenset(row.scopes))


def close_session(engine: Engine, token: str) -> None:
    """End a session. Ending one that is not there is fine."""
    with transaction(engine) as connection:
        connection.execute(delete(session).where(session.c.token_hash == hash_secret(token)))
