"""A real local Ray with two slots, shared by the module's tests; each leaves the slots as it found them."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray

from nas.ports import Executor, Kept
from nas.protocol import Rung
from nas.run import MAX_ATTEMPTS, Finished
from nas.settings import Settings
from search_spaces.architecture import TokenInput
from tests.workers.runs import HYBRID, PROTOCOL, make_run, protocol
from workers.ray_executor import TOKEN_FILE, RayExecutor, _token_file

ENDLESS = protocol(rungs=(Rung(steps=10_000_000),))


def wait_for(condition, seconds=60.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def shared(data_dir) -> Iterator[Executor]:
    with RayExecutor(Settings(data_dir=data_dir, workers=2), worker_memory_bytes=3 * 2**30) as executor:
        yield executor


@pytest.fixture
def executor(shared):
    wait_for(lambda: shared.capacity() == 2)
    yield shared
    assert shared.poll(0) == (), "a test leaves nothing in flight"


def run_to_end(executor, *runs):
    for run in runs:
        executor.submit(run)
    finished: list[Finished] = []
    until = time.monotonic() + 60
    while len(finished) < len(runs):
        assert time.monotonic() < until
        finished.extend(executor.poll(5))
    return finished


def descendants():
    """This driver's Ray and all below it; other tests may have a service of their own running below pytest."""
    ours = [child for child in psutil.Process().children() if child.name() in ("raylet", "gcs_server")]
    return [process for child in ours for process in (child, *child.children(recursive=True))]


def worker_pids():
    """The processes of this driver's actors, busy or idle."""
    return {child.pid for child in descendants() if child.name().startswith("ray::_Worker")}


def busy_worker():
    wait_for(lambda: any(child.name() == "ray::_Worker.run" for child in descendants()))
    return next(child for child in descendants() if child.name() == "ray::_Worker.run")


def test_runs_succeed_side_by_side(executor, data_dir):
    first, second = make_run(number=1), make_run(number=2)
    finished = run_to_end(executor, first, second)
    assert {one.key for one in finished} == {first.key, second.key}
    for one in finished:
        assert one.failure is None
        assert (data_dir / "workspace" / one.result.folder / "manifest.json").exists()


def test_processes_are_kept_between_runs(executor):
    before = worker_pids()
    run_to_end(executor, make_run())
    assert worker_pids() == before
    assert len(before) == 2


def test_submit_beyond_capacity_is_refused(executor):
    runs = [make_run(number=number, protocol=ENDLESS) for number in range(3)]
    executor.submit(runs[0])
    executor.submit(runs[1])
    with pytest.raises(RuntimeError, match="no free slot"):
        executor.submit(runs[2])
    executor.cancel(runs[0].key)
    executor.cancel(runs[1].key)


def test_killed_worker_is_a_crash_and_its_slot_comes_back(executor):
    run = make_run(protocol=ENDLESS)
    executor.submit(run)
    busy_worker().send_signal(signal.SIGKILL)
    (finished,) = executor.poll(30)
    assert finished.key == run.key
    assert finished.failure.kind == "crash"
    assert MAX_ATTEMPTS[finished.failure.kind] > 1
    wait_for(lambda: executor.capacity() == 2)
    assert run_to_end(executor, make_run(attempt=2))[0].result is not None


def test_exception_is_a_crash_with_its_traceback(executor, data_dir):
    blocked = data_dir / "workspace" / "studies" / "blocked"
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file where a folder must go")
    (finished,) = run_to_end(executor, make_run(study_id="blocked"))
    assert finished.failure.kind == "crash"
    assert "Traceback" in finished.failure.message


def test_run_ends_at_its_deadline(executor):
    (finished,) = run_to_end(executor, make_run(protocol=ENDLESS, max_seconds=0.5))
    assert finished.failure.kind == "timeout"


def test_stuck_worker_is_killed_after_its_deadline(executor, monkeypatch):
    monkeypatch.setattr("workers.ray_executor.GRACE_SECONDS", 0.5)
    executor.submit(make_run(protocol=ENDLESS, max_seconds=1.0))
    stuck = busy_worker()
    stuck.send_signal(signal.SIGSTOP)
    (finished,) = executor.poll(30)
    assert finished.failure.kind == "timeout"
    wait_for(lambda: not stuck.is_running() or stuck.status() == psutil.STATUS_ZOMBIE)


def test_cancelled_run_is_not_returned(executor):
    run = make_run(protocol=ENDLESS)
    executor.submit(run)
    cancelled = busy_worker()
    executor.cancel(run.key)
    wait_for(lambda: not cancelled.is_running())
    assert executor.poll(0.5) == ()
    executor.cancel(run.key)
    wait_for(lambda: executor.capacity() == 2)


def test_run_that_allocates_too_much_is_oom(executor):
    # 64 x 16 tokens with a million logits each are 4 GB
    big = protocol(recipe=PROTOCOL.recipe.model_copy(update={"batch_size": 64}))
    wide = HYBRID.model_copy(update={"input": TokenInput(vocab_size=1_000_000)})
    neighbour = make_run(number=8)
    finished = {one.number: one for one in run_to_end(executor, make_run(number=9, protocol=big, architecture=wide), neighbour)}
    assert finished[9].failure.kind == "oom"
    assert finished[8].result is not None


def test_diverged_run_is_nan(executor):
    wild = PROTOCOL.recipe.model_copy(update={"weight_decay": 10.0, "warmup_fraction": 0.0})
    run = make_run(protocol=protocol(learning_rates=(1.0,), recipe=wild, rungs=(Rung(steps=60),)))
    assert run_to_end(executor, run)[0].failure.kind == "nan"


