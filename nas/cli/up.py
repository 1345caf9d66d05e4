"""`nas up`: the whole service on this machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nas import supervisor
from nas.cli.options import AsJson
from nas.cli.output import print_json, say
from nas.cli.typed import typed
from nas.connection import Connection
from nas.settings import Settings


def up(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Database, checkpoints, key, logs; default: .nas.")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Where to listen; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="Default: 8642; 0: any free one.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Runs at once; default: one per core or GPU.")] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Let other machines reach it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start the whole service on this machine and keep it running.

    PostgreSQL (embedded unless NAS_DATABASE_URL is set), the API and a driver with its Ray workers. Makes the first key and
    saves it where the other commands find it. Ctrl-C stops everything; what was stored stays.
    """
    given = {"data_dir": data_dir, "host": host, "port": port, "workers": workers}
    settings = Settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    say(f"starting on {settings.data_dir} …")
    supervisor.run(
        settings,
        allow_remote=allow_remote,
        say=say,
        on_ready=lambda connection: _announce(connection, settings, as_json),
    )
    say("stopped; nothing is running any more")


def _announce(connection: Connection, settings: Settings, as_json: bool) -> None:
    if as_json:
        print_json({"url": connection.url, "key_file": str(settings.data_dir / "key")})
        return
    say(f"running at {connection.url}")
    # the link carries the key: a person who reads it here may have it, a file or a log must not
    if sys.stderr.isatty():
        say(f"open its page with {connection.url}/login#{connection.key}")
    say(f"the key is in {settings.data_dir / 'key'}; logs are in {settings.data_dir / 'logs'}")
    # without the option the other commands look where the environment says
    elsewhere = None if settings.data_dir == Settings().data_dir else settings.data_dir
    say(f"next, in another terminal: {typed('submit', 'FILE', data_dir=elsewhere)}    (Ctrl-C here stops everything)")
