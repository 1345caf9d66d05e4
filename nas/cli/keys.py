"""Commands about API keys: create, list, revoke."""

import sys
from typing import Annotated, Literal

import typer

from nas.cli.options import AsJson, DataDir, Url
from nas.cli.output import print_json, print_table, say, to_data
from nas.cli.typed import typed
from nas.client import Client
from nas.keys import SCOPES, Scope

Access = Literal["read", "write", "admin"]
SCOPES_OF: dict[Access, tuple[Scope, ...]] = {"read": ("read",), "write": ("read", "write"), "admin": ("admin",)}

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Create, list and revoke API keys.")


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Whose studies the key acts on.")],
    access: Annotated[Access, typer.Option("--access", help="What it may do: read, also write, or everything.")] = "write",
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it, this once. Needs an admin's key."""
    with Client(url, data_dir=data_dir) as nas:
        made = nas.create_key(owner, SCOPES_OF[access], label)
    if as_json:
        print_json(to_data(made))
        return
    sys.stdout.write(f"{made.token}\n")
    end = typed("key", "revoke", made.key_id, url=url, data_dir=data_dir)
    say(f"this is the only time it is shown; use it as NAS_API_KEY, end it with: {end}")


@app.command("list")
def list_keys(url: Url = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List keys without their secrets."""
    with Client(url, data_dir=data_dir) as nas:
        keys = nas.list_keys()
    if as_json:
        for key in keys:
            print_json(to_data(key))
        return
    print_table(
        {"id": "left", "owner": "left", "scopes": "left", "label": "left", "created": "left", "revoked": "left"},
        (
            (
                key.key_id,
                key.owner,
                " ".join(sorted(key.scopes, key=SCOPES.index)),
                key.label,
                f"{key.created_at:%Y-%m-%d %H:%M}",
                f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "",
            )
            for key in keys
        ),
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID")], url: Url = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """End a key, for good."""
    with Client(url, data_dir=data_dir) as nas:
        nas.revoke_key(key_id)
    if as_json:
        print_json({"key_id": key_id})
        return
    say(f"the key {key_id} opens nothing any more")