def test_poll_with_nothing_in_flight_waits_and_returns_nothing(executor):
    assert executor.poll(0.1) == ()


def test_every_port_is_on_loopback(executor):
    run_to_end(executor, make_run())
    listening = [
        connection.laddr.ip
        for process in (psutil.Process(), *descendants())
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


@pytest.mark.usefixtures("executor")
def test_token_is_its_owners_only(data_dir):
    token = data_dir / TOKEN_FILE
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) >= 32
    assert Path(os.environ["RAY_AUTH_TOKEN_PATH"]) == token


def test_token_that_others_could_read_is_replaced(tmp_path):
    (tmp_path / TOKEN_FILE).write_text("known")
    (tmp_path / TOKEN_FILE).chmod(0o644)
    path = _token_file(tmp_path)
    assert path.read_text() != "known"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _token_file(tmp_path).read_text() == path.read_text()


@pytest.mark.parametrize(("token", "answer"), [("right", "let in"), ("wrong", "AuthenticationError")])
@pytest.mark.usefixtures("executor")
def test_stranger_without_the_token_is_turned_away(data_dir, tmp_path, token, answer):
    (tmp_path / "wrong").write_text("0" * 64)
    path = {"right": data_dir / TOKEN_FILE, "wrong": tmp_path / "wrong"}[token]
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}
    address = ray.get_runtime_context().gcs_address
    ask = f"from ray._raylet import GcsClient; GcsClient(address='{address}').internal_kv_get(b'x', None, 5); print('let in')"
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, timeout=60)
    assert answer in done.stdout + done.stderr


DRIVER = """
import sys, time
from pathlib import Path
from nas.settings import Settings
from tests.workers.runs import make_run
from tests.workers.test_ray_executor import ENDLESS, wait_for
from workers.ray_executor import RayExecutor

executor = RayExecutor(Settings(data_dir=Path(sys.argv[1]), workers=1))
wait_for(lambda: executor.capacity() == 1)
executor.submit(make_run(protocol=ENDLESS))
print("submitted", flush=True)
executor.poll(600)
"""


def test_killed_driver_leaves_no_worker(tmp_path):
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "submitted\n"
    children = psutil.Process(driver.pid).children(recursive=True)
    workers = [child for child in children if child.name().startswith("ray::_Worker")]
    assert workers
    driver.kill()
    driver.wait()
    driver.stdout.close()
    # sooner than Ray's own processes give up, which takes them 10 seconds
    gone, alive = psutil.wait_procs(workers, timeout=8)
    assert not alive
    assert len(gone) == len(workers)


def test_forget_frees_the_disk_below_the_workspace(executor, data_dir):
    run = make_run(study_id="forgotten")
    (finished,) = run_to_end(executor, run)
    assert finished.result is not None
    workspace = Settings(data_dir=data_dir).workspace
    assert (workspace / run.folder / "trainings").exists()
    executor.forget(Kept(study_id="forgotten", number=run.number, folders=(run.folder,), ended=True))
    wait_for(lambda: not (workspace / run.folder / "trainings").exists())
    assert (workspace / run.folder / "weights").exists()


CLUSTER = """
import subprocess, sys
from pathlib import Path
import psutil
from ray.cluster_utils import Cluster
from nas.settings import Settings
from tests.workers.runs import make_run
from tests.workers.test_ray_executor import CLOSED, run_to_end, wait_for
from workers import ray_executor

ray_executor.RECOUNT_SECONDS = 0.2
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
with ray_executor.RayExecutor(Settings(data_dir=Path(sys.argv[1]), ray_address=cluster.address)) as executor:
    print(executor.capacity(), flush=True)
    cluster.add_node(num_cpus=1, num_gpus=0)
    wait_for(lambda: executor.capacity() == 1)
    print(run_to_end(executor, make_run())[0].failure, flush=True)
    cluster.add_node(num_cpus=2, num_gpus=0)
    wait_for(lambda: executor.capacity() == 3)
    workers = [child for child in psutil.Process().children(recursive=True) if child.name().startswith("ray::_Worker")]
    shares = sorted(child.rlimit(psutil.RLIMIT_DATA)[0] / psutil.virtual_memory().total for child in workers)
    print(*(f"{share:.2f}" for share in shares))
    own = [sys.executable, "-c", CLOSED, str(Path(sys.argv[1]) / "own")]
    subprocess.run(own, check=True, stdout=subprocess.DEVNULL)
cluster.shutdown()
print("done")
"""


def test_nodes_that_join_later_are_used_and_shared_among_their_own_cores(tmp_path):
    """And an executor without an address starts a Ray of its own beside such a cluster."""
    done = subprocess.run([sys.executable, "-c", CLUSTER, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["0", "None", "0.45", "0.45", "0.90", "done"], done.stderr


CLOSED = """
import sys
from pathlib import Path
from ray._private import worker
from nas.settings import Settings
from workers.ray_executor import RayExecutor

with RayExecutor(Settings(data_dir=Path(sys.argv[1]), workers=1)):
    print(worker._global_node.get_session_dir_path())
"""


def test_closed_executor_leaves_no_session_folder(tmp_path):
    done = subprocess.run([sys.executable, "-c", CLOSED, tmp_path], capture_output=True, text=True, timeout=120, check=True)
    assert "session_" in done.stdout
    assert not Path(done.stdout.strip()).exists()
