"""What `nas export` says of the folder that it wrote, read from the folder itself: what is in it and what checks it."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nas.cli.output import print_json, say
from nas.cli.typed import typed
from nas.costs.report import CostReport
from nas.costs.text import render
from nas.export.manifest import (
    COLLECTION_NAME,
    NAME,
    CollectionManifest,
    ExportManifest,
    Reason,
    read_collection,
    read_manifest,
)
from nas.export.scaled import COSTS, SCALING

SHOWN = 3


def report(folder: Path, what: str, named: Mapping[str, Any], *, as_json: bool) -> None:
    """The folder on stdout and the rest as talk; or one JSON object. `named` is what was exported, for programs."""
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    if as_json:
        print_json({**named, "folder": str(folder), "files": files, **_documents(folder)})
        return
    sys.stdout.write(f"{folder}\n")
    for line in (*_told(folder, what, len(files)), *_told_of_size(folder)):
        say(line)


def _documents(folder: Path) -> dict[str, Any]:
    """The manifest but for its files, and the documents of a scaling."""
    found = {name: json.loads((folder / path).read_text()) for name, path in _PLACES.items() if (folder / path).is_file()}
    manifest = _manifest(folder)
    return {**({} if manifest is None else {"export": manifest.model_dump(mode="json", exclude={"files"})}), **found}


_PLACES = {"scaling": SCALING, "costs": COSTS}


def _manifest(folder: Path) -> ExportManifest | CollectionManifest | None:
    """None for a bundle, which has one of its own."""
    if (folder / COLLECTION_NAME).is_file():
        return read_collection(folder)
    return read_manifest(folder) if (folder / NAME).is_file() else None


def _told(folder: Path, what: str, n_files: int) -> Iterator[str]:
    manifest, check = _manifest(folder), f"check it with: {typed('verify', str(folder))}"
    match manifest:
        case None:
            yield f"{what} is in {folder} ({n_files} files); {check}"
        case ExportManifest():
            yield f"{manifest.title} is in {folder} as {manifest.loads_as}: {manifest.why}"
            yield from _refusals(manifest.refusals)
            yield f"{'there are no weights in it' if manifest.origin is None else 'README.md says how to load it'}; {check}"
        case CollectionManifest():
            yield f"{manifest.title} is in {folder} as {', '.join(manifest.forms)}"
            for absence in manifest.absent:
                others = f" ({len(absence.reasons)} reasons, all in {COLLECTION_NAME})" if len(absence.reasons) > 1 else ""
                yield f"  not as {absence.form}: {absence.reasons[0].reason}{others}"
            yield check


def _refusals(reasons: tuple[Reason, ...]) -> Iterator[str]:
    """The first ones, which are the nearest to be had."""
    for reason in reasons[:SHOWN]:
        yield f"  not {reason.target}: {reason.reason}"
    if len(reasons) > SHOWN:
        yield f"  and not {len(reasons) - SHOWN} others, for reasons in {NAME}"


def _told_of_size(folder: Path) -> Iterator[str]:
    """How it grew, and what it will cost."""
    if not (folder / SCALING).is_file():
        return
    scaling = json.loads((folder / SCALING).read_text())
    yield "\nhow it grew"
    for step in scaling["steps"]:
        yield f"  {step}"
    yield "\n" + render(TypeAdapter(CostReport).validate_json((folder / COSTS).read_bytes()))
