"""Sessions in the database: they stand for their key, and end before it or with it."""

import pytest
from sqlalchemy import Engine, text

from nas.errors import Denied
from nas.keys import Principal
from nas.store.api_keys import authenticate, create_key, revoke_key
from nas.store.sessions import close_session, open_session, resume_session


def n_sessions(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(text("SELECT count(*) FROM nas_session")).scalar_one()
    return found


def pass_hours(engine: Engine, hours: int) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE nas_session SET expires_at = expires_at - make_interval(hours => :n)"), {"n": hours})


def test_session_stands_for_its_key(engine: Engine) -> None:
    minted = create_key(engine, "alice", ("read", "write"))
    token = open_session(engine, minted.token)
    assert resume_session(engine, token) == Principal(minted.key_id, "alice", frozenset({"read", "write"}))
    assert open_session(engine, minted.token) != token


def test_session_token_is_stored_nowhere_and_is_no_key(engine: Engine) -> None:
    token = open_session(engine, create_key(engine, "alice", ("read",)).token)
    with engine.connect() as connection:
        assert token not in connection.execute(text("SELECT string_agg(to_jsonb(s)::text, '') FROM nas_session s")).scalar_one()
    with pytest.raises(Denied):
        authenticate(engine, token)


def test_session_needs_a_live_key(engine: Engine) -> None:
    minted = create_key(engine, "alice", ("read",))
    token = open_session(engine, minted.token)
    with pytest.raises(Denied):
        resume_session(engine, minted.token)
    revoke_key(engine, minted.key_id)
    with pytest.raises(Denied, match="log in again"):
        resume_session(engine, token)
    with pytest.raises(Denied, match="revoked"):
        open_session(engine, minted.token)


def test_session_closed_ends_and_leaves_others(engine: Engine) -> None:
    minted = create_key(engine, "alice", ("read",))
    token, other = open_session(engine, minted.token), open_session(engine, minted.token)
    close_session(engine, token)
    close_session(engine, token)
    with pytest.raises(Denied):
        resume_session(engine, token)
    assert resume_session(engine, other).owner == "alice"


def test_session_expires_after_half_a_day_and_is_swept_out(engine: Engine) -> None:
    minted = create_key(engine, "alice", ("read",))
    token = open_session(engine, minted.token)
    pass_hours(engine, 11)
    assert resume_session(engine, token).owner == "alice"
    pass_hours(engine, 1)
    with pytest.raises(Denied):
        resume_session(engine, token)
    open_session(engine, minted.token)
    assert n_sessions(engine) == 1
