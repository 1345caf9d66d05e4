"""Keys in the database: who a token stands for, and for how long."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from nas.errors import Denied, Invalid, NotFound
from nas.keys import Principal
from nas.store.api_keys import authenticate, create_key, list_keys, revoke_key


def test_key_stands_for_its_owner_and_scopes(engine: Engine) -> None:
    minted = create_key(engine, "alice", ("read", "write"), "laptop")
    assert authenticate(engine, minted.token) == Principal(minted.key_id, "alice", frozenset({"read", "write"}))


def test_key_secret_is_stored_nowhere(engine: Engine) -> None:
    minted = create_key(engine, "alice", ("read",))
    secret = minted.token.split("_", 2)[2]
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT string_agg(to_jsonb(k)::text, '') FROM nas_key k")).scalar_one()
    assert secret not in stored
    assert minted.secret_hash in stored


def test_key_revoked_is_denied_at_once_and_for_good(engine: Engine) -> None:
    minted, other = create_key(engine, "alice", ("read",)), create_key(engine, "alice", ("read",))
    revoke_key(engine, minted.key_id)
    (shown, _) = list_keys(engine, "alice")
    with pytest.raises(Denied, match="revoked"):
        authenticate(engine, minted.token)
    revoke_key(engine, minted.key_id)
    assert list_keys(engine, "alice")[0].revoked_at == shown.revoked_at
    assert authenticate(engine, other.token).key_id == other.key_id


def test_key_with_another_secret_is_denied(engine: Engine) -> None:
    one, two = create_key(engine, "alice", ("read",)), create_key(engine, "bob", ("read",))
    crossed = f"nas_{one.key_id}_{two.token.split('_', 2)[2]}"
    with pytest.raises(Denied):
        authenticate(engine, crossed)


@pytest.mark.parametrize(
    "token", ["", "nas_", "nas_x", "nas__y", "Bearer x", "nas_a\0_b", "nas_\N{SNOWMAN}_x", "nas_\udc80_x", "nas_abc_def"]
)
def test_key_that_is_none_is_denied(engine: Engine, token: str) -> None:
    with pytest.raises(Denied):
        authenticate(engine, token)


def test_keys_are_listed_by_owner_oldest_first(engine: Engine) -> None:
    made = [create_key(engine, owner, ("read",), label).key_id for owner, label in (("a", "1"), ("b", "2"), ("a", "3"))]
    assert [view.key_id for view in list_keys(engine)] == made
    assert [view.label for view in list_keys(engine, "a")] == ["1", "3"]


def test_revoke_finds_only_the_owners_keys(engine: Engine) -> None:
    minted = create_key(engine, "alice", ("read",))
    for key_id, owner in ((minted.key_id, "bob"), ("none", None), ("a\0b", "bob")):
        with pytest.raises((NotFound, Invalid)):
            revoke_key(engine, key_id, owner)
    assert authenticate(engine, minted.token).owner == "alice"


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("/owner", ("", ("read",), "")),
        ("/owner", (" alice", ("read",), "")),
        ("/owner", ("a\0", ("read",), "")),
        ("/owner", ("a" * 101, ("read",), "")),
        ("/owner", ("\ud800", ("read",), "")),
        ("/scopes", ("alice", (), "")),
        ("/scopes", ("alice", ("root",), "")),
        ("/label", ("alice", ("read",), "two\nlines")),
        ("/label", ("alice", ("read",), "x" * 201)),
    ],
)
def test_create_key_says_which_field_is_wrong(engine: Engine, field: str, given: tuple[Any, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        create_key(engine, *given)
    assert [problem.pointer for problem in refused.value.problems] == [field]
    assert list_keys(engine) == ()
