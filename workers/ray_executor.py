"""Runs on Ray: one long-lived actor per slot, text in and text out, and every way a worker can end as a classified failure.

Ray only starts and watches processes. Actors are never restarted behind our back, which would hide out-of-memory kills: a
dead or killed one is replaced here. A local Ray listens on loopback only, asks for a token, and dies with this process.
"""

import logging
import os
import resource
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import exceptions
from ray._private import ray_constants, worker

from nas.ports import Kept
from nas.private_files import private_folder
from nas.processes import die_with_parent
from nas.run import Failure, Finished, Run, RunKey
from nas.settings import Settings
from workers import failures, retention

TOKEN_FILE = "ray_token"
OBJECT_STORE_BYTES = 80 * 2**20
MEMORY_SHARE = 0.9
"""Of a machine's memory, what CPU workers together may take."""

MIN_MEMORY_BYTES = 2 * 2**30
"""A worker that has done nothing yet holds half a gigabyte."""

GRACE_SECONDS = 10.0
"""A run watches its own deadline; one that is stuck for so long beyond it is killed."""

MAX_BACKOFF_SECONDS = 60.0
RECOUNT_SECONDS = 5.0
"""How often it looks whether nodes have joined the cluster."""

RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    # Ray's agents tell the head why they end: when it has died too, they shall not wait a minute for its answer
    "RAY_gcs_server_request_timeout_seconds": "10",
}
"""Of a local Ray: no reports to its makers, no warning about GPUs we do not ask for, ends soon after its control process."""


class _Worker:
    """What lives in an actor's process. torch is loaded here and not in the driver's."""

    def __init__(self, workspace: str, data_root: str | None, memory_bytes: int | None, on_gpu: bool) -> None:
        die_with_parent(os.getppid())
        limit = memory_bytes or (None if on_gpu else _memory_share())
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        import_module("torch").set_num_threads(1)
        self._evaluate = import_module("workers.evaluate").evaluate
        self._workspace = Path(workspace)
        self._data_root = Path(data_root) if data_root else None

    def ready(self) -> int:
        """The process id, once everything is loaded."""
        return os.getpid()

    def run(self, text: str) -> str:
        """Evaluate the run in JSON text; the answer is `Finished` as JSON text."""
        finished: Finished = self._evaluate(Run.from_json(text), self._workspace, self._data_root)
        return finished.to_json()


@dataclass(slots=True)
class _InFlight:
    key: RunKey
    reference: Any
    kill_at: float


@dataclass(slots=True)
class _Slot:
    """A place for one run. `actor` is None while waiting to try again after its process could not be started."""

    actor: Any = None
    starting: Any = None
    failed_starts: int = 0
    start_at: float = 0.0
    in_flight: _InFlight | None = None

    @property
    def is_ready(self) -> bool:
        return self.actor is not None and self.starting is None


