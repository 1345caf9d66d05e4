from itertools import permutations

import pytest
import torch
from pydantic import ValidationError

from nas.tasks import StateTracking
from workers.learner import Learner
from workers.tasks import Evaluation, build


def test_s5_targets_are_the_permutations_so_far():
    elements = list(permutations(range(5)))
    batch = build(StateTracking(n_test=64), 1, None).test()
    assert batch.inputs.shape == batch.targets.shape == (64, 32)
    for tokens, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        things = tuple(range(5))
        for token, target in zip(tokens, targets, strict=True):
            things = tuple(elements[token][thing] for thing in things)
            assert elements[target] == things


@pytest.mark.parametrize("modulus", [2, 7])
def test_cyclic_targets_are_sums(modulus):
    batch = build(StateTracking(group=f"Z{modulus}", n_test=64), 1, None).test()
    assert torch.equal(batch.targets, batch.inputs.cumsum(1) % modulus)


@pytest.mark.parametrize(("group", "order"), [("Z2", 2), ("Z60", 60), ("A5", 60), ("A4xZ5", 60), ("S5", 120), ("A6", 360)])
def test_constant_predictor_gets_chance(group, order):
    task = StateTracking(group=group, vocab_size=360, n_test=2000)
    generator = build(task, 1, None)
    batch = generator.test()
    always = torch.nn.functional.one_hot(torch.full_like(batch.targets, order - 1), order).float()
    value = generator.sequence_values(always, batch.targets).mean().item()
    assert task.chance() == 1 / order
    # 64,000 targets, those of a sequence not quite independent
    assert value == pytest.approx(1 / order, abs=4 * (1 / order / 64_000) ** 0.5)


def test_longer_sequences_are_further_test_sets():
    task = StateTracking(group="Z3", sequence_length=8, test_lengths=(16, 32), n_test=16)
    beyond = build(task, 1, None).beyond()
    assert {name: batch.inputs.shape for name, batch in beyond.items()} == {"length=16": (16, 16), "length=32": (16, 32)}
    assert all(torch.equal(batch.targets, batch.inputs.cumsum(1) % 3) for batch in beyond.values())
    names = {metric.name for metric in task.further_metrics()}
    assert names == {"macro_accuracy", "final_accuracy", "accuracy@length=16", "accuracy@length=32", "extrapolation_gap"}


def test_final_accuracy_is_that_of_the_last_position():
    generator = build(StateTracking(n_test=64), 1, None)
    batch = generator.test()
    choices = torch.full_like(batch.targets, -1)
    choices[:16, -1] = batch.targets[:16, -1]
    found = generator.further_metrics(Evaluation(Learner.__new__(Learner), torch.zeros(0), choices, batch.targets))
    assert found["final_accuracy"] == 0.25


def test_splits_steps_replicas_and_seeds_differ_and_equal_seeds_agree():
    task = StateTracking(n_validation=32, n_test=32)
    one, other = build(task, 1, None), build(task, 2, None)
    batches = [one.validation(), one.test(), one.train_batch(0, 0, 32), one.train_batch(0, 1, 32), one.train_batch(1, 0, 32)]
    sequences = [tuple(row) for batch in (*batches, other.test()) for row in batch.inputs.tolist()]
    assert len(set(sequences)) == len(sequences)
    again = build(task, 1, None)
    assert torch.equal(again.train_batch(1, 0, 32).inputs, batches[-1].inputs)
    assert again.digest == one.digest != other.digest


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"group": "Q8"}, "such as A4xZ5"),
        ({"group": "S6"}, "such as A4xZ5"),
        ({"group": "S5xZ4"}, "480 elements; at most 360"),
        ({"group": "A6"}, "vocab_size of at least 360"),
        ({"test_lengths": (32,)}, "differ"),
        ({"test_lengths": (64, 64)}, "differ"),
    ],
)
def test_settings_that_make_no_task_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        StateTracking(**settings)
