"""The API in a process of its own, as the supervisor starts it, with a client that has a key and one connection."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx


@dataclass(frozen=True, slots=True)
class ApiProcess:
    """Until the end of the block that made it."""

    client: httpx.Client
    url: str
    pid: int


@contextmanager
def serving(database_url: str, token: str, **environ: str) -> Iterator[ApiProcess]:
    """uvicorn on a free port over that database."""
    with socket.socket() as listener:
        # as the supervisor does; without it every answer waits 40 ms for an acknowledgement
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = (sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--log-level", "warning")
        server = subprocess.Popen(
            [*command, "--no-access-log", "--fd", str(listener.fileno())],
            env={**os.environ, "NAS_DATABASE_URL": database_url, **environ},
            pass_fds=[listener.fileno()],
        )
        try:
            # the listener queues requests until the server is up
            with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=600) as client:
                yield ApiProcess(client, address, server.pid)
        finally:
            server.terminate()
            server.wait()
