"""Where the server is and which key opens it: from the environment, else from what `nas up` left behind.

`nas up` writes two files into its data directory, `url` and `key` (readable by its owner only). A key from a file is sent
only to the URL beside it, so that a key can never leave for a server that somebody else named.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nas.errors import Denied

DEFAULT_URL = "http://127.0.0.1:8642"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A server's URL and the key to use there; the key stays out of `repr`."""

    url: str
    key: str | None = field(default=None, repr=False)


def find_connection(
    url: str | None = None, key: str | None = None, data_dir: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Connection:
    """Arguments first, then NAS_URL and NAS_API_KEY, then the data directory, then `~/.config/nas`.

    Raises `Denied` when the key file can be read by others.
    """
    url, key = url or environ.get("NAS_URL"), key or environ.get("NAS_API_KEY")
    if key is not None and url is not None:
        return Connection(url=url, key=key)
    for folder in _folders(data_dir, environ):
        saved = load_connection(folder)
        if saved is not None and (url is None or url.rstrip("/") == saved.url.rstrip("/")):
            return Connection(url=saved.url, key=key or saved.key)
    return Connection(url=url or DEFAULT_URL, key=key)


def load_connection(folder: Path) -> Connection | None:
    """What `save_connection` wrote there; None when there is nothing."""
    key_file, url_file = folder / "key", folder / "url"
    if not (key_file.is_file() and url_file.is_file()):
        return None
    if key_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Denied(f"{key_file} can be read by others; make it yours alone: chmod 600 {key_file}")
    return Connection(url=url_file.read_text().strip(), key=key_file.read_text().strip())


def save_connection(folder: Path, connection: Connection) -> None:
    """Write `url` and `key` (0600) into the folder, each replaced whole."""
    _replace(folder / "key", (connection.key or "") + "\n")
    _replace(folder / "url", connection.url + "\n")


def _folders(data_dir: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    if data_dir is not None:
        return (data_dir,)
    config = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".config")
    return (Path(environ.get("NAS_DATA_DIR", ".nas")), config / "nas")


def _replace(path: Path, text: str) -> None:
    """The file is created 0600 and only then filled, so that no moment shows the text to others."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
