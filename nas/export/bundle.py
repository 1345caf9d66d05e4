"""A bundle: one scored trial as a folder or a zip, with everything needed to rebuild, run, check and repeat it.

Nothing is held in memory beyond one chunk of a file. Every artifact is compared with the digest its result recorded while it
is copied, and paths that come from the database are opened only below the workspace.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath

from nas.errors import Conflict, NotFound
from nas.export.readme import readme
from nas.export.replay import replay
from nas.run import Artifact, Result
from nas.store.views import StudyView, TrialView

FORMAT = "nas-bundle/1"
CHUNK_BYTES = 1 << 20


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

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def entries(source: Source) -> tuple[Entry, ...]:
    """Every file but the manifest. Raises `Conflict` when the trial has no result, `NotFound` when a stored file is gone."""
    result = source.trial.result
    if result is None:
        row = source.trial.row
        raise Conflict(f"trial {row.number} is {row.state} and has no result to export")
    documents = {
        "README.md": readme(source.study.spec, source.trial, result),
        "architecture.json": source.trial.architecture.to_json(),
        "result.json": result.to_json(),
        "run.json": replay(source.study, source.trial).to_json(),
        "provenance.json": json.dumps(provenance(source, result), indent=2, ensure_ascii=False),
    }
    written = tuple(Entry(path, f"{text.rstrip()}\n".encode()) for path, text in documents.items())
    return written + tuple(_stored(source.workspace, result.folder, artifact) for artifact in result.artifacts)


def write_folder(source: Source, folder: Path) -> None:
    """Write the bundle into a folder that does not exist yet or is empty. Raises as `entries` does, or `Corrupt`."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty; give a new folder")
    for path, chunk in _pieces(entries(source)):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as file:
            file.write(chunk)


def stream_zip(source: Source) -> Iterator[bytes]:
    """The bundle as the bytes of a zip file. What can be found wrong is raised before the first byte."""
    found = entries(source)
    return _zipped(found, source.created)


def provenance(source: Source, result: Result) -> dict[str, object]:
    """Where the numbers come from: the identities of everything that decided them."""
    study, spec, row, measurement = source.study.row, source.study.spec, source.trial.row, result.measurement
    run = replay(source.study, source.trial)
    return {
        "format": FORMAT,
        "created": source.created.isoformat(),
        "study": {"id": study.id, "name": spec.name, "spec_digest": spec.digest, "seed": spec.seed},
        "trial": {"number": row.number, "rung": row.rung, "params": source.trial.params, "reference": row.reference},
        "digests": {
            "architecture": row.architecture_digest,
            "space": spec.space.digest,
            "protocol": spec.protocol.digest,
        },
        "seeds": {"run": run.seed, "data": run.data_seed},
        "versions": measurement.versions,
        "hardware": {"device": measurement.device, "host": measurement.host},
    }


def _stored(workspace: Path, folder: str, artifact: Artifact) -> Entry:
    """An artifact's file, wherever its links lead only if that is inside the workspace."""
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


def _pieces(found: tuple[Entry, ...]) -> Iterator[tuple[str, bytes]]:
    """Every file's chunks with its path, then the manifest over all of them. Raises `Corrupt` at the end of a bad file."""
    listed: dict[str, dict[str, object]] = {}
    for entry in found:
        digest, n_bytes = hashlib.sha256(), 0
        for chunk in entry.chunks():
            digest.update(chunk)
            n_bytes += len(chunk)
            yield entry.path, chunk
        if entry.sha256 not in (None, digest.hexdigest()):
            raise Corrupt(f"{entry.path} is not the file that its result recorded; its SHA-256 differs")
        listed[entry.path] = {"sha256": digest.hexdigest(), "n_bytes": n_bytes}
    yield "manifest.json", (json.dumps({"format": FORMAT, "files": listed}, indent=2) + "\n").encode()


class _Outbox:
    """A file that only grows, whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Keep the bytes until they are taken."""
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""

    def take(self) -> bytes:
        """Everything since the last call."""
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken


def _zipped(found: tuple[Entry, ...], created: datetime) -> Iterator[bytes]:
    """Stored, not compressed: weights do not shrink. Each member's size and checksum follow its bytes."""
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for path, pieces in groupby(_pieces(found), key=itemgetter(0)):
            with archive.open(_member(path, created), "w") as member:
                for _, chunk in pieces:
                    member.write(chunk)
                    yield outbox.take()
    yield outbox.take()


def _member(path: str, created: datetime) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(path, date_time=created.timetuple()[:6])
    member.external_attr = 0o100644 << 16
    return member
