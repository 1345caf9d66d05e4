"""No document and no copy of one is on two sides, and nothing is lost between them."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.data import packing
from nas.data.packing import HELD_OUT, MIN_DOCUMENTS, SPLITS, pack, path_of
from nas.errors import Invalid

DOCUMENTS = [f"<{number}>".encode() * (20 + number) for number in range(100)]

_texts = st.lists(st.integers(0, 2**20).map(lambda number: b"%d" % number), unique=True, min_size=MIN_DOCUMENTS, max_size=60)


def packed(documents):
    """The documents of each split, in order, with what `pack` says."""
    with TemporaryDirectory() as folder:
        found = pack(iter(documents), Path(folder))
        assert {path.name for path in Path(folder).iterdir()} == {f"{split}.bin" for split in SPLITS}
        return found, {split: path_of(Path(folder), split).read_bytes().split(b"\n\n")[:-1] for split in SPLITS}


@given(_texts, st.data())
def test_every_document_is_on_one_side_once(texts, data):
    copies = data.draw(st.lists(st.sampled_from(texts), max_size=60))
    shuffled = data.draw(st.permutations(texts + copies))
    found, splits = packed(shuffled)
    counts = Counter(document for split in splits.values() for document in split)
    assert counts == Counter(texts)
    assert all(splits.values())
    assert (found.n_documents, found.n_copies) == (len(texts), len(copies))
    # sides follow the content alone, not the order or the copies
    assert {split: set(documents) for split, documents in packed(texts)[1].items()} == {
        split: set(documents) for split, documents in splits.items()
    }


def test_a_tenth_of_the_bytes_is_held_out_twice():
    _, splits = packed(DOCUMENTS)
    sizes = {split: sum(map(len, documents)) for split, documents in splits.items()}
    largest = max(map(len, DOCUMENTS))
    for split in ("validation", "test"):
        assert 0 <= sizes[split] - HELD_OUT * sum(sizes.values()) <= largest


def test_documents_keep_their_order_within_a_side():
    _, splits = packed(DOCUMENTS)
    for documents in splits.values():
        assert documents == [document for document in DOCUMENTS if document in set(documents)]


def test_digest_is_of_the_bytes_and_their_sides():
    first = packed(DOCUMENTS)[0].digest
    assert packed(DOCUMENTS)[0].digest == first
    assert packed([*DOCUMENTS, DOCUMENTS[0]])[0].digest == first
    assert packed(DOCUMENTS[1:])[0].digest != first
    assert packed([b"<other>", *DOCUMENTS[1:]])[0].digest != first


@pytest.mark.parametrize("sizes", [[10**6] + [1] * 9, [1] * 9 + [10**6], [5] * 10])
def test_each_side_has_a_document_however_long_they_are(sizes):
    for letter in range(20):
        documents = [b"%d:%d:" % (letter, number) + b"x" * size for number, size in enumerate(sizes)]
        assert all(packed(documents)[1].values())


@pytest.mark.parametrize("documents", [[], [b"a"], DOCUMENTS[:9], DOCUMENTS[:9] * 5], ids=len)
def test_too_few_different_documents_are_refused(documents):
    with pytest.raises(Invalid, match=r"different documents and needs at least 10"):
        packed(documents)


@pytest.mark.parametrize(("bound", "most"), [("MAX_BYTES", 1000), ("MAX_DOCUMENTS", 20)])
def test_too_much_text_is_refused_while_it_is_read(monkeypatch, bound, most):
    monkeypatch.setattr(packing, bound, most)
    endless = iter(lambda: b"a document that never ends", None)
    with pytest.raises(Invalid, match="the corpus has more than"):
        packed(endless)
