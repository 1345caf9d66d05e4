"""How an export leaves over HTTP: written first where it has to be, measured, then streamed, and never left behind.

What a form writes is packed into a file without a name, and the folder is gone before the first byte is sent: however the
answer ends, there is nothing to remove.
"""

import base64
import hashlib
import logging
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Annotated, Any, BinaryIO, Final

from fastapi import Depends, Query
from fastapi.responses import Response, StreamingResponse

from api.errors import Busy, NoSpace, TooMany, Unable
from api.security import Reader
from api.services import Services, ServicesDep
from nas.errors import FieldProblem, Invalid, NasError
from nas.export.folder import Parcel, write
from nas.export.form import ExportName
from nas.export.packing import MEDIA_TYPES, ArchiveKind, archived, chunks_of, members_of
from nas.export.scaled import scaled
from nas.export.size import Size
from nas.private_files import private_folder
from search_spaces.scaling import Growth

EXPORTS_PER_KEY: Final = 8
EXPORTS: Final = 64
ABANDONED_SECONDS: Final = 3600.0
"""Writing never takes so long: what is older was left by a process that was killed."""

logger = logging.getLogger("nas.api")

Chunks = Callable[[], Iterator[bytes]]

Format = Annotated[ExportName, Query(alias="format", description="The form, `bundle`, or `all` that can be had")]
Archive = Annotated[ArchiveKind, Query(alias="archive", description="How the files are packed")]
Task = Annotated[
    str | None, Query(max_length=100, description="Whose weights, where a study has several tasks; else the first")
]
Weights = Annotated[bool, Query(description="Whether weights are wanted, for forms that can do without")]


def size_asked(
    scale_to: Annotated[
        str | None, Query(max_length=40, description="Grow it to so many parameters, such as 350M; weights are left out")
    ] = None,
    width: Annotated[int | None, Query(ge=1, le=65_536, description="Grow it to this width")] = None,
    depth: Annotated[int | None, Query(ge=1, le=100_000, description="Grow it to so many layers")] = None,
    growth: Annotated[Growth | None, Query(description="How layers multiply; else by their pattern")] = None,
    head_dim: Annotated[
        int | None, Query(ge=1, le=1024, description="Channels of a head in what is grown; else as many")
    ] = None,
    vocab_size: Annotated[int | None, Query(ge=2, le=1_000_000, description="Tokens of what is grown; else as many")] = None,
) -> Size:
    """The size that is asked for."""
    return Size(scale_to=scale_to, width=width, depth=depth, growth=growth, head_dim=head_dim, vocab_size=vocab_size)


SizeDep = Annotated[Size, Depends(size_asked)]

ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()},
        "headers": {"Repr-Digest": {"schema": {"type": "string"}, "description": "SHA-256 of the archive (RFC 9530)"}},
    }
}


async def held(principal: Reader, services: ServicesDep) -> AsyncIterator[ExitStack]:
    """What an answer holds until it has ended, however it ends. Raises `TooMany` for a key that holds much already."""
    open_now, key_id = services.exports, principal.key_id
    if open_now[key_id] >= EXPORTS_PER_KEY or open_now.total() >= EXPORTS:
        raise TooMany(f"a key takes home {EXPORTS_PER_KEY} exports at once, and the service sends {EXPORTS}: wait for one")
    open_now[key_id] += 1
    try:
        with ExitStack() as stack:
            yield stack
    finally:
        open_now -= Counter((key_id,))


HeldDep = Annotated[ExitStack, Depends(held)]


def at_size(parcel: Parcel, size: Size) -> Parcel:
    """The same at the size that is asked for. Raises `Invalid` naming the parameter that asks too much."""
    try:
        return scaled(parcel, size) if size.is_asked else parcel
    except Invalid as error:
        raise Invalid(str(error), tuple(FieldProblem(f"/query{one.pointer}", one.reason) for one in error.problems)) from error


def written(parcel: Parcel, name: ExportName, kind: ArchiveKind, services: Services, held: ExitStack) -> Chunks:
    """Write an export and pack it. Raises `NotAvailable`, `Busy`, `NoSpace`."""
    with _writer(services), _room(services.settings.data_dir) as folder, TemporaryDirectory(dir=folder) as made:
        _write(parcel, name, Path(made))
        packed = held.enter_context(TemporaryFile(dir=folder))  # noqa: SIM115  # the stack closes it
        packed.writelines(archived(kind, members_of(Path(made)), parcel.moment))
    return lambda: _from_the_start(packed)


def _write(parcel: Parcel, name: ExportName, folder: Path) -> None:
    """As `write`. Raises `Unable` where a process that it needs has failed; the log has what it said."""
    try:
        write(parcel, name, folder)
    except NasError as error:
        if type(error) is not NasError:
            raise
        logger.exception("%s could not be written as %s", parcel.subject.title, name)
        raise Unable(str(error).partition("\n")[0].rstrip(":")) from error


def archive(chunks: Chunks, kind: ArchiveKind, name: str) -> Response:
    """The answer. Reading everything once first finds damage while it can still be said with a status."""
    headers = {**_measured(chunks()), "Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return StreamingResponse(chunks(), media_type=MEDIA_TYPES[kind], headers=headers)


def sweep(data_dir: Path) -> None:
    """Remove what processes that were killed while writing have left."""
    for path in _place(data_dir).glob("*"):
        if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _writer(services: Services) -> Iterator[None]:
    """At once or not at all: a request that waited would hold a thread that others need."""
    if not services.writers.acquire(blocking=False):
        raise Busy("other exports are being written; ask again in a moment")
    try:
        yield
    finally:
        services.writers.release()


@contextmanager
def _room(data_dir: Path) -> Iterator[Path]:
    try:
        yield private_folder(_place(data_dir))
    except OSError as error:
        raise NoSpace(f"exports cannot be written below the data directory: {error.strerror}; tell its operator") from error


def _place(data_dir: Path) -> Path:
    return data_dir / "exports"


def _from_the_start(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    yield from chunks_of(file)


def _measured(chunks: Iterator[bytes]) -> dict[str, str]:
    """Length and digest of a stream."""
    digest, n_bytes = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        n_bytes += len(chunk)
    encoded = base64.b64encode(digest.digest()).decode()
    return {"Content-Length": str(n_bytes), "Repr-Digest": f"sha-256=:{encoded}:"}
