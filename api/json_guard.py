"""The one JSON parser at the edge: what it returns can be stored, compared and sent back without surprises.

Python's parser accepts NaN, 1e400, repeated keys, NUL, lone surrogates and integers of any length; PostgreSQL or the reader
of the answer then chokes on them, after the row was written. Here each such value is refused, with a pointer to it.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from nas.errors import FieldProblem, Invalid, json_pointer

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 20_000
MAX_DIGITS: Final = 18
MAX_KEY_LENGTH: Final = 200
MAX_PROBLEMS: Final = 20

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in the parsed document where a value may not."""

    reason: str


def parse(text: bytes) -> Any:
    """The document. Raises `Invalid` with a pointer to each value that may not be in it."""
    document = _decode(text)
    problems = tuple(_walk(document))
    if problems:
        raise Invalid("the JSON holds values that cannot be accepted", problems)
    return document


def _decode(text: bytes) -> Any:
    try:
        return json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_constant=lambda name: _Refused(f"{name} is not a JSON number; leave the field out or give a finite number"),
            parse_float=_float,
            parse_int=_int,
        )
    except UnicodeDecodeError as error:
        raise _unreadable(f"the body is not UTF-8: byte {error.start} cannot be read") from error
    except json.JSONDecodeError as error:
        raise _unreadable(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise _unreadable(f"nested too deeply; at most {MAX_DEPTH} levels") from error


def _unreadable(reason: str) -> Invalid:
    return Invalid(reason, (FieldProblem("", reason),))


def _object(pairs: list[tuple[str, Any]]) -> Any:
    document = dict(pairs)
    if len(document) == len(pairs):
        return document
    repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
    return _Refused(f"the key {repeated[:60]!a} appears twice; give each key once")


def _float(digits: str) -> Any:
    number = float(digits)
    return number if math.isfinite(number) else _Refused("the number is too large; give a finite number below 1e308")


def _int(digits: str) -> Any:
    if len(digits.removeprefix("-")) > MAX_DIGITS:
        return _Refused(f"an integer of {len(digits)} digits; at most {MAX_DIGITS}")
    return int(digits)


def _walk(document: Any) -> Iterator[FieldProblem]:
    """Problems of a document in depth-first order, without recursion; stops at the first that says "too much"."""
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    n_values = n_problems = 0
    while pending and n_problems < MAX_PROBLEMS:
        path, value = pending.pop()
        n_values += 1
        reason = _excess(path, n_values + len(pending), value) or _reason(value)
        if reason is None:
            pending.extend(reversed([((*path, step), child) for step, child in _children(value)]))
        else:
            n_problems += 1
            yield FieldProblem(json_pointer(*path), reason)


def _excess(path: tuple[str | int, ...], n_values: int, value: Any) -> str | None:
    """Asked before a container's children are looked at, so that a huge document costs no more than its limit."""
    if len(path) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels; send a flatter document"
    if isinstance(value, dict | list) and n_values + len(value) > MAX_VALUES:
        return f"the document has more than {MAX_VALUES} values; send a smaller one"
    return None


def _children(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _reason(value: Any) -> str | None:
    if isinstance(value, _Refused):
        return value.reason
    if isinstance(value, str) and _UNSTORABLE.search(value):
        return "holds NUL or a lone surrogate (\\ud800 to \\udfff); use printable text"
    if isinstance(value, dict) and any(_UNSTORABLE.search(key) for key in value):
        return "has a key with NUL or a lone surrogate (\\ud800 to \\udfff); use printable text"
    if isinstance(value, dict) and any(len(key) > MAX_KEY_LENGTH for key in value):
        return f"has a key of more than {MAX_KEY_LENGTH} characters"
    return None
