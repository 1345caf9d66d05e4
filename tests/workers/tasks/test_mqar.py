import hashlib
from collections import Counter

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from nas.tasks.mqar import MQAR, MQARSize
from workers.batch import IGNORED
from workers.tasks import build

SETTINGS = [
    MQAR(),
    MQAR(random_non_queries=False),
    MQAR(vocab_size=32, sequence_length=32, n_pairs=4),
    MQAR(vocab_size=10, sequence_length=17, n_pairs=4, n_test=64),
    MQAR(vocab_size=8192, sequence_length=256, n_pairs=64, power=1.0, n_test=16),
]


def solve(tokens: list[int], n_pairs: int) -> dict[int, int]:
    """What a reader who knows the rules answers: at every later even place that holds a key, the value it came with."""
    values = dict(zip(tokens[0 : 2 * n_pairs : 2], tokens[1 : 2 * n_pairs : 2], strict=True))
    return {place: values[tokens[place]] for place in range(2 * n_pairs, len(tokens)) if tokens[place] in values}


@pytest.mark.parametrize("task", SETTINGS, ids=lambda task: task.digest[:6])
def test_reader_who_knows_the_rules_answers_every_query(task):
    batch = build(task, 1, None).test()
    for tokens, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        asked = {place: target for place, target in enumerate(targets) if target != IGNORED}
        answers = solve(tokens, task.n_pairs)
        assert len(asked) == task.n_pairs
        assert asked.items() <= answers.items()
        if not task.random_non_queries:
            assert asked == answers


@pytest.mark.parametrize("task", SETTINGS, ids=lambda task: task.digest[:6])
def test_sequences_have_the_published_form(task):
    batch = build(task, 1, None).test()
    n_keys, last = task.vocab_size // 2, 2 * task.n_pairs
    keys, values = batch.inputs[:, 0:last:2], batch.inputs[:, 1:last:2]
    assert batch.inputs.shape == (task.n_test, task.sequence_length)
    assert (keys >= 1).all()
    assert (keys < n_keys).all()
    assert (n_keys <= values).all()
    assert (values < task.vocab_size).all()
    assert all(len(set(row)) == task.n_pairs for row in (*keys.tolist(), *values.tolist()))
    rows, places = (batch.targets != IGNORED).nonzero(as_tuple=True)
    assert (places >= last).all()
    assert (places % 2 == 0).all()
    assert sorted(batch.inputs[rows, places].tolist()) == sorted(keys.flatten().tolist())


