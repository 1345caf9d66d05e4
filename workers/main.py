"""The driver's process, `python -m workers.main`: settings in, then store, executor and driver put together and run.

SIGTERM and SIGINT end it: studies are given back, and the runs in flight are repeated by the next driver, which does not count
as a failure of theirs.
"""

import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time

import optuna
from sqlalchemy import Engine

from nas.driver import Driver
from nas.errors import StoreUnavailable
from nas.reuse import Reusing
from nas.settings import Settings
from nas.store.driver_store import PostgresDriverStore
from nas.store.engine import database_url, open_engine
from nas.store.measured_elsewhere import MeasuredElsewhere
from nas.store.migrate import require_newest
from workers.ray_executor import RayExecutor

WAIT_SECONDS = 1.0

log = logging.getLogger("workers.main")


def main() -> int:
    """Run until told to stop; returns the exit status."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("nas").setLevel(logging.INFO)
    log.setLevel(logging.INFO)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings, stop = Settings(), threading.Event()
    # workers inherit our environment, and no run has any business with the database
    os.environ.pop("NAS_DATABASE_URL", None)
    _stop_on_signals(stop)
    engine = open_engine(database_url(settings))
    try:
        _wait_for_schema(engine, stop)
        if not stop.is_set():
            _drive(settings, engine, stop)
    finally:
        engine.dispose()
    log.info("stopped")
    return 0


def _drive(settings: Settings, engine: Engine, stop: threading.Event) -> None:
    with RayExecutor(settings) as executor:
        # Ray has put its own handlers in the place of ours
        _stop_on_signals(stop)
        driver = Driver(
            store=PostgresDriverStore(engine),
            executor=Reusing(executor, MeasuredElsewhere(engine).find),
            clock=time,
            driver_id=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            lease_seconds=settings.lease_seconds,
            max_params=settings.max_params,
        )
        log.info("driving; the lease is %g s", settings.lease_seconds)
        driver.run(stop.is_set)


def _stop_on_signals(stop: threading.Event) -> None:
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: stop.set())


def _wait_for_schema(engine: Engine, stop: threading.Event) -> None:
    """Return when the database has the schema of this version, or when told to stop. Says once what it waits for."""
    said = ""
    while (waiting_for := _missing(engine)) and not stop.wait(WAIT_SECONDS):
        if waiting_for != said:
            log.warning("waiting: %s", waiting_for)
            said = waiting_for


def _missing(engine: Engine) -> str:
    """What keeps the store from being used; empty when nothing does."""
    try:
        require_newest(engine)
    except StoreUnavailable as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
