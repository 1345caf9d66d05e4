import os

import pytest

from nas.corpora import STDLIB
from nas.errors import Invalid
from workers.tasks import corpus


def write(root, **files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def documents(n: int) -> dict[str, bytes]:
    return {f"{index}.txt": f"<document {index}>".encode() * (20 + index) for index in range(n)}


def test_stdlib_is_read_and_split_apart():
    loaded = corpus.load(STDLIB, None)
    splits = (loaded.train, loaded.validation, loaded.test)
    total = sum(len(split) for split in splits)
    assert total > 5_000_000
    assert [round(len(split) / total, 1) for split in splits] == [0.8, 0.1, 0.1]
    assert all(b"import " in bytes(split) for split in splits)


def test_stdlib_is_packed_once_per_process():
    assert corpus.load(STDLIB, None) is corpus.load(STDLIB, None)


def test_folder_is_split_by_document(tmp_path):
    write(tmp_path, **{f"books/{name}": content for name, content in documents(30).items()})
    loaded = corpus.load("books", tmp_path)
    splits = [bytes(split) for split in (loaded.train, loaded.validation, loaded.test)]
    for index, content in enumerate(documents(30).values()):
        assert sum(content in split for split in splits) == 1, index


def test_copies_of_a_document_stay_on_one_side(tmp_path):
    contents = list(documents(10).values())
    write(tmp_path, **{f"{copy}-{index}": content for index, content in enumerate(contents) for copy in "abc"})
    loaded = corpus.load(".", tmp_path)
    assert sum(map(len, (loaded.train, loaded.validation, loaded.test))) == sum(map(len, contents))


def test_split_does_not_depend_on_names(tmp_path):
    write(tmp_path, **{f"one/{name}": content for name, content in documents(9).items()})
    write(tmp_path, **{f"two/{9 - int(name[0])}.md": content for name, content in documents(9).items()})
    assert corpus.load("one", tmp_path).digest == corpus.load("two", tmp_path).digest


def test_single_file_is_cut_in_consecutive_parts(tmp_path):
    content = bytes(range(200)) * 5
    write(tmp_path, **{"book.txt": content})
    loaded = corpus.load("book.txt", tmp_path)
    assert bytes(loaded.train) + bytes(loaded.validation) + bytes(loaded.test) == content
    assert [len(split) for split in (loaded.train, loaded.validation, loaded.test)] == [800, 100, 100]


def test_changed_file_is_read_again(tmp_path):
    write(tmp_path, **{"book.txt": b"a" * 100})
    before = corpus.load("book.txt", tmp_path).digest
    write(tmp_path, **{"book.txt": b"b" * 100})
    os.utime(tmp_path / "book.txt", ns=(1, 1))
    assert corpus.load("book.txt", tmp_path).digest != before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "not in the data root"),
        ("empty.txt", "0 bytes"),
        ("hidden", "0 bytes"),
        ("two", "3 different documents"),
        ("../secret.txt", "relative path"),
        ("/etc/passwd", "relative path"),
        ("two/../../secret.txt", "relative path"),
        ("nul\0byte", "relative path"),
        ("link.txt", "outside the data root"),
        ("linked", "outside the data root"),
        ("mixed", "outside the data root"),
    ],
)
def test_load_refuses_and_says_why(tmp_path, name, reason):
    root = tmp_path / "root"
    write(tmp_path, **{"secret.txt": b"secret", "elsewhere/a.txt": b"secret"})
    write(root, **{"empty.txt": b"", "hidden/.a": b"x", "two/a": b"a", "two/b": b"b", "mixed/a": b"a"})
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "mixed" / "b").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(Invalid, match=reason):
        corpus.load(name, root)


def test_link_inside_the_root_is_followed(tmp_path):
    write(tmp_path, **{"book.txt": b"a" * 100})
    (tmp_path / "alias.txt").symlink_to(tmp_path / "book.txt")
    assert corpus.load("alias.txt", tmp_path).digest == corpus.load("book.txt", tmp_path).digest


def test_user_corpus_needs_a_data_root():
    with pytest.raises(Invalid, match="needs a data root"):
        corpus.load("book.txt", None)
