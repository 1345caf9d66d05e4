"""API keys: 256 random bits, shown once, stored as SHA-256. A key acts for an owner within its scopes."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. `admin` sees every owner's studies; the others only their own."""

    key_id: str
    owner: str
    scopes: frozenset[Scope]

    def allows(self, scope: Scope) -> bool:
        """Admin may do everything."""
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key. `token` is shown once and never stored; `secret_hash` is what the database keeps."""

    key_id: str
    token: str
    secret_hash: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, as the service answers: the only time that its token is shown."""

    key_id: str
    token: str = field(repr=False)


def mint() -> MintedKey:
    """A fresh key, as `nas_<id>_<secret>`."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return MintedKey(key_id, f"nas_{key_id}_{secret}", hash_secret(secret))


def parse(token: str) -> tuple[str, str] | None:
    """The id and the secret of a token; None when it is not one."""
    head, separator, secret = token.removeprefix("nas_").partition("_")
    return (head, secret) if token.startswith("nas_") and separator and head and secret else None


def hash_secret(secret: str) -> str:
    """A fast hash is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, secret_hash: str) -> bool:
    """Compare without telling by the time taken how much was right."""
    return hmac.compare_digest(hash_secret(secret), secret_hash)
