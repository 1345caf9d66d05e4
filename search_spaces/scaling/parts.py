"""One part of a model at another width: the rules of `rules.py` carried out, field by field."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TypeVar

from search_spaces.document import Document
from search_spaces.primitives import Primitive
from search_spaces.scaling.rules import Rule, fields_with

AnyDocument = TypeVar("AnyDocument", bound=Document)
Changes = dict[str, int | float]
"""New values of fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """From one width to another; hidden widths `hidden` times more than that, heads `head_factor` times as large.

    head_dim: the size that heads of softmax attention shall have, whatever `head_factor` is.
    """

    before: int
    after: int
    hidden: float = 1.0
    head_factor: Fraction = Fraction(1)
    head_dim: int | None = None

    @property
    def ratio(self) -> Fraction:
        """New width to old."""
        return Fraction(self.after, self.before)


def widen(document: AnyDocument, by: Widening) -> AnyDocument:
    """The same part at the new width. Raises `pydantic.ValidationError` where a number leaves its range."""
    changes: Changes = {}
    changes |= _proportional(document, by)
    changes |= _heads(document, by)
    changes |= _hidden(document, by)
    changes |= _divisors(document, by, changes)
    return changed(document, changes)


def changed(document: AnyDocument, changes: Mapping[str, object]) -> AnyDocument:
    """A copy with other numbers, validated; the document itself where nothing changes."""
    new = {name: value for name, value in changes.items() if value != getattr(document, name)}
    if not new:
        return document
    return type(document).model_validate({name: getattr(document, name) for name in type(document).model_fields} | new)


def friendly(size: float) -> int:
    """The nearest size that hardware likes: a multiple of 64 from 1024 on, of 8 from 128 on, below that any; at least 1."""
    step = 64 if size >= 1024 else 8 if size >= 128 else 1
    return max(1, step * math.floor(size / step + 0.5))


@cache
def limit(kind: type[Document], field: str) -> int:
    """The largest value that a field may have."""
    schema = kind.model_json_schema()["properties"][field]
    return next(int(choice["maximum"]) for choice in (schema, *schema.get("anyOf", ())) if "maximum" in choice)


def head_limit(part: Primitive) -> int | None:
    """The most heads a part may have; None for a part without heads."""
    return next((limit(type(part), field) for field in fields_with(part, Rule.HEADS)), None)


def _proportional(document: Document, by: Widening) -> Changes:
    """Sizes that grow as the width, or as its root."""
    if by.ratio == 1:
        return {}  # a size of its own is not rounded
    factors = {Rule.WIDTH: float(by.ratio), Rule.ROOT: math.sqrt(by.ratio)}
    return {
        field: min(limit(type(document), field), friendly(getattr(document, field) * factor))
        for rule, factor in factors.items()
        for field in fields_with(document, rule)
    }


def _hidden(document: Document, by: Widening) -> Changes:
    """Hidden widths, and the neurons of them that a token uses."""
    if by.ratio == 1 and by.hidden == 1:
        return {}
    changes: Changes = {}
    for field in fields_with(document, Rule.HIDDEN):
        before = getattr(document, field)
        changes[field] = friendly(before * float(by.ratio) * by.hidden)
        for part in fields_with(document, Rule.SHARE):
            changes[part] = max(1, changes[field] * getattr(document, part) // before)
    return changes


def head_counts(document: Document) -> tuple[int, int]:
    """Heads, and of what they share the number that grows as they do: key heads, or the heads where one group is all."""
    n_heads = next(int(getattr(document, field)) for field in fields_with(document, Rule.HEADS))
    keys = (getattr(document, field) for field in fields_with(document, Rule.KEY_HEADS))
    groups = (getattr(document, field) for field in fields_with(document, Rule.GROUPS))
    return n_heads, next(keys, None) or next((n for n in groups if n > 1), n_heads)


def _heads(document: Document, by: Widening) -> Changes:
    """More heads, each as large as before unless `by` says otherwise; as many share a key head as before."""
    factor = _size_factor(document, by)
    if not fields_with(document, Rule.HEADS) or (by.ratio == 1 and factor == 1):
        return {}
    n_heads, n_shared = head_counts(document)
    n_new = _nearest(n_shared * by.ratio / factor)
    # fewer heads share a key head where less than one would remain
    n_all = n_heads // n_shared * n_new or max(1, _nearest(n_heads * by.ratio / factor))
    n_new = max(1, n_new)
    changes: Changes = dict.fromkeys(fields_with(document, Rule.HEADS), n_all)
    changes |= dict.fromkeys(fields_with(document, Rule.KEY_HEADS), n_new)
    changes |= {field: n_new for field in fields_with(document, Rule.GROUPS) if getattr(document, field) > 1}
    changes |= {field: _head_size(document, field, by) for field in fields_with(document, Rule.HEAD_SIZE)}
    return changes | _rotary(document, changes)


def _head_size(document: Document, field: str, by: Widening) -> int:
    """As asked for; else a smaller size is the nearest even one, for rotary positions."""
    if by.head_dim is not None and takes_head_dim(document):
        return by.head_dim
    size = getattr(document, field) * by.head_factor
    return max(2, 2 * round(size / 2)) if by.head_factor < 1 else int(size)


def takes_head_dim(document: Document) -> bool:
    """Whether it is softmax attention with one size of heads, which a target may set."""
    sizes = fields_with(document, Rule.HEAD_SIZE)
    return isinstance(document, Primitive) and document.is_attention and sizes == ("head_dim",)


def _size_factor(document: Document, by: Widening) -> Fraction:
    """How much larger a head becomes."""
    sizes = fields_with(document, Rule.HEAD_SIZE)
    if by.head_dim is not None and takes_head_dim(document):
        return Fraction(by.head_dim, getattr(document, sizes[0]))
    return by.head_factor


def _rotary(document: Document, changes: Changes) -> Changes:
    """The share of a head that is turned must be an even number of channels."""
    size = changes.get("head_dim", 0)
    return {
        field: 1.0 if share == 1 else max(2, 2 * round(size * share / 2)) / size
        for field in fields_with(document, Rule.ROTARY)
        for share in (getattr(document, field),)
    }


def _divisors(document: Document, by: Widening, changes: Changes) -> Changes:
    """Numbers that must divide the channels of their part, which are `width` where it has one, else the model's."""
    blocks = {field: getattr(document, field) for field in fields_with(document, Rule.BLOCKS)}
    wanted = {field: Fraction(count) * (by.ratio if count > 1 else 1) for field, count in blocks.items()}
    wanted |= {field: Fraction(getattr(document, field)) for field in fields_with(document, Rule.DIVISOR)}
    channels = int(changes.get("width", by.after)) if wanted else 0
    return {field: nearest_divisor(channels, size, limit(type(document), field)) for field, size in wanted.items()}


def nearest_divisor(number: int, wanted: Fraction, most: int) -> int:
    """The divisor of `number`, at most `most`, that is the fewest times larger or smaller than what is wanted."""
    divisors = (divisor for divisor in range(1, min(number, most) + 1) if number % divisor == 0)
    return min(divisors, key=lambda divisor: max(divisor / wanted, wanted / divisor))


def _nearest(count: Fraction) -> int:
    return math.floor(count + Fraction(1, 2))
