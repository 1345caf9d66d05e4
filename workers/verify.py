"""Is an export what it says it is? Files by hash, the model rebuilt, every form loaded by a stranger, values reproduced.

`python -m workers.verify FOLDER` prints a line per check and ends with 0 when none failed, 1 when one did. It needs no network.
What cannot be looked at here is reported as not checked, never as confirmed.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from nas.errors import Invalid
from nas.export.manifest import read_collection
from workers import machine
from workers.verification.bundle import bundle_checks
from workers.verification.check import Check
from workers.verification.export import Work, begin
from workers.verification.files import files_check, kind_of
from workers.verification.strangers import Strangers, strangers


def verify(folder: Path, data_root: Path | None) -> Iterator[Check]:
    """The checks of a bundle, an export, or a folder of several, as they are made. After a failed check of files there are no
    more of that folder."""
    with strangers() as helpers:
        for work in list(_works(folder, data_root, helpers)):
            yield from work()


def _works(folder: Path, data_root: Path | None, helpers: Strangers) -> Iterator[Work]:
    """All there is to do, with the strangers already under way."""
    try:
        kind = kind_of(folder)
    except Invalid as error:
        yield partial(iter, (Check("files", "failed", str(error)),))
        return
    files = files_check(folder, kind)
    yield partial(iter, (files,))
    if files.status == "failed":
        return
    if kind.manifest == "manifest.json":
        yield partial(bundle_checks, folder, data_root)
    elif kind.manifest == "export.json":
        yield from begin(folder, helpers)
    else:
        yield from _collected(folder, data_root, helpers)


def _collected(folder: Path, data_root: Path | None, helpers: Strangers) -> Iterator[Work]:
    """Every form's folder for itself; they must be of one architecture."""
    try:
        collection = read_collection(folder)
    except Invalid as error:
        yield partial(iter, (Check("exports", "failed", str(error)),))
        return
    for form in collection.forms:
        for work in _works(folder / form, data_root, helpers):
            yield partial(_of, form, work)


def _of(form: str, work: Work) -> Iterable[Check]:
    return (replace(check, name=f"{form}: {check.name}") for check in work())


def main(arguments: Sequence[str]) -> int:
    """Verify a folder. Returns 0 when no check failed, 1 when one did."""
    parser = argparse.ArgumentParser(prog="python -m workers.verify", description="Verify an export.")
    parser.add_argument("folder", type=Path, help="what nas export wrote")
    parser.add_argument("--data-root", type=Path, help="where the user's corpora are")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    machine.use_exact_arithmetic()
    checks = []
    for check in verify(options.folder, options.data_root):
        checks.append(check)
        if not options.json:
            sys.stdout.write(f"{check.status:<12} {check.name}: {check.detail}\n")
            sys.stdout.flush()
    ok = all(check.status != "failed" for check in checks)
    if options.json:
        sys.stdout.write(json.dumps({"ok": ok, "checks": [asdict(check) for check in checks]}, indent=2) + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
