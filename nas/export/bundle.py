"""A bundle: one scored trial as a folder or a zip, with everything needed to rebuild, run, check and repeat it.

Nothing is held in memory beyond one chunk of a file. Every artifact is compared with the digest its result recorded while it
is copied, and paths that come from the database are opened only below the workspace.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from nas.errors import Conflict, NotFound
from nas.export.packing import ArchiveKind, Member, archived, chunks_of
from nas.export.provenance import ledger, provenance
from nas.export.readme import readme
from nas.export.replay import replay
from nas.run import Artifact
from nas.store.views import StudyView, TrialView

FORMAT = "nas-bundle/1"


class Corrupt(Conflict):
    """A stored file is not what its result recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a bundle is made from: a study and a trial as the store reads them, the workspace, and the moment."""

    study: StudyView
    trial: TrialView
    workspace: Path
    created: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the bundle: its path inside, and where its bytes come from (`sha256` is known for stored files)."""

    path: str
    content: bytes | Path
    sha256: str | None = None

    @property
    def n_bytes(self) -> int:
        """How many there are."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            yield from chunks_of(file)


def entries(source: Source) -> tuple[Entry, ...]:
    """Every file but the manifest. Raises `Conflict` when the trial has no result, `NotFound` when a stored file is gone."""
    result = source.trial.result
    if result is None:
        row = source.trial.row
        raise Conflict(f"trial {row.number} is {row.state} and has no result to export")
    origins = {"format": FORMAT, **provenance(source.study, source.trial, result, source.created.isoformat())}
    documents = {
        "README.md": readme(source.study.spec, source.trial, result),
        "architecture.json": source.trial.architecture.to_json(),
        "result.json": result.to_json(),
        "run.json": replay(source.study, source.trial).to_json(),
        "study.json": source.study.spec.to_json(),
        "ledger.json": json.dumps(ledger(source.trial), ensure_ascii=False),
        "provenance.json": json.dumps(origins, indent=2, ensure_ascii=False),
    }
    written = tuple(Entry(path, f"{text.rstrip()}\n".encode()) for path, text in documents.items())
    return written + tuple(stored(source.workspace, result.folder, artifact) for artifact in result.artifacts)


def write_folder(source: Source, folder: Path) -> None:
    """Write the bundle into a folder that does not exist yet or is empty. Raises as `entries` does, or `Corrupt`."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty; give a new folder")
    for member in _members(entries(source)):
        target = folder / member.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.writelines(member.chunks)


def stream(source: Source, kind: ArchiveKind = "zip") -> Iterator[bytes]:
    """The bundle as the bytes of an archive. What is seen without reading every file is raised before the first byte, and
    `Corrupt` at the end of a bad file.
    """
    return archived(kind, _members(entries(source)), source.created)


def stored(workspace: Path, folder: str, artifact: Artifact) -> Entry:
    """An artifact's file, wherever its links lead only if that is inside the workspace. Raises `Corrupt`, `NotFound`."""
    root = workspace.resolve()
    path = (root / folder / artifact.path).resolve()
    inside = PurePosixPath(artifact.path)
    if not path.is_relative_to(root) or inside.is_absolute() or ".." in inside.parts:
        raise Corrupt(f"the artifact {artifact.path!r} leads outside the workspace")
    if not path.is_file():
        raise NotFound(f"{artifact.path} of this trial is no longer in the workspace; run run.json again to make it anew")
    if path.stat().st_size != artifact.n_bytes:
        raise Corrupt(f"{artifact.path} has {path.stat().st_size} bytes; its result recorded {artifact.n_bytes}")
    return Entry(str(inside), path, artifact.sha256)


def _members(found: tuple[Entry, ...]) -> Iterator[Member]:
    """Every file, then the manifest over all of them. Raises `Corrupt` at the end of a bad file."""
    listed: dict[str, dict[str, object]] = {}
    for entry in found:
        yield Member(entry.path, entry.n_bytes, _checked(entry, listed))
    manifest = (json.dumps({"format": FORMAT, "files": listed}, indent=2) + "\n").encode()
    yield Member("manifest.json", len(manifest), iter((manifest,)))


def _checked(entry: Entry, listed: dict[str, dict[str, object]]) -> Iterator[bytes]:
    """An entry's chunks; at the end it is listed. Raises `Corrupt` when it is not what its result recorded."""
    digest = hashlib.sha256()
    for chunk in entry.chunks():
        digest.update(chunk)
        yield chunk
    if entry.sha256 not in (None, digest.hexdigest()):
        raise Corrupt(f"{entry.path} is not the file that its result recorded; its SHA-256 differs")
    listed[entry.path] = {"sha256": digest.hexdigest(), "n_bytes": entry.n_bytes}
