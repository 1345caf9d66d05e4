"""Which rows of a leaderboard, in what order, and where the next page starts.

A page begins after the last row of the page before, found by its key in an index, so a deep page costs what the first
does. Every order ends in the trial's number, which makes keys unique.
"""

import base64
import binascii
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError
from sqlalchemy import ColumnElement, Row, Select, and_, literal, tuple_

from nas.errors import Invalid
from nas.store.schema import SCORED, trial
from nas.trial import TrialState
from search_spaces.document import Document

MAX_PAGE: Final = 500

SortName = Literal["rank", "score", "params", "active_params", "flops_per_token", "state_bytes", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """The order of a leaderboard.

    rank: highest rung first, then best score, then lowest number (the default; `descending` turns it round, worst first).
    The others: that column, ascending unless `descending`. Turning an order round turns its ties round too: they stand by
    rising number where the best score or the lowest cost comes first.
    """

    by: SortName = "rank"
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Inclusive bounds on a numeric column of the leaderboard; None is open."""

    column: Literal["score", "rung", "params", "active_params", "flops_per_token", "state_bytes", "number"]
    min: float | int | None = None
    max: float | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which trials of a leaderboard to show. reference: only zoo entries (True), only the search's own (False), both (None)."""

    states: frozenset[TrialState] = frozenset()
    reference: bool | None = None
    pareto: bool | None = None
    between: tuple[Between, ...] = ()


BEST_FIRST: Final = Sort()
EVERY_SCORED: Final = Filter()


class Cursor(Document):
    """Where a page ended. listing: what was listed, as a mark; position: rows so far; after: the last row's key."""

    listing: Annotated[str, Field(max_length=16)]
    position: Annotated[int, Field(ge=0, lt=2**31)]
    after: Annotated[tuple[int | float | str, ...], Field(min_length=1, max_length=3)]

    def encode(self) -> str:
        """Opaque text that is safe in a URL."""
        return base64.urlsafe_b64encode(self.to_json().encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order that an index has: key columns, all in one direction. `listing` marks what is listed."""

    columns: tuple[ColumnElement[Any], ...]
    descending: bool
    listing: str

    def page(self, query: Select[*tuple[Any, ...]], limit: int, cursor: str | None) -> tuple[Select[*tuple[Any, ...]], int]:
        """The query for one row more than the page, its key columns last; and how many rows came before. Raises `Invalid`."""
        if not 1 <= limit <= MAX_PAGE:
            raise Invalid(f"limit {limit}: give 1 to {MAX_PAGE}")
        start = self._decode(cursor) if cursor is not None else None
        order = [column.desc() if self.descending else column.asc() for column in self.columns]
        keys = (column.label(f"key_{place}") for place, column in enumerate(self.columns))
        query = query.add_columns(*keys).order_by(*order).limit(limit + 1)
        if start is None:
            return query, 0
        key = tuple_(*self.columns)
        after = tuple_(*(literal(value, column.type) for value, column in zip(start.after, self.columns, strict=True)))
        return query.where(key < after if self.descending else key > after), start.position

    def cursor(self, rows: Sequence[Row[*tuple[Any, ...]]], limit: int, position: int) -> str | None:
        """Where the next page starts; None when these rows of `page` are the last."""
        if len(rows) <= limit:
            return None
        after = tuple(rows[limit - 1])[-len(self.columns) :]
        return Cursor(listing=self.listing, position=position + limit, after=after).encode()

    def _decode(self, text: str) -> Cursor:
        try:
            cursor = Cursor.from_json(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        except (ValueError, binascii.Error, ValidationError):
            raise Invalid("the cursor cannot be read: give the next_cursor of the page before, or none") from None
        if cursor.listing != self.listing or not self._fits(cursor.after):
            raise Invalid("the cursor belongs to another list, sort or filter: use it with those, or start without one")
        return cursor

    def _fits(self, after: tuple[int | float | str, ...]) -> bool:
        types = [column.type.python_type for column in self.columns]
        return [type(value) for value in after] == types


def leaderboard_keyset(study_id: str, sort: Sort, where: Filter) -> Keyset:
    """The order of a leaderboard. `rank` is best first unless turned round, which its index has last."""
    descending = sort.descending != (sort.by == "rank")
    # not repr(where): the order of a set differs from process to process
    listing = mark("leaderboard", study_id, sort, sorted(where.states), where.reference, where.pareto, where.between)
    return Keyset(_ORDERS[sort.by], descending, listing)


def conditions(where: Filter) -> ColumnElement[bool]:
    """The filter, for scored trials. Raises `Invalid` for a bound that is no number."""
    return and_(SCORED, *_conditions(where))


def mark(*listing: object) -> str:
    """A short mark of what is listed, so that a cursor of one list is not used on another."""
    return hashlib.sha256(repr(listing).encode(errors="replace")).hexdigest()[:16]


_BY_NUMBER_FALLING: Final = -trial.c.number
_ORDERS: Final[dict[SortName, tuple[ColumnElement[Any], ...]]] = {
    "rank": (trial.c.rung, trial.c.score, _BY_NUMBER_FALLING),
    "score": (trial.c.score, _BY_NUMBER_FALLING),
    "params": (trial.c.params, trial.c.number),
    "active_params": (trial.c.active_params, trial.c.number),
    "flops_per_token": (trial.c.flops_per_token, trial.c.number),
    "state_bytes": (trial.c.state_bytes, trial.c.number),
    "number": (trial.c.number,),
}


def _conditions(where: Filter) -> Iterator[ColumnElement[bool]]:
    if where.states:
        yield trial.c.state.in_(sorted(state.value for state in where.states))
    if where.reference is not None:
        yield trial.c.reference.is_not(None) if where.reference else trial.c.reference.is_(None)
    if where.pareto is not None:
        yield trial.c.pareto if where.pareto else ~trial.c.pareto
    for bound in where.between:
        column = trial.c[bound.column]
        if bound.min is not None:
            yield column >= _bound(bound.min)
        if bound.max is not None:
            yield column <= _bound(bound.max)


def _bound(value: float) -> ColumnElement[Any]:
    if not math.isfinite(value):
        raise Invalid(f"bound {value}: give a finite number")
    return literal(float(value))
