from collections import Counter

import pytest
import torch
from pydantic import ValidationError

from nas.tasks import KHop
from workers.batch import IGNORED
from workers.learner import Learner
from workers.tasks import Evaluation, build

SETTINGS = [
    KHop(),
    KHop(n_chains=3, n_hops=1, sequence_length=20, vocab_size=13, n_test=64),
    KHop(n_chains=2, n_hops=9, sequence_length=41, vocab_size=64, n_test=64),
]


def follow(tokens: list[int], task: KHop) -> list[tuple[int, int]]:
    """What a reader who knows the rules says of every pair behind the blanks: how many hops it is from which label."""
    pairs = [token for token in tokens if token != task.vocab_size - 1]
    before = dict(zip(pairs[0::2], pairs[1::2], strict=True))
    found = []
    for token in pairs[0::2]:
        node, hops = before[token], 0
        while node >= task.vocab_size // 2:
            node, hops = before[node], hops + 1
        found.append((hops, node))
    return found


@pytest.mark.parametrize("task", SETTINGS, ids=lambda task: task.digest[:6])
def test_reader_who_follows_pointers_finds_every_label(task):
    batch = build(task, 1, None).test()
    assert batch.inputs.shape == batch.targets.shape == (task.n_test, task.sequence_length)
    n_blanks = task.sequence_length - 2 * task.n_nodes
    for tokens, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        found = follow(tokens, task)
        labels = {label for _, label in found}
        assert len(labels) == task.n_chains
        assert Counter(found) == {(hops, label): 1 for hops in range(task.n_hops + 1) for label in labels}
        expected = [label if hops and place else IGNORED for hops, label in found for place in range(2)]
        assert targets == [IGNORED] * n_blanks + expected
        assert [hops for hops, _ in found] == sorted(hops for hops, _ in found)


def test_names_and_turns_tell_nothing():
    """So chance is what a predictor gets that sees the labels and reads places and names but follows no pointer."""
    task = KHop(n_chains=2, n_hops=2, sequence_length=12, vocab_size=14, n_test=20_000)
    batch = build(task, 1, None).test()
    last, is_first_label = batch.inputs[:, -1], batch.targets[:, -1] == batch.inputs[:, 1]
    assert set(last.tolist()) == set(range(7, 13))
    for name in range(7, 13):
        # about 3,300 sequences: a standard deviation of 0.009
        assert is_first_label[last == name].double().mean().item() == pytest.approx(0.5, abs=0.04)
    # the turns of one round say nothing of the next
    assert (batch.targets[:, -1] == batch.targets[:, -5]).double().mean().item() == pytest.approx(0.5, abs=0.015)
    assert task.chance() == 0.5


def test_guess_among_given_labels_gets_chance():
    task = KHop(n_test=64)
    generator = build(task, 1, None)
    batch = generator.test()
    first_label = batch.inputs[:, 1:2].expand_as(batch.inputs)
    always = torch.nn.functional.one_hot(first_label, 64).float()
    assert generator.sequence_values(always, batch.targets).tolist() == [task.chance()] * 64


def test_accuracy_is_told_for_each_number_of_hops():
    task = KHop()
    generator = build(task, 1, None)
    batch = generator.test()
    choices = torch.full_like(batch.targets, -1)
    for row, tokens in enumerate(batch.inputs.tolist()):
        answers = [(hops, label) for hops, label in follow(tokens, task) for _ in range(2)]
        for place, (hops, label) in enumerate(answers):
            choices[row, place + task.sequence_length - len(answers)] = label if hops in (2, 6) else -1
    evaluation = Evaluation(Learner.__new__(Learner), torch.zeros(0), choices, batch.targets)
    found = generator.further_metrics(evaluation)
    assert {name: value for name, value in found.items() if "@" in name} == {
        f"accuracy@hops={k}": float(k in (2, 6)) for k in range(1, 7)
    }
    assert set(found) == {metric.name for metric in task.further_metrics()}


def test_splits_steps_replicas_and_seeds_differ_and_equal_seeds_agree():
    task = KHop(n_validation=32, n_test=32)
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
        ({"n_hops": 7}, "32 nodes need sequence_length of at least 64"),
        ({"n_hops": 12, "sequence_length": 128}, "52 nodes need vocab_size of at least 105"),
    ],
)
def test_settings_that_make_no_task_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        KHop(**settings)


def test_training_asks_for_one_more_hop_every_so_many_steps():
    task = KHop(steps_per_hop=10)
    generator, at_once = build(task, 1, None), build(KHop(steps_per_hop=0), 1, None)
    for step, n_hops in [(0, 1), (9, 1), (10, 2), (49, 5), (50, 6), (1000, 6)]:
        batch, whole = generator.train_batch(0, step, 4), at_once.train_batch(0, step, 4)
        asked = (batch.targets != IGNORED).sum(1)
        assert (asked == task.n_chains * n_hops).all()
        assert torch.equal(batch.inputs, whole.inputs)
        kept = task.sequence_length - 2 * task.n_chains * (task.n_hops - n_hops)
        assert torch.equal(batch.targets[:, :kept], whole.targets[:, :kept])
