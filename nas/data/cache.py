"""Folders that are made once and found again by their key: whole or not at all, shared by every process, bounded in number.

One process makes a folder while the others wait. It is written aside and renamed, so that nobody ever sees half of one, also
where a shared disk does not keep locks. The folders that were used last stay, and one that is removed while it is mapped can
still be read.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nas.private_files import open_lock, private_folder

PACKS_FOLDER = "packs"
"""Below the workspace: where packed corpora are kept, for submission and for the workers."""

MAX_FOLDERS = 16
LOCK = "lock"
ASIDE = ".aside-"


def kept(cache: Path, key: str, make: Callable[[Path], None], is_whole: Callable[[Path], bool]) -> Path:
    """The folder of `key`; `make` fills it when it is not there or not whole. Raises what `make` raises."""
    folder = private_folder(cache) / key
    if not is_whole(folder):
        with _locked(cache):
            # another process may have made it in the meantime
            if not is_whole(folder):
                _made(folder, make)
                _forget(cache)
    os.utime(folder)
    return folder


def _made(folder: Path, make: Callable[[Path], None]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder.parent))
    try:
        make(aside)
        aside.rename(folder)
    except OSError:
        # somebody whom the lock did not hold up may have been faster, with the same content
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _forget(cache: Path) -> None:
    """Remove what a killed process left, and all but the folders that were used last."""
    folders = [path for path in cache.iterdir() if path.is_dir()]
    left = [path for path in folders if path.name.startswith(ASIDE)]
    last_used = sorted((path for path in folders if path not in left), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in (*left, *last_used[MAX_FOLDERS:]):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with open_lock(cache / LOCK) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
