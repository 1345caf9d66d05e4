"""Files of text as documents: what is dealt out to training, validation and test whole.

A line of JSONL is a document, a row of parquet is one, and so is any other file of a folder. A single file of plain text is
many: what blank lines set apart. Documents are UTF-8 without white space around them; empty ones are left out.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any, BinaryIO

import orjson

from nas.data.location import SourceFile
from nas.errors import Invalid

MAX_DOCUMENT_BYTES = 64 * 2**20
BLOCK_BYTES = 4 * 2**20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_NAMES_SHOWN = 20

_BLANK_LINES = re.compile(rb"\n[ \t\r]*\n")


def documents(files: Sequence[SourceFile], text_key: str) -> Iterator[bytes]:
    """Every document of the files, in order. `text_key`: the field or column with the text, in JSONL and parquet.

    Raises `Invalid` with the file's name and the place in it when something is no text.
    """
    plain = _paragraphs if len(files) == 1 else _whole
    for file in files:
        read = _STRUCTURED.get(file.path.suffix.lower())
        found = plain(file) if read is None else read(file, text_key)
        try:
            yield from filter(None, found)
        except OSError as error:
            raise Invalid(f"{file.name!r} cannot be read ({error.strerror}); let the service's user read it") from error
        file.check_unchanged()


def _whole(file: SourceFile) -> Iterator[bytes]:
    if file.n_bytes > MAX_DOCUMENT_BYTES:
        raise _too_long(file)
    content = file.path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    yield _text(content, file, "").strip()


def _paragraphs(file: SourceFile) -> Iterator[bytes]:
    """What blank lines set apart."""
    with file.path.open("rb") as stream:
        for number, piece in enumerate(_pieces(file, stream), 1):
            yield _text(piece.strip(), file, f" (paragraph {number:,})")


def _pieces(file: SourceFile, stream: BinaryIO) -> Iterator[bytes]:
    rest = stream.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
    while block := stream.read(BLOCK_BYTES):
        *whole, rest = _BLANK_LINES.split(rest + block)
        yield from whole
        if len(rest) > MAX_DOCUMENT_BYTES:
            raise _too_long(file)
    yield rest


def _json_lines(file: SourceFile, text_key: str) -> Iterator[bytes]:
    with file.path.open("rb") as stream:
        # text may be twice as long when it is escaped
        read_line = partial(stream.readline, 2 * MAX_DOCUMENT_BYTES)
        for number, line in enumerate(iter(read_line, b""), 1):
            line = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip()
            if line:
                yield _encoded(_json_text(line, file, number, text_key), file, f" (line {number:,})")


def _json_text(line: bytes, file: SourceFile, number: int, text_key: str) -> Any:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"{file.name!r}: line {number:,} is not JSON ({error}); write one object a line, in UTF-8") from error
    if not isinstance(row, dict):
        raise Invalid(f'{file.name!r}: line {number:,} is not an object; write one such as {{"{text_key}": "…"}} a line')
    if text_key not in row:
        raise _no_such_key(f"{file.name!r}: line {number:,} has no field", text_key, list(row))
    return row[text_key]


def _parquet(file: SourceFile, text_key: str) -> Iterator[bytes]:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise Invalid(f"{file.name!r} needs pyarrow to be read; install nas[parquet], or convert it to JSONL") from error
    # opened here: Arrow's own words would have the whole path
    with file.path.open("rb") as stream:
        try:
            for number, value in enumerate(_column(file, parquet.ParquetFile(stream), text_key), 1):
                yield _encoded(value, file, f" (row {number:,})")
        except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise Invalid(f"{file.name!r} is no parquet file that can be read: {str(error)[:200]}") from error


def _column(file: SourceFile, opened: Any, text_key: str) -> Iterator[Any]:
    names = opened.schema_arrow.names
    if text_key not in names:
        raise _no_such_key(f"{file.name!r} has no column", text_key, names)
    for batch in opened.iter_batches(batch_size=256, columns=[text_key], use_threads=False):
        yield from batch.column(0).to_pylist()


_STRUCTURED: MappingProxyType[str, Callable[[SourceFile, str], Iterator[bytes]]] = MappingProxyType(
    {".jsonl": _json_lines, ".ndjson": _json_lines, ".parquet": _parquet}
)
"""Formats that say themselves what a document is, by the end of a file's name."""


def _encoded(value: Any, file: SourceFile, where: str) -> bytes:
    if not isinstance(value, str):
        kind = "null" if value is None else type(value).__name__
        raise Invalid(f"{file.name!r}{where} holds {kind} where the text should be; correct it or leave it out")
    return _text(value.encode().strip(), file, where)


def _text(content: bytes, file: SourceFile, where: str) -> bytes:
    """The content itself. Raises `Invalid` when it is no text in UTF-8, or too long."""
    if b"\0" in content:
        raise Invalid(f"{file.name!r}{where} is binary: it has zero bytes; give text in UTF-8, unpacked")
    try:
        # ASCII needs no copy to be checked
        if not content.isascii():
            content.decode()
    except UnicodeDecodeError as error:
        byte, place = content[error.start], error.start
        reason = f"is not UTF-8: byte 0x{byte:02x} at {place:,}"
        raise Invalid(f"{file.name!r}{where} {reason}; save it in UTF-8 (iconv -f ENCODING -t UTF-8)") from error
    if len(content) > MAX_DOCUMENT_BYTES:
        raise _too_long(file)
    return content


def _too_long(file: SourceFile) -> Invalid:
    return Invalid(
        f"{file.name!r} has a document of more than {MAX_DOCUMENT_BYTES // 2**20} MiB; give several files or JSONL, or part"
        " the text of a single file by blank lines"
    )


def _no_such_key(what: str, text_key: str, names: Sequence[str]) -> Invalid:
    shown = ", ".join(repr(name)[:60] for name in names[:MAX_NAMES_SHOWN])
    return Invalid(f"{what} {text_key!r:.60}; set text_key to one of {shown}")
