"""Winners that leave: a model of 5M parameters over HTTP in every form, the memory that takes, and how long verifying takes.

Real PostgreSQL, a real uvicorn in a process of its own, weights on a real disk. Jamba's layers have a class of transformers;
Samba's have none, and leave with their own code.
"""

import hashlib
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from nas.export.archive import unpack
from nas.export.drawing import draw
from nas.export.forms import FORMS
from nas.keys import Principal
from nas.run import Artifact
from nas.store.api_keys import create_key
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine
from nas.store.migrate import migrate
from nas.store.submissions import submit_study
from nas.study import StudySpec, StudyState
from search_spaces.presets import recall_demo
from search_spaces.scaling import ScaleTarget, scale
from search_spaces.zoo import ZOO
from tests.api.seeding import Driver
from tests.benchmarks.api_process import ApiProcess, serving
from tests.benchmarks.figure import Figure, Goal, figure

NAMES = ("jamba", "samba")
PARAMS = 5_000_000
REPEATS = 3
OWNER = Principal("benchmark", "benchmark", frozenset({"admin"}))


def figures() -> Iterator[Figure]:
    """Every form within 3 s with at most two copies of the weights; both verified within 15 s each."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="nas-benchmark-")))
        postgres = EmbeddedPostgres(folder / "database")
        stack.callback(postgres.stop)
        engine = open_engine(postgres.ensure_running())
        stack.callback(engine.dispose)
        migrate(engine)
        token = create_key(engine, OWNER.owner, ("read", "admin")).token
        trials = {name: _trial(engine, folder / "data", name) for name in NAMES}
        api = stack.enter_context(serving(postgres.url, token, NAS_DATA_DIR=str(folder / "data")))
        for name, path in trials.items():
            yield from _forms(api, name, path)
        for name, path in trials.items():
            yield _verified(api, name, path, folder / name)


def _trial(engine: Engine, data: Path, name: str) -> str:
    """The path of a scored trial of the grown zoo entry, with weights that were drawn."""
    architecture = scale(ZOO[name].build(64, 256), ScaleTarget(params=PARAMS)).architecture
    study_id = submit_study(engine, OWNER, StudySpec(name=name, space=recall_demo())).study_id
    files = data / "workspace" / "studies" / study_id / "trials" / "0" / "rung-0" / "attempt-1"
    artifacts = []
    files.mkdir(parents=True)
    for kind, drawn in zip(("weights", "parity"), draw(architecture, 0, files), strict=True):
        (files / kind).mkdir()
        stored = drawn.rename(files / kind / "mqar.safetensors")
        content = stored.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        artifacts.append(Artifact(path=f"{kind}/mqar.safetensors", sha256=digest, n_bytes=len(content)))
    driver = Driver(engine, study_id)
    driver.become(StudyState.RUNNING)
    driver.add_trials(1, artifacts=tuple(artifacts), built=(architecture,))
    return f"/v1/studies/{study_id}/trials/0/export"


def _forms(api: ApiProcess, name: str, path: str) -> Iterator[Figure]:
    """The slowest whole answer in seconds, which is the first; and once all modules are loaded, what the process grew by."""
    architecture = scale(ZOO[name].build(64, 256), ScaleTarget(params=PARAMS)).architecture
    for form in ("bundle", *(form.name for form in FORMS.values() if not form.refusals(architecture))):
        seconds, copies = zip(*(_taken(api, f"{path}?format={form}") for _ in range(REPEATS)), strict=True)
        yield figure(f"export_{name}_{form}", max(seconds), "s", Goal(of="value", at="most", bound=3), better="lower")
        yield figure(
            f"export_{name}_{form}_copies", min(copies), "x weights", Goal(of="value", at="most", bound=2), better="lower"
        )


def _taken(api: ApiProcess, path: str) -> tuple[float, float]:
    before = _resident_kib(api.pid, "VmRSS")
    # the peak is counted anew from here
    Path(f"/proc/{api.pid}/clear_refs").write_text("5")
    start = time.perf_counter()
    api.client.get(path).raise_for_status()
    seconds = time.perf_counter() - start
    return seconds, (_resident_kib(api.pid, "VmHWM") - before) * 1024 / (4 * PARAMS)


def _resident_kib(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def _verified(api: ApiProcess, name: str, path: str, folder: Path) -> Figure:
    """Every form and the bundle at once, as `nas verify` does, from nothing to the verdict."""
    unpack(io.BytesIO(api.client.get(f"{path}?format=all").raise_for_status().content), folder)
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "workers.verify", str(folder)], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed")]
    print("\n".join(failed) or f"{name}: no check of its forms failed", file=sys.stderr)
    return figure(f"verify_{name}_all", seconds, "s", Goal(of="value", at="most", bound=15), better="lower")
