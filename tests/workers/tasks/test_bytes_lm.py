import math
from itertools import pairwise

import pytest
import torch

from nas.data import corpus
from nas.data.location import STDLIB
from nas.errors import Invalid
from nas.tasks import BytesLM
from tests.corpora import story
from workers.tasks import build

SMALL = BytesLM(sequence_length=16, n_validation=16, n_test=32)


def test_targets_are_the_next_bytes():
    for batch in (build(SMALL, 1, None).test(), build(SMALL, 1, None).train_batch(0, 0, 8)):
        assert torch.equal(batch.inputs[:, 1:], batch.targets[:, :-1])


def test_windows_are_text_of_their_own_split():
    loaded, generator = corpus.load(STDLIB, None), build(SMALL, 1, None)
    for batch, split in (
        (generator.train_batch(0, 0, 8), loaded.train),
        (generator.validation(), loaded.validation),
        (generator.test(), loaded.test),
    ):
        for tokens in batch.inputs.tolist():
            assert bytes(tokens) in bytes(split)


def test_test_windows_do_not_overlap(tmp_path):
    # every number occurs once, so equal windows would be the same place
    (tmp_path / "numbers").write_text("\n\n".join(f"{number:06}" for number in range(15_000)))
    task = BytesLM(corpus="numbers", sequence_length=64, n_validation=16, n_test=180)
    batch, text = build(task, 1, tmp_path).test(), bytes(corpus.load("numbers", tmp_path).test)
    starts = sorted(text.index(bytes(tokens)) for tokens in batch.inputs.tolist())
    assert all(later - earlier >= 64 for earlier, later in pairwise(starts))


def test_same_seed_same_windows():
    one, other = build(SMALL, 1, None), build(SMALL, 1, None)
    assert torch.equal(one.test().inputs, other.test().inputs)
    assert not torch.equal(one.test().inputs, build(SMALL, 2, None).test().inputs)


def test_digest_follows_the_text(tmp_path):
    digests = set()
    for word in ("times", "tomes"):
        (tmp_path / "book.txt").write_text(story(100, word))
        digests.add(build(SMALL.model_copy(update={"corpus": "book.txt"}), 1, tmp_path).digest)
    assert len(digests) == 2


def test_uniform_predictor_takes_eight_bits():
    generator = build(SMALL, 1, None)
    batch = generator.test()
    values = generator.sequence_values(torch.zeros(*batch.inputs.shape, 256), batch.targets)
    assert values.shape == (32,)
    assert all(math.isclose(value, 8.0, rel_tol=1e-6) for value in values.tolist())


def test_small_corpus_is_refused_with_figures(tmp_path):
    (tmp_path / "book.txt").write_text(story(10))
    with pytest.raises(Invalid, match=r"bytes for validation, \d+ windows of 16, and needs 16: give more text"):
        build(SMALL.model_copy(update={"corpus": "book.txt"}), 1, tmp_path)
