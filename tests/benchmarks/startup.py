"""What a start costs and what idling costs: imports, the command line, a refusal, the memory of the embedded system."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from nas.client import Client
from nas.problem import RequestFailed
from tests.benchmarks.figure import Figure, Goal, figure
from tests.service import Service, running

REPEATS = 5
SETTLE_SECONDS = 20.0

HUGE = {
    "name": "huge",
    "space": {"name": "huge", "genes": {"d_model": [65536], "depth": [256], "ffn_ratio": [8], "channel": ["dense"]}},
}
"""A study of models of more than 10^12 parameters."""


def figures() -> Iterator[Figure]:
    """Each start is a process of its own; the median of five."""
    yield _most("import_api_app", _process("import api.app"), "s", 1.5)
    yield _most("nas_help", _seconds([sys.executable, "-m", "nas.cli", "--help"]), "s", 0.7)
    with TemporaryDirectory(prefix="nas-idle-") as folder, running(Path(folder), "--workers", "2") as service:
        time.sleep(SETTLE_SECONDS)
        yield _most("idle_memory", _resident_bytes(service) / 2**20, "MiB", 1536)
        with service.client() as nas:
            yield _most("refusal_of_a_huge_study", 1000 * _median(lambda: _refused(nas)), "ms", 50)


def _most(name: str, value: float, unit: str, bound: float) -> Figure:
    return figure(name, value, unit, Goal(of="value", at="most", bound=bound), better="lower")


def _process(code: str) -> float:
    return _seconds([sys.executable, "-c", code])


def _seconds(command: list[str]) -> float:
    return _median(lambda: subprocess.run(command, check=True, capture_output=True))


def _median(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _refused(nas: Client) -> None:
    with pytest.raises(RequestFailed) as refusal:
        nas.submit(HUGE)
    assert refusal.value.problem.status == 422


def _resident_bytes(service: Service) -> int:
    """Proportional set size of every process of `nas up` with two workers."""
    root = psutil.Process(service.process.pid)
    return sum(process.memory_full_info().pss for process in (root, *root.children(recursive=True)))
