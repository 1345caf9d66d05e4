"""Corpora as a study's submission and its workers see them: found, packed once, and known by their digest."""

import os
import subprocess
import sys

import pytest

from nas.data import corpus
from nas.data.location import STDLIB
from nas.errors import Invalid
from tests.corpora import story


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def splits(loaded):
    return [bytes(split) for split in (loaded.train, loaded.validation, loaded.test)]


def test_stdlib_is_read_and_split_apart():
    loaded = corpus.load(STDLIB, None)
    total = sum(map(len, splits(loaded)))
    assert total > 5_000_000
    assert [round(len(split) / total, 1) for split in splits(loaded)] == [0.8, 0.1, 0.1]
    assert all(b"import " in split for split in splits(loaded))


def test_pack_of_its_own_lasts_as_long_as_the_process():
    assert corpus.load(STDLIB, None) is corpus.load(STDLIB, None)


def test_kept_pack_is_the_text_that_is_there(tmp_path):
    write(tmp_path, {"root/book.txt": story(50)})
    kept = corpus.load("book.txt", tmp_path / "root", tmp_path / "packs")
    own = corpus.load("book.txt", tmp_path / "root")
    assert splits(kept) == splits(own)
    assert kept.manifest == own.manifest
    assert kept.manifest.n_documents == 50
    paragraphs = [part for split in splits(kept) for part in split.decode().split("\n\n")]
    assert sorted(filter(None, paragraphs)) == sorted(story(50).split("\n\n"))


def test_digest_is_the_same_whoever_packs_where(tmp_path):
    files = {f"{number:02}.txt": text for number, text in enumerate(story(30).split("\n\n"))}
    for root in ("one", "other"):
        write(tmp_path / root, files)
    digests = {corpus.load(".", tmp_path / root, tmp_path / "packs").digest for root in ("one", "other")}
    # written down, so that another version of Python, NumPy or this code that packs otherwise is noticed
    assert digests == {"90e39894bae24e5b3ab871d4d2459ed1f56d46afc36d098755e73fad23757f71"}


def test_pack_that_is_there_is_not_read_again(tmp_path):
    write(tmp_path, {"root/book.txt": story(50)})
    before = corpus.load("book.txt", tmp_path / "root", tmp_path / "packs")
    book = tmp_path / "root" / "book.txt"
    changed_ns = book.stat().st_mtime_ns
    # other text of the same size and time: whoever looked at it would see it
    book.write_text(story(50, "tomes"))
    os.utime(book, ns=(changed_ns, changed_ns))
    assert corpus.load("book.txt", tmp_path / "root", tmp_path / "packs").digest == before.digest
    os.utime(book, ns=(changed_ns + 1, changed_ns + 1))
    assert corpus.load("book.txt", tmp_path / "root", tmp_path / "packs").digest != before.digest


def test_pack_follows_the_field_of_its_text(tmp_path):
    lines = "\n".join(f'{{"a": "a {number}", "b": "b {number}"}}' for number in range(20))
    write(tmp_path, {"root/two.jsonl": lines})
    found = [corpus.load("two.jsonl", tmp_path / "root", tmp_path / "packs", text_key=key) for key in "ab"]
    assert [bytes(each.test)[:2] for each in found] == [b"a ", b"b "]


def test_damaged_pack_is_made_again(tmp_path):
    write(tmp_path, {"root/book.txt": story(50)})
    before = corpus.load("book.txt", tmp_path / "root", tmp_path / "packs")
    expected = splits(before)
    (pack,) = (tmp_path / "packs").glob("?" * 64)
    (pack / "test.bin").write_bytes(b"cut off")
    assert splits(corpus.load("book.txt", tmp_path / "root", tmp_path / "packs")) == expected


def test_processes_that_pack_at_once_have_one_pack(tmp_path):
    write(tmp_path, {"root/book.txt": story(20_000)})
    code = (
        "import sys; from pathlib import Path; from nas.data import corpus; sys.stdin.read(1);"
        "print(corpus.load('book.txt', Path('root'), Path('packs')).digest)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
    digests = {process.communicate()[0].strip() for process in processes}
    assert digests == {corpus.load("book.txt", tmp_path / "root").digest}
    assert sorted(len(path.name) for path in (tmp_path / "packs").iterdir()) == [len("lock"), 64]


def test_packing_takes_little_memory(tmp_path):
    paragraph = "a line of a long paragraph\n" * 40_000
    with (tmp_path / "book.txt").open("w") as file:
        file.writelines(f"{number}\n{paragraph}\n\n" for number in range(60))
    code = (
        "import resource, psutil; from pathlib import Path; from nas.data import corpus;"
        f"bound = psutil.Process().memory_info().data + {40 * 2**20};"
        "resource.setrlimit(resource.RLIMIT_DATA, (bound, bound));"
        "print(len(corpus.load('book.txt', Path(), Path('packs')).train))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert int(done.stdout) > 45e6, done.stderr


def test_text_that_is_not_the_one_asked_for_is_refused(tmp_path):
    write(tmp_path, {"book.txt": story(50)})
    digest = corpus.load("book.txt", tmp_path).digest
    assert corpus.load("book.txt", tmp_path, digest=digest).digest == digest
    write(tmp_path, {"book.txt": story(51)})
    with pytest.raises(Invalid, match=r"the corpus has changed since the study was submitted: 'book\.txt'"):
        corpus.load("book.txt", tmp_path, digest=digest)


def test_windows_that_the_text_does_not_hold_are_refused_with_figures(tmp_path):
    write(tmp_path, {"book.txt": story(50)})
    loaded = corpus.load("book.txt", tmp_path)
    n_places = (len(loaded.test) - 1) // 16
    loaded.check_windows(16, 1, n_places)
    with pytest.raises(Invalid, match=rf"for test, {n_places} windows of 16, and needs {n_places + 1}: give more text"):
        loaded.check_windows(16, 1, n_places + 1)


def test_link_inside_the_root_is_followed(tmp_path):
    write(tmp_path, {"book.txt": story(50)})
    (tmp_path / "alias.txt").symlink_to(tmp_path / "book.txt")
    assert corpus.load("alias.txt", tmp_path).digest == corpus.load("book.txt", tmp_path).digest
