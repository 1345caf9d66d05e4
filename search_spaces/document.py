"""The base of every document users write or receive: frozen, strict, unknown keys refused, one canonical form.

A document's digest is SHA-256 over its canonical JSON. Fields that hold their default are left out of that form (the
`kind`/`name` tags of unions stay), so a later version may add a knob with a neutral default without changing any digest.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, Literal, Self, get_origin

from pydantic import BaseModel, ConfigDict

JsonValue = Any


class Document(BaseModel):
    """A frozen value with one JSON form. Python callers pass tuples; JSON arrays become tuples."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse JSON text. Raises `pydantic.ValidationError` naming each field that is wrong."""
        return cls.model_validate_json(text)

    @classmethod
    def from_data(cls, data: Mapping[str, JsonValue]) -> Self:
        """Parse already decoded JSON (lists where the document has tuples)."""
        return cls.model_validate_json(json.dumps(data))

    def to_data(self) -> dict[str, JsonValue]:
        """The document as plain JSON types, defaults included."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """The document as JSON text, defaults included."""
        return self.model_dump_json()

    def canonical_json(self) -> str:
        """The one text that the digest is taken over: sorted keys, no spaces, defaults left out."""
        return self._canonical_json

    @cached_property
    def _canonical_json(self) -> str:
        return json.dumps(_canonical(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal characters."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values in some fields; it does not inherit what was computed from the old ones."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


@cache
def _fields(kind: type[BaseModel]) -> tuple[tuple[str, bool, Any], ...]:
    """Of each field: its name, whether the canonical form always has it, and its default."""
    return tuple(
        (
            name,
            field.is_required() or (get_origin(field.annotation) is Literal and name in ("kind", "name")),
            field.get_default(call_default_factory=True, validated_data={}),
        )
        for name, field in kind.model_fields.items()
    )


_PLAIN = frozenset((str, int, float, bool, type(None)))


def _canonical(value: Any) -> JsonValue:
    # every proposal comes through here a hundred times, and the type alone is quicker to tell than what it is an instance of
    if type(value) in _PLAIN:
        return value
    if isinstance(value, BaseModel):
        held = value.__dict__
        return {
            name: _canonical(held[name]) for name, always, default in _fields(type(value)) if always or held[name] != default
        }
    if isinstance(value, (tuple, list)):
        return [_canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    return value
