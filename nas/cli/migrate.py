"""`nas migrate`: what `nas up` does to a database by itself, for services that are started in other ways."""

from typing import Annotated

import typer

from nas import supervisor
from nas.cli.options import AsJson
from nas.cli.output import print_json, say
from nas.connection import DEFAULT_URL, Connection, save_connection
from nas.private_files import private_folder
from nas.settings import Settings
from nas.store.engine import database_url


def migrate(
    url: Annotated[str, typer.Option("--url", help="Where clients will find the API; saved beside the key.")] = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Bring the database to this version's schema.

    Makes the first key too. For a database of your own (NAS_DATABASE_URL) whose API and driver you start yourself; running it
    again is safe.
    """
    settings = Settings()
    private_folder(settings.data_dir)
    key = supervisor.prepare(settings.data_dir, database_url(settings))
    save_connection(settings.data_dir, Connection(url=url, key=key))
    if as_json:
        print_json({"key_file": str(settings.data_dir / "key")})
    else:
        say(f"the schema is up to date; an administrator's key is in {settings.data_dir / 'key'}")
