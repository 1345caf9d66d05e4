"""Fresh processes that load exports without us, two at a time, and what their answers mean."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import workers.strangers
from workers.verification.check import Check, logits_check

PROGRAMS = Path(workers.strangers.__file__).parent
N_PROCESSES = 2
MAX_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What one stranger is asked."""

    name: str
    program: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...]
    """Packages that it imports."""
    shape: tuple[int, ...]
    """Of the logits that it must find."""
    loads: str | None = None
    """The class that it must find, where that is known."""


@dataclass(frozen=True, slots=True)
class Strangers:
    """Those of one verification, and a folder for what they keep."""

    pool: ThreadPoolExecutor
    scratch: Path

    def send(self, errand: Errand) -> Future[Check]:
        """The check that a stranger's answer is."""
        return self.pool.submit(_answer, errand, self.scratch)


@contextmanager
def strangers() -> Iterator[Strangers]:
    """A few processes at a time, and a folder that is gone at the end."""
    with TemporaryDirectory(prefix="nas-verify-") as scratch, ThreadPoolExecutor(N_PROCESSES) as pool:
        yield Strangers(pool, Path(scratch))


def _answer(errand: Errand, scratch: Path) -> Check:
    absent = [package for package in errand.needs if find_spec(package) is None]
    if absent:
        return Check(errand.name, "not checked", f"{', '.join(absent)} missing: pip install 'nas[verify]', then verify again")
    command = [sys.executable, "-I", str(PROGRAMS / "alone.py"), str(PROGRAMS / errand.program), *errand.arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=_environment(scratch), timeout=MAX_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Check(errand.name, "failed", f"loading it took more than {MAX_SECONDS} s")
    if done.returncode:
        return Check(errand.name, "failed", f"it does not load: {_last_line(done.stderr)}")
    return _judged(errand, json.loads(done.stdout.splitlines()[-1]))


def _environment(scratch: Path) -> dict[str, str]:
    """Offline, on one core, and with a cache that no other program reads."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HOME": str(scratch / "huggingface")}
    return {**os.environ, **offline, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it gave no reason"


def _judged(errand: Errand, said: dict[str, object]) -> Check:
    """What it found against what it must find."""
    cache = " with cache" if said.get("cached") else ""
    reasons = {
        f"it loads as {said['class']}, not {errand.loads}": errand.loads not in (None, said["class"]),
        f"weights that do not fit: {said['unmatched']}"[:300]: bool(said["unmatched"]),
        f"its logits are {said['dtype']}": not str(said["dtype"]).endswith("float32"),
        f"its logits are {said['shape']}, not {[*errand.shape]}": said["shape"] != [*errand.shape],
        f"its greedy continuation{cache} is not the one that whole passes give": said["continued"] is False,
    }
    wrong = next((reason for reason, holds in reasons.items() if holds), None)
    if wrong is not None:
        return Check(errand.name, "failed", wrong)
    also = f"; same greedy continuation{cache}" if said["continued"] else ""
    difference = said["difference"]
    assert isinstance(difference, float)
    check = logits_check(errand.name, difference, f"{said['class']} in a fresh process without us: ")
    return Check(check.name, check.status, f"{check.detail}{also}")
