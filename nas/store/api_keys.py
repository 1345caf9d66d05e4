"""API keys in the database: minted, listed, revoked, and turned into a principal on every request."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Engine, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from nas.errors import Denied, FieldProblem, Invalid, NotFound
from nas.keys import SCOPES, MintedKey, Principal, Scope, hash_secret, matches, mint, parse
from nas.store.engine import reading, transaction
from nas.store.schema import key
from nas.store.views import KeyView

_NOBODY: Final = hash_secret("")


def create_key(engine: Engine, owner: str, scopes: Iterable[Scope], label: str = "") -> MintedKey:
    """A new key for `owner`; its token is in the answer and nowhere else. Raises `Invalid` for a bad owner, scope or label."""
    wanted = sorted(set(scopes))
    problems = tuple(_problems(owner, wanted, label))
    if problems:
        raise Invalid("this key cannot be made", problems)
    minted = mint()
    values = {"id": minted.key_id, "owner": owner, "scopes": wanted, "secret_hash": minted.secret_hash, "label": label}
    with transaction(engine) as connection:
        connection.execute(insert(key).values(values))
    return minted


def list_keys(engine: Engine, owner: str | None = None) -> tuple[KeyView, ...]:
    """An owner's keys, or all of them, oldest first, revoked ones too."""
    columns = (key.c.id, key.c.owner, key.c.scopes, key.c.label, key.c.created_at, key.c.revoked_at)
    whose = true() if owner is None else key.c.owner == owner
    with reading(engine) as connection:
        rows = connection.execute(select(*columns).where(whose).order_by(key.c.created_at, key.c.id)).all()
    return tuple(
        KeyView(
            key_id=row.id,
            owner=row.owner,
            scopes=frozenset(row.scopes),
            label=row.label,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )
        for row in rows
    )


def revoke_key(engine: Engine, key_id: str, owner: str | None = None) -> None:
    """End a key, for good. Revoking twice is fine. `owner` restricts it to that owner's. Raises `NotFound`."""
    whose = true() if owner is None else key.c.owner == owner
    revoked = (
        update(key)
        .where(key.c.id == key_id, whose)
        .values(revoked_at=func.coalesce(key.c.revoked_at, func.clock_timestamp()))
        .returning(key.c.id)
    )
    with transaction(engine) as connection:
        if connection.execute(revoked).one_or_none() is None:
            raise NotFound(f"there is no key {key_id!r}; list the keys to see their ids")


def authenticate(engine: Engine, token: str) -> Principal:
    """Who a token stands for. Raises `Denied` for anything that is not a live key."""
    parsed = parse(token) if token.isascii() and token.isprintable() else None
    if parsed is None:
        raise Denied("that is not an API key: keys look like nas_<id>_<secret>")
    key_id, secret = parsed
    live = select(key.c.owner, key.c.scopes, key.c.secret_hash).where(key.c.id == key_id, key.c.revoked_at.is_(None))
    with reading(engine) as connection:
        row = connection.execute(live).one_or_none()
    # compared even for an unknown key, so that the time taken does not tell which ids exist
    right = matches(secret, row.secret_hash if row else _NOBODY)
    if row is None or not right:
        raise Denied("the API key is unknown or revoked: ask for a new one, or make one with `nas key create`")
    return Principal(key_id=key_id, owner=row.owner, scopes=frozenset(row.scopes))


def _problems(owner: str, scopes: list[Scope], label: str) -> Iterable[FieldProblem]:
    if not (0 < len(owner) <= 100 and owner.isprintable() and owner == owner.strip()):
        yield FieldProblem("/owner", "give 1 to 100 printable characters, with no space at either end")
    if not scopes or set(scopes) - set(SCOPES):
        yield FieldProblem("/scopes", f"give at least one of {', '.join(SCOPES)}")
    if not (len(label) <= 200 and (label.isprintable() or not label)):
        yield FieldProblem("/label", "give at most 200 printable characters")
