"""API keys in the database: minted, listed, revoked, and turned into a principal on every request."""

from collections.abc import Iterable

from sqlalchemy import Engine

from nas.keys import MintedKey, Principal, Scope
from nas.store.views import KeyView


def create_key(engine: Engine, owner: str, scopes: Iterable[Scope], label: str = "") -> MintedKey:
    """A new key for `owner`; its token is in the answer and nowhere else. Raises `Invalid` for a bad owner, scope or label."""
    raise NotImplementedError


def list_keys(engine: Engine, owner: str | None = None) -> tuple[KeyView, ...]:
    """An owner's keys, or all of them, oldest first, revoked ones too."""
    raise NotImplementedError


def revoke_key(engine: Engine, key_id: str, owner: str | None = None) -> None:
    """End a key, for good. Revoking twice is fine. `owner` restricts it to that owner's. Raises `NotFound`."""
    raise NotImplementedError


def authenticate(engine: Engine, token: str) -> Principal:
    """Who a token stands for. Raises `Denied` for anything that is not a live key."""
    raise NotImplementedError
