import math
from itertools import pairwise

import pytest
import torch

from nas.corpora import STDLIB
from nas.errors import Invalid
from nas.tasks import BytesLM
from workers.tasks import build, corpus

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
    # every aligned pair of bytes of the text occurs once, so equal windows would be the same place
    text = b"".join(index.to_bytes(2, "big") for index in range(60_000))
    (tmp_path / "numbers").write_bytes(text)
    batch = build(BytesLM(corpus="numbers", sequence_length=64, n_validation=16, n_test=180), 1, tmp_path).test()
    starts = sorted(text.index(bytes(tokens)) for tokens in batch.inputs.tolist())
    assert all(later - earlier >= 64 for earlier, later in pairwise(starts))


def test_same_seed_same_windows():
    one, other = build(SMALL, 1, None), build(SMALL, 1, None)
    assert torch.equal(one.test().inputs, other.test().inputs)
    assert not torch.equal(one.test().inputs, build(SMALL, 2, None).test().inputs)


def test_digest_follows_the_text(tmp_path):
    digests = set()
    for letter in b"ab":
        (tmp_path / "book.txt").write_bytes(bytes([letter]) * 20_000)
        digests.add(build(SMALL.model_copy(update={"corpus": "book.txt"}), 1, tmp_path).digest)
    assert len(digests) == 2


def test_uniform_predictor_takes_eight_bits():
    generator = build(SMALL, 1, None)
    batch = generator.test()
    values = generator.sequence_values(torch.zeros(*batch.inputs.shape, 256), batch.targets)
    assert values.shape == (32,)
    assert all(math.isclose(value, 8.0, rel_tol=1e-6) for value in values.tolist())


def test_small_corpus_is_refused_with_figures(tmp_path):
    (tmp_path / "book.txt").write_bytes(b"a" * 1000)
    with pytest.raises(Invalid, match=r"100 bytes for validation, 6 windows of 16; n_validation asks for 16"):
        build(SMALL.model_copy(update={"corpus": "book.txt"}), 1, tmp_path)