class RayExecutor:
    """Implements `nas.ports.Executor`. Use it from one thread; `close` it, or leave a `with` block.

    One slot per CPU core with one thread each, or per fraction of a GPU where the first nodes have one; `settings.workers`
    overrides how many. Nodes that join later bring theirs; the slots of one that left wait for another. A CPU worker may take
    `worker_memory_bytes`, by default its share of its machine: a run that is too large fails alone, as `oom`.
    """

    def __init__(self, settings: Settings, worker_memory_bytes: int | None = None) -> None:
        _connect(settings)
        self._settings, self._memory_bytes = settings, worker_memory_bytes
        self._workspace = private_folder(settings.workspace.resolve())
        self._tidying = ThreadPoolExecutor(1, "tidying")
        self._on_gpus = False
        self._slots: list[_Slot] = []
        self._recount()

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def capacity(self) -> int:
        """Slots whose process is up, busy or not."""
        self._supervise()
        return sum(slot.is_ready for slot in self._slots)

    def submit(self, run: Run) -> None:
        """Start a run in a free slot. Raises RuntimeError when there is none."""
        slot = next((slot for slot in self._slots if slot.is_ready and slot.in_flight is None), None)
        if slot is None:
            raise RuntimeError("no free slot; keep runs in flight at or below capacity()")
        kill_at = time.monotonic() + run.max_seconds + GRACE_SECONDS
        slot.in_flight = _InFlight(run.key, slot.actor.run.remote(run.to_json()), kill_at)

    def poll(self, timeout_seconds: float) -> Sequence[Finished]:
        """Runs that ended since the last call; waits up to the timeout for the first."""
        until = time.monotonic() + timeout_seconds
        while True:
            self._supervise()
            finished = tuple(self._collect())
            now = time.monotonic()
            if finished or now >= until:
                return finished
            self._wait(self._next_event(until) - now)

    def cancel(self, key: RunKey) -> None:
        """Kill the run's process and start another one in its place."""
        for slot in self._slots:
            if slot.in_flight is not None and slot.in_flight.key == key:
                self._replace(slot)

    def forget(self, kept: Kept) -> None:
        """Free what a trial has on disk beyond what is kept, in a thread: a shared disk may take its time."""
        self._tidying.submit(retention.free, self._workspace, kept)

    def close(self) -> None:
        """Finish what is to be freed, then kill every process; a local Ray ends too."""
        self._tidying.shutdown()
        for slot in self._slots:
            if slot.actor is not None:
                ray.kill(slot.actor)
        self._slots.clear()
        _disconnect(self._settings)

    def _recount(self) -> None:
        """Add the slots of nodes that have joined."""
        self._recount_at = time.monotonic() + RECOUNT_SECONDS
        resources = ray.cluster_resources()
        # whatever joins later: one study's runs are not trained on CPUs and on GPUs
        self._on_gpus = resources.get("GPU", 0) >= 1 if not self._slots else self._on_gpus
        per_gpu = int(1 / self._settings.gpu_fraction)
        n_places = int(resources.get("GPU", 0)) * per_gpu if self._on_gpus else int(resources.get("CPU", 0))
        n_slots = min(n_places, 1) and (self._settings.workers or n_places)
        for _ in range(n_slots - len(self._slots)):
            slot = _Slot()
            self._start(slot)
            self._slots.append(slot)

    def _start(self, slot: _Slot) -> None:
        actor_class = ray.remote(_Worker).options(
            num_cpus=0 if self._on_gpus else 1,
            num_gpus=self._settings.gpu_fraction if self._on_gpus else 0,
            max_restarts=0,
            max_task_retries=0,
        )
        slot.actor = actor_class.remote(
            str(self._workspace), _text(self._settings.data_root), self._memory_bytes, self._on_gpus
        )
        slot.starting = slot.actor.ready.remote()

    def _replace(self, slot: _Slot) -> None:
        """A killed or dead process leaves its slot to a new one."""
        ray.kill(slot.actor)
        slot.in_flight = None
        self._start(slot)

    def _supervise(self) -> None:
        """Notice processes that came up or could not start, and try those again whose time has come."""
        now = time.monotonic()
        if now >= self._recount_at:
            self._recount()
        for slot in self._slots:
            if slot.actor is None and now >= slot.start_at:
                self._start(slot)
            if slot.starting is not None and _is_done(slot.starting):
                self._started(slot, now)

    def _started(self, slot: _Slot, now: float) -> None:
        try:
            ray.get(slot.starting)
            slot.failed_starts = 0
        except exceptions.RayError as error:
            slot.failed_starts += 1
            slot.actor = None
            slot.start_at = now + min(MAX_BACKOFF_SECONDS, 2.0**slot.failed_starts)
            logging.getLogger(__name__).error("a worker could not start: %s", error)
        slot.starting = None

    def _collect(self) -> Iterator[Finished]:
        for slot in self._slots:
            flight = slot.in_flight
            if flight is None:
                continue
            if _is_done(flight.reference):
                finished = _outcome(flight)
            elif time.monotonic() >= flight.kill_at:
                finished = _failed(flight.key, failures.classify(failures.DeadlineExceeded("killed: it was stuck")))
            else:
                continue
            slot.in_flight = None
            if finished.failure is not None and finished.failure.kind in ("crash", "oom", "timeout"):
                # the process may be dead, stuck, or hold broken device state: a new one costs two seconds
                self._replace(slot)
            yield finished

    def _next_event(self, until: float) -> float:
        times = [slot.in_flight.kill_at for slot in self._slots if slot.in_flight is not None]
        times += [slot.start_at for slot in self._slots if slot.actor is None]
        return min([until, self._recount_at, *times])

    def _wait(self, seconds: float) -> None:
        """Until something ends or comes up, at most so long."""
        references = [slot.in_flight.reference for slot in self._slots if slot.in_flight is not None]
        references += [slot.starting for slot in self._slots if slot.starting is not None]
        seconds = max(0.0, seconds)
        if references:
            ray.wait(references, timeout=seconds)
        else:
            time.sleep(seconds)


def _outcome(flight: _InFlight) -> Finished:
    try:
        return Finished.from_json(ray.get(flight.reference))
    except exceptions.OutOfMemoryError as error:
        return _failed(flight.key, failures.failure("oom", str(error)))
    except exceptions.RayError as error:
        return _failed(flight.key, failures.failure("crash", f"the worker's process ended: {error}"))


def _failed(key: RunKey, failure: Failure) -> Finished:
    return Finished(study_id=key.study_id, number=key.number, rung=key.rung, attempt=key.attempt, failure=failure)


def _is_done(reference: Any) -> bool:
    done, _ = ray.wait([reference], timeout=0)
    return bool(done)


def _connect(settings: Settings) -> None:
    """Join the cluster at `ray_address`, or start a Ray of our own that only this machine's user can reach."""
    if settings.ray_address is not None:
        ray.init(address=settings.ray_address, log_to_driver=False, logging_level=logging.ERROR)
        return
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(_token_file(settings.data_dir.resolve()))
    # without a mode of the environment's own, Ray asks for tokens
    os.environ.pop("RAY_AUTH_MODE", None)
    os.environ.update(RAY_ENVIRONMENT)
    # a Ray that is no cluster takes 127.0.0.1 as its address, and its processes then listen there only
    ray_constants.ENABLE_RAY_CLUSTER = False
    ray.init(
        # never a cluster that happens to run on this machine
        address="local",
        num_cpus=settings.workers,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _disconnect(settings: Settings) -> None:
    """Leave the cluster, or end the Ray of our own and remove the logs and sockets that it leaves in the temporary folder."""
    own = _session_folder() if settings.ray_address is None else None
    ray.shutdown()
    if own is not None:
        shutil.rmtree(own, ignore_errors=True)


def _session_folder() -> Path | None:
    node = worker._global_node
    return None if node is None else Path(node.get_session_dir_path())


def _token_file(data_dir: Path) -> Path:
    """A file that only its owner can read, with the token that Ray's processes show each other."""
    path = private_folder(data_dir) / TOKEN_FILE
    if path.exists() and not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return path
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path


def _memory_share() -> int:
    """Of the machine that this worker is on, among as many workers as it offers cores."""
    here = ray.get_runtime_context().get_node_id()
    n_cores = next(node["Resources"]["CPU"] for node in ray.nodes() if node["NodeID"] == here)
    return max(MIN_MEMORY_BYTES, int(psutil.virtual_memory().total * MEMORY_SHARE / n_cores))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())
