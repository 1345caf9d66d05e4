"""Advice that can be typed: the next command, spelled the way the person called this one."""

import shlex
import shutil
import sys
from pathlib import Path


def typed(*words: str, url: str | None = None, data_dir: Path | None = None) -> str:
    """A whole command line. `url` and `data_dir` are what this command was given: the next one needs them too."""
    found = shutil.which("nas")
    same = [*(["--url", url] if url else []), *(["--data-dir", str(data_dir)] if data_dir else [])]
    return shlex.join([*program(sys.argv[0], sys.orig_argv[0], Path(found) if found else None), *words, *same])


def program(called: str, interpreter: str, on_path: Path | None) -> list[str]:
    """How to call `nas`: by its name where the shell finds this very program, else by what was typed."""
    if Path(called).name == "__main__.py":
        return [interpreter, "-m", "nas.cli"]
    if on_path is not None and Path(called).resolve() == on_path.resolve():
        return ["nas"]
    return [called]