def test_gaps_follow_the_power_law():
    # one pair in a long sequence: the gap's distribution is p itself
    task = MQAR(vocab_size=8, sequence_length=22, n_pairs=1, power=0.01, n_test=100_000)
    places = (build(task, 1, None).test().targets != IGNORED).nonzero(as_tuple=True)[1]
    counts = np.bincount((places - 2) // 2, minlength=10) / task.n_test
    weights = np.arange(1, 11) ** (0.01 - 1)
    # each share has a standard deviation below 0.0016
    assert np.abs(counts - weights / weights.sum()).max() < 0.01


def test_queries_come_in_the_order_of_sampling_without_replacement():
    """Of two gaps, the first key has the smaller one as often as successive weighted draws say."""
    task = MQAR(vocab_size=8, sequence_length=8, n_pairs=2, power=0.01, n_test=100_000)
    batch = build(task, 1, None).test()
    first_key_asked_first = (batch.inputs[:, 4] == batch.inputs[:, 0]) & (batch.targets[:, 4] != IGNORED)
    expected = 1 / (1 + 2 ** (0.01 - 1))
    assert abs(first_key_asked_first.float().mean().item() - expected) < 0.01


def test_splits_and_steps_and_replicas_and_seeds_differ():
    generator = build(MQAR(n_validation=32, n_test=32), 1, None)
    batches = [
        generator.validation(),
        generator.test(),
        generator.train_batch(0, 0, 32),
        generator.train_batch(0, 1, 32),
        generator.train_batch(1, 0, 32),
        build(MQAR(n_validation=32, n_test=32), 2, None).test(),
    ]
    sequences = [tuple(row) for batch in batches for row in batch.inputs.tolist()]
    assert len(set(sequences)) == len(sequences)


def test_batches_are_functions_of_the_seed():
    one, other = build(MQAR(), 5, None), build(MQAR(), 5, None)
    other.train_batch(0, 9, 4)
    assert torch.equal(one.train_batch(2, 3, 8).inputs, other.train_batch(2, 3, 8).inputs)
    assert one.digest == other.digest
    assert one.digest != build(MQAR(), 6, None).digest


def test_sequence_values_count_right_queries():
    generator = build(MQAR(), 1, None)
    batch = generator.test()
    perfect = torch.nn.functional.one_hot(batch.targets.clamp(min=0), 256).float()
    half = perfect.clone()
    half[: len(batch) // 2] = 0.0
    assert generator.sequence_values(perfect, batch.targets).tolist() == [1.0] * len(batch)
    assert generator.sequence_values(half, batch.targets).mean().item() == 0.5


def test_sequences_are_those_of_earlier_versions():
    """Recorded studies stay comparable: the same settings and seed give the same tokens, whatever was added since."""
    generator = build(MQAR(), 7, None)
    digest = hashlib.sha256()
    for batch in (generator.train_batch(1, 3, 8), generator.validation(), generator.test()):
        digest.update(batch.inputs.numpy().tobytes() + batch.targets.numpy().tobytes())
    assert digest.hexdigest() == "097460346d06678ecaf85294c079eb05e81ee66ee0b7393e5a4df0fc6e0bffe8"
    assert MQAR().canonical_json() == '{"name":"mqar"}'
    assert generator.digest == "e529a2072f1085c0857db41dfc0a9c457ba64dced8c2b5bdd4511ddf6babe820"


def test_a_fixed_training_set_comes_again():
    generator = build(MQAR(n_train=32), 1, None)
    epochs = [sorted(map(tuple, generator.train_batch(0, step, 32).inputs.tolist())) for step in range(2)]
    assert epochs[0] == epochs[1]
    with pytest.raises(ValidationError, match="fresh sequences"):
        MQAR(n_train=32, mixture=(MQARSize(sequence_length=128, n_pairs=8),))


def test_a_mixture_draws_sizes_by_their_shares():
    further = (MQARSize(sequence_length=128, n_pairs=8), MQARSize(sequence_length=256, n_pairs=32))
    generator = build(MQAR(n_pairs=4, mixture=further, mixture_share=0.25), 1, None)
    batches = [generator.train_batch(0, step, 2) for step in range(600)]
    for batch in batches[:20]:
        assert ((batch.targets != IGNORED).sum(-1) == {64: 4, 128: 8, 256: 32}[batch.inputs.shape[1]]).all()
    counts = Counter(batch.inputs.shape[1] for batch in batches)
    # of 1.5 shares the own size has 1; the standard deviation of its share is 0.02
    assert abs(counts[64] / 600 - 2 / 3) < 0.08
    assert abs(counts[128] / 600 - 1 / 6) < 0.06
    assert generator.test().inputs.shape[1] == generator.validation().inputs.shape[1] == 64


def test_further_sizes_are_tested_on():
    sizes = (MQARSize(sequence_length=32, n_pairs=8), MQARSize(sequence_length=256, n_pairs=32))
    task = MQAR(further=sizes, n_test=16)
    beyond = build(task, 1, None).beyond()
    assert {name: tuple(batch.inputs.shape) for name, batch in beyond.items()} == {
        "length=32,pairs=8": (16, 32),
        "length=256,pairs=32": (16, 256),
    }
    for size, batch in zip(sizes, beyond.values(), strict=True):
        for tokens, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            asked = {place: target for place, target in enumerate(targets) if target != IGNORED}
            assert len(asked) == size.n_pairs
            assert asked.items() <= solve(tokens, size.n_pairs).items()
    names = [metric.name for metric in task.further_metrics()]
    assert names == ["macro_accuracy", "accuracy@length=32,pairs=8", "accuracy@length=256,pairs=32", "extrapolation_gap"]
    assert "extrapolation_gap" not in {metric.name for metric in MQAR(further=sizes[:1]).further_metrics()}


@pytest.mark.parametrize("field", ["mixture", "further"])
def test_further_sizes_must_fit(field: str):
    with pytest.raises(ValidationError, match="n_pairs 32 needs sequence_length of at least 128"):
        MQAR.from_data({field: [{"sequence_length": 64, "n_pairs": 32}]})
