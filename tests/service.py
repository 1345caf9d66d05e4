"""The whole service in a process of its own, as `nas up` starts it, with real PostgreSQL, real HTTP and real Ray."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from nas.client import Client
from nas.store.views import StudyRow

START_SECONDS = 120
STOP_SECONDS = 60


def tiny_study(name: str, **changes: Any) -> dict[str, Any]:
    """A study that ends within seconds: at most two layers of width 16, trained for a dozen steps."""
    return {
        "name": name,
        "space": {
            "name": "tiny",
            "input": {"vocab_size": 16},
            "genes": {
                "d_model": [16],
                "depth": [1, 2],
                "attention_ratio": [0.0, 0.5, 1.0],
                "linear_mixer": ["short_conv", "gated_deltanet"],
                "n_heads": [1],
                "channel": ["none"],
            },
        },
        "protocol": {
            "tasks": [
                {"name": "mqar", "vocab_size": 16, "sequence_length": 16, "n_pairs": 2, "n_validation": 16, "n_test": 32}
            ],
            "rungs": [{"steps": 4}, {"steps": 8}],
            "learning_rates": [0.003, 0.01],
            "recipe": {"batch_size": 4},
        },
        "sampler": {"name": "random"},
        "references": ["transformer"],
        "budget": {"trials": 4},
        **changes,
    }


@dataclass(frozen=True, slots=True)
class Service:
    """A running `nas up`."""

    process: subprocess.Popen[str]
    data_dir: Path
    url: str

    def client(self) -> Client:
        """A client with the administrator's key."""
        return Client(data_dir=self.data_dir)

    def nas(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against this service."""
        return nas(*arguments, NAS_DATA_DIR=str(self.data_dir), **environ)

    def child(self, part: str) -> psutil.Process:
        """A descendant whose command line has `part` in it. Waits for it to be there."""
        wait_for(lambda: bool(self.children(part)), f"no process of the service has {part!r}")
        return self.children(part)[0]

    def children(self, part: str) -> list[psutil.Process]:
        """Every such descendant."""
        return [
            process for process in psutil.Process(self.process.pid).children(recursive=True) if part in command_line(process)
        ]

    def stop(self) -> int:
        """Ask it to stop; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


def nas(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, with nothing of ours in its environment but what is given."""
    return subprocess.run(
        [sys.executable, "-m", "nas.cli", *arguments],
        env=_environ({"COLUMNS": "200", **environ}),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _environ(given: Mapping[str, str]) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("NAS_")}, **given}


@contextmanager
def running(data_dir: Path, *options: str, **environ: str) -> Iterator[Service]:
    """`nas up` on that data directory and any free port, until the end of the block."""
    data_dir.mkdir(parents=True, exist_ok=True)
    talk = data_dir / "up.log"
    command = [sys.executable, "-m", "nas.cli", "up", "--data-dir", str(data_dir), "--port", "0", "--json", *options]
    with (
        talk.open("w") as log,
        subprocess.Popen(command, env=_environ(environ), stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, talk.read_text()
            yield Service(process, data_dir, json.loads(line)["url"])
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(STOP_SECONDS)


def wait_for(condition: Callable[[], bool], failure: str, seconds: float = 60.0) -> None:
    """Ask again and again until the condition holds."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, failure
        time.sleep(0.05)


def finished(service: Service) -> StudyRow:
    """A completed tiny study, made by whichever test asks first."""
    with service.client() as client:
        study = client.submit(tiny_study("finished"))
        list(client.watch(study.id))
        return client.study(study.id).row
