"""The one place that chooses which form of a kernel runs.

Every kernel has the form "reference", its definition, and one or more faster forms of the same signature, listed from the
plainest to the fastest. The fastest is taken unless a caller forces another by name, as tests and doubting users do.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

_forced: ContextVar[str | None] = ContextVar("forced kernel form", default=None)
_replaced: ContextVar[Mapping[Callable[..., object], Callable[..., object]]] = ContextVar(
    "replaced kernel forms", default=MappingProxyType({})
)


def choose(forms: Mapping[str, Callable[P, R]]) -> Callable[P, R]:
    """The forced form, or else the last of `forms`. Raises ValueError when the forced form does not exist."""
    name = _forced.get() or list(forms)[-1]
    if name not in forms:
        raise ValueError(f"this kernel has no form {name!r}; force one of {', '.join(forms)}")
    # a replacement has the signature of what it replaces
    return cast("Callable[P, R]", _replaced.get().get(forms[name], forms[name]))


@contextmanager
def force(name: str) -> Iterator[None]:
    """Within the block (and this thread), every kernel runs its form `name`, such as "reference"."""
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


@contextmanager
def replace(forms: Mapping[Callable[..., object], Callable[..., object]]) -> Iterator[None]:
    """Within the block (and this thread), functions that run in place of chosen forms, such as `kernels.scans.SCANS`."""
    token = _replaced.set(forms)
    try:
        yield
    finally:
        _replaced.reset(token)
