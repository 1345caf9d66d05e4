"""What counts as a document in each kind of file, and what is refused."""

import gzip
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nas.data import documents as module
from nas.data.documents import documents
from nas.data.location import files_of
from nas.errors import Invalid


def read(folder, name=".", text_key="text"):
    return [content.decode() for content in documents(files_of(name, folder), text_key)]


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def test_single_file_is_parted_by_blank_lines(tmp_path):
    write(tmp_path, {"book.txt": "\ufeffone\nstill one\n\n \t\n\ntwo\r\n\r\nthree – π\n   \n"})
    assert read(tmp_path, "book.txt") == ["one\nstill one", "two", "three – π"]


@pytest.mark.parametrize("block", [1, 2, 3, 5, 64])
def test_paragraphs_do_not_depend_on_how_much_is_read_at_once(tmp_path, monkeypatch, block):
    write(tmp_path, {"book.txt": "a\n\n\nbb\n \n \ncc\ndd\n\né\n\n"})
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    assert read(tmp_path) == ["a", "bb", "cc\ndd", "é"]


def test_folder_of_files_has_one_document_each(tmp_path):
    write(tmp_path, {"b.md": "# b\n\nmore", "a.py": "a = 1\n", "deep/c": "c", ".hidden": b"\0", "empty.txt": " \n"})
    assert read(tmp_path) == ["a = 1", "# b\n\nmore", "c"]


def test_line_of_json_and_row_of_parquet_are_documents(tmp_path):
    texts = ["one\n\nstill one", "zwei – π", "", "  three "]
    lines = "\n\n".join(json.dumps({"id": number, "body": text}) for number, text in enumerate(texts))
    write(tmp_path, {"a.jsonl": lines})
    pq.write_table(pa.table({"body": texts, "id": range(4)}), tmp_path / "b.parquet", row_group_size=3)
    assert read(tmp_path, "a.jsonl", "body") == ["one\n\nstill one", "zwei – π", "three"]
    assert read(tmp_path, "b.parquet", "body") == read(tmp_path, "a.jsonl", "body")
    assert read(tmp_path, ".", "body") == 2 * read(tmp_path, "a.jsonl", "body")


REFUSED = {
    "zero bytes": ({"a.txt": b"text\0text"}, "'a.txt' (paragraph 1) is binary"),
    "another encoding": ({"a.txt": "good\n\ncaf\xe9".encode("latin1")}, "(paragraph 2) is not UTF-8: byte 0xe9 at 3"),
    "UTF-16": ({"a.txt": "good".encode("utf-16")}, "is binary"),
    "compressed": ({"a.txt": "x", "b.gz": gzip.compress(b"text" * 99)}, "'b.gz' is "),
    "not JSON": ({"a.jsonl": '{"text": "a"}\ntext'}, "line 2 is not JSON"),
    "not UTF-8 in JSON": ({"a.jsonl": b'{"text": "\xe9"}'}, "line 1 is not JSON"),
    "list": ({"a.jsonl": '["a"]'}, 'line 1 is not an object; write one such as {"text": "…"} a line'),
    "other field": ({"a.jsonl": '{"body": "a", "id": 1}'}, "line 1 has no field 'text'; set text_key to one of 'body', 'id'"),
    "null": ({"a.jsonl": '{"text": null}'}, "(line 1) holds null"),
    "number": ({"a.jsonl": '{"text": 1}'}, "(line 1) holds int"),
    "zero byte in JSON": ({"a.jsonl": '{"text": "\\u0000"}'}, "(line 1) is binary"),
    "half a character": ({"a.jsonl": '{"text": "\\ud800"}'}, "line 1 is not JSON"),
    "no parquet": ({"a.parquet": "text" * 99}, "is no parquet file that can be read"),
    "empty parquet": ({"a.parquet": ""}, "is no parquet file that can be read"),
}


@pytest.mark.parametrize(("files", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_text_is_refused_with_its_place(tmp_path, files, words):
    write(tmp_path, files)
    with pytest.raises(Invalid) as raised:
        read(tmp_path)
    assert words in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


def test_parquet_without_the_column_or_with_holes_is_refused(tmp_path):
    pq.write_table(pa.table({"text": ["a", None], "number": [1, 2]}), tmp_path / "a.parquet")
    for key, words in {"text": "(row 2) holds null", "number": "(row 1) holds int", "body": "one of 'text', 'number'"}.items():
        with pytest.raises(Invalid) as raised:
            read(tmp_path, "a.parquet", key)
        assert words in str(raised.value)


def test_cut_off_parquet_is_refused(tmp_path):
    pq.write_table(pa.table({"text": [f"text {number}" for number in range(999)]}), tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    write(tmp_path, {"a.parquet": content[:-200], "b.parquet": content[:100] + bytes(2000) + content[2100:]})
    for name in ("a.parquet", "b.parquet"):
        with pytest.raises(Invalid, match="is no parquet file that can be read"):
            read(tmp_path, name)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    write(tmp_path, {"a.parquet": "x"})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Invalid, match=r"install nas\[parquet\]"):
        read(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        {"a.txt": "x" * 2000},
        {"a.txt": "x" * 2000, "b.txt": "y"},
        {"a.jsonl": json.dumps({"text": "x" * 1500})},
        {"a.jsonl": json.dumps({"text": "x", "more": "y" * 5000})},
    ],
    ids=["paragraph", "file", "line", "other field"],
)
def test_too_long_a_document_is_refused_without_being_read_whole(tmp_path, monkeypatch, files):
    monkeypatch.setattr(module, "MAX_DOCUMENT_BYTES", 1000)
    monkeypatch.setattr(module, "BLOCK_BYTES", 100)
    write(tmp_path, files)
    with pytest.raises(Invalid):
        read(tmp_path)


def test_file_that_changes_while_it_is_read_is_refused(tmp_path):
    write(tmp_path, {"a.txt": "a", "b.txt": "b"})
    reading = documents(files_of(".", tmp_path), "text")
    assert next(reading) == b"a"
    write(tmp_path, {"a.txt": "longer"})
    with pytest.raises(Invalid, match=r"'a.txt' changed while it was read"):
        next(reading)
