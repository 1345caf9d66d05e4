"""Files that users bring, from a study's submission to its runs: both refuse the same, and a changed file is noticed."""

import gzip
import json
import os

import pytest

from nas.data.cache import PACKS_FOLDER
from nas.errors import Invalid
from nas.protocol import Rung
from nas.submission import read_spec
from nas.tasks import BytesLM
from search_spaces.architecture import TokenInput
from tests.corpora import story
from tests.workers.runs import HYBRID, make_run, protocol
from workers.evaluate import evaluate

MANY = 10**9
TEXT = BytesLM(corpus="book.txt", sequence_length=16, n_validation=16, n_test=16)
BYTES = HYBRID.model_copy(update={"input": TokenInput(vocab_size=256)})


def submitted(root, workspace, **settings):
    """The task as `read_spec` leaves it."""
    tasks = [TEXT.to_data() | settings]
    document = {"name": "x", "space": {"preset": "recall_demo"}, "protocol": {"tasks": tasks}}
    return read_spec(document, root, MANY, workspace / PACKS_FOLDER).protocol.tasks[0]


def evaluated(root, workspace, task, number=0):
    rules = protocol(tasks=(task,), rungs=(Rung(steps=2),), learning_rates=(0.001,))
    return evaluate(make_run(architecture=BYTES, protocol=rules, number=number), workspace, root)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "book.txt").write_text(story(100))
    return tmp_path / "root"


def test_runs_use_the_pack_that_the_submission_made(root, tmp_path):
    task = submitted(root, tmp_path)
    packs = list((tmp_path / PACKS_FOLDER).glob("*/manifest.json"))
    made_ns = packs[0].stat().st_mtime_ns
    result = evaluated(root, tmp_path, task).result
    assert result is not None
    assert [path.stat().st_mtime_ns for path in (tmp_path / PACKS_FOLDER).glob("*/manifest.json")] == [made_ns]
    # a bundle is verified where there is no workspace, and a study may be written without a digest
    unpinned = evaluated(root, tmp_path, TEXT, number=1).result
    assert unpinned is not None
    assert unpinned.tasks[0].data_digest == result.tasks[0].data_digest


def test_file_that_changes_under_a_study_fails_its_next_trial(root, tmp_path):
    task = submitted(root, tmp_path)
    assert evaluated(root, tmp_path, task).result is not None
    book = root / "book.txt"
    changed_ns = book.stat().st_mtime_ns + 1
    book.write_text(story(100).replace("Chapter 7:", "Chapter 8:"))
    os.utime(book, ns=(changed_ns, changed_ns))
    failure = evaluated(root, tmp_path, task, number=1).failure
    assert failure is not None
    assert failure.kind == "invalid"
    assert "the corpus has changed since the study was submitted: 'book.txt'" in failure.message
    book.write_text(story(100))
    assert evaluated(root, tmp_path, task, number=2).result is not None


def huge(root):
    with (root / "book.txt").open("wb") as file:
        file.truncate(2**31 + 1)


BAD = {
    "missing": (lambda root: (root / "book.txt").unlink(), "no such file or folder below the data root"),
    "empty": (lambda root: (root / "book.txt").write_bytes(b""), "has 0 bytes"),
    "blank": (lambda root: (root / "book.txt").write_bytes(b"\n \n" * 99), "has 0 different documents"),
    "binary": (lambda root: (root / "book.txt").write_bytes(bytes(range(256)) * 99), "is binary"),
    "compressed": (lambda root: (root / "book.txt").write_bytes(gzip.compress(story(100).encode())), "'book.txt'"),
    "not UTF-8": (lambda root: (root / "book.txt").write_bytes(story(100, "é").encode("latin1")), "is not UTF-8: byte 0xe9"),
    "huge": (huge, "it needs between 1 and 2,147,483,648"),
    "one paragraph": (lambda root: (root / "book.txt").write_text("a word " * 9999), "has 1 different documents"),
    "copies": (lambda root: (root / "book.txt").write_text("the same\n\n" * 9999), "has 1 different documents"),
    "too short": (lambda root: (root / "book.txt").write_text(story(10)), "give more text, fewer windows"),
}


@pytest.mark.parametrize(("spoil", "words"), BAD.values(), ids=BAD)
def test_bad_file_is_refused_at_submission_and_by_the_worker_in_the_same_words(root, tmp_path, spoil, words):
    spoil(root)
    with pytest.raises(Invalid) as raised:
        submitted(root, tmp_path)
    (problem,) = raised.value.problems
    assert problem.pointer == "/protocol/tasks/0/corpus"
    assert words in problem.reason
    assert str(tmp_path) not in problem.reason
    failure = evaluated(root, tmp_path, TEXT).failure
    assert failure is not None
    assert (failure.kind, failure.message) == ("invalid", problem.reason)
    assert not list((tmp_path / PACKS_FOLDER).glob(".aside-*")), "what is refused leaves nothing half made"


BAD_PLACES = {
    "nothing": ("absent", "no such file or folder below the data root"),
    "above": ("../secret.txt", "no such file or folder below the data root"),
    "absolute": ("/etc/passwd", "no such file or folder below the data root"),
    "zero byte": ("a\0b", "no such file or folder below the data root"),
    "link": ("link.txt", "no such file or folder below the data root"),
    "linked folder": ("linked", "no such file or folder below the data root"),
    "link to itself": ("round", "no such file or folder below the data root"),
    "link in a folder": ("mixed", "'b' is a link that leads out of the data root"),
    "hidden files": ("hidden", "has 0 bytes"),
    "no regular file": ("pipe", "has 0 bytes"),
}


@pytest.mark.parametrize(("name", "words"), BAD_PLACES.values(), ids=BAD_PLACES)
def test_files_elsewhere_are_refused_at_submission_and_by_the_worker(root, tmp_path, name, words):
    (tmp_path / "secret.txt").write_text(story(100))
    for folder in ("hidden", "mixed"):
        (root / folder).mkdir()
    (root / "hidden" / ".a").write_text(story(100))
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "linked").symlink_to(tmp_path)
    (root / "round").symlink_to(root / "round")
    (root / "mixed" / "b").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(root / "pipe")
    with pytest.raises(Invalid) as raised:
        submitted(root, tmp_path, corpus=name)
    assert words in str(raised.value)
    assert str(tmp_path) not in str(raised.value)
    failure = evaluated(root, tmp_path, TEXT.model_copy(update={"corpus": name})).failure
    assert failure is not None
    assert words in failure.message


def test_text_in_another_field_is_read_by_its_key(root, tmp_path):
    lines = [json.dumps({"body": text}) for text in story(100).split("\n\n")]
    (root / "book.jsonl").write_text("\n".join(lines))
    with pytest.raises(Invalid, match="set text_key to one of 'body'"):
        submitted(root, tmp_path, corpus="book.jsonl")
    task = submitted(root, tmp_path, corpus="book.jsonl", text_key="body")
    assert evaluated(root, tmp_path, task).result is not None
    # the same documents in the same order are the same corpus
    assert task.corpus_digest == submitted(root, tmp_path).corpus_digest
