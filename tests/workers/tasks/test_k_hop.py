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
    KHop(n_nodes=5, n_hops=4, n_queries=4, sequence_length=20, vocab_size=64, n_test=64),
    KHop(n_nodes=3, n_hops=1, n_queries=3, sequence_length=6, vocab_size=16, n_test=64),
]


def follow(tokens: list[int], task: KHop) -> dict[int, int]:
    """What a reader who knows the rules answers at every query: one edge after the other."""
    n = task.n_nodes
    n_readable = n + n * n
    after = dict(divmod(token - n, n) for token in tokens if n <= token < n_readable)
    assert len(after) == n
    answers = {}
    for place, token in enumerate(tokens):
        if n_readable <= token < task.vocab_size - 1:
            node, hops = divmod(token - n_readable, task.n_hops)
            for _ in range(hops + 1):
                node = after[node]
            answers[place] = node
    return answers


@pytest.mark.parametrize("task", SETTINGS, ids=lambda task: task.digest[:6])
def test_reader_who_follows_edges_answers_every_query(task):
    batch = build(task, 1, None).test()
    assert batch.inputs.shape == (task.n_test, task.sequence_length)
    for tokens, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        answers = follow(tokens, task)
        assert len(answers) == task.n_queries
        assert answers == {place: target for place, target in enumerate(targets) if target != IGNORED}


@pytest.mark.parametrize("task", SETTINGS, ids=lambda task: task.digest[:6])
def test_edges_form_one_cycle(task):
    n = task.n_nodes
    for tokens in build(task, 1, None).test().inputs.tolist():
        after = dict(divmod(token - n, n) for token in tokens if n <= token < n + n * n)
        node, seen = 0, set()
        while node not in seen:
            seen.add(node)
            node = after[node]
        assert len(seen) == n


def test_edges_stand_in_any_place_before_the_queries():
    task = KHop(n_nodes=3, n_hops=1, n_queries=1, sequence_length=7, vocab_size=16, n_test=10_000)
    edges = build(task, 1, None).test().inputs[:, :-1]
    is_edge = (edges >= 3) & (edges < 12)
    assert (is_edge.sum(1) == 3).all()
    # half of the six places hold an edge; each share has a standard deviation of 0.005
    assert ((is_edge.double().mean(0) - 0.5).abs() < 0.02).all()


def test_answers_at_every_number_of_hops_are_any_other_node():
    """So chance is what a predictor gets that reads the query and no edge, whatever it makes of it."""
    task = KHop(n_nodes=5, n_hops=4, n_queries=4, sequence_length=9, vocab_size=64, n_test=20_000)
    batch = build(task, 1, None).test()
    queries, answers = batch.inputs[:, -4:] - 30, batch.targets[:, -4:]
    assert (queries % 4 == torch.arange(4)).all()
    for hops in range(4):
        pairs = Counter(zip((queries[:, hops] // 4).tolist(), answers[:, hops].tolist(), strict=True))
        assert len(pairs) == 20
        assert all(abs(count / task.n_test * 20 - 1) < 0.2 for count in pairs.values())
    assert task.chance() == 0.25


def test_accuracy_is_told_for_each_number_of_hops():
    task = KHop()
    generator = build(task, 1, None)
    batch = generator.test()
    answers = [follow(tokens, task) for tokens in batch.inputs.tolist()]
    choices = torch.full_like(batch.targets, -1)
    for row, of_row in enumerate(answers):
        for place, answer in of_row.items():
            asked = int(batch.inputs[row, place] - 16 * 17) % 8 + 1
            choices[row, place] = answer if asked in (2, 8) else -1
    evaluation = Evaluation(Learner.__new__(Learner), torch.zeros(0), choices, batch.targets)
    found = generator.further_metrics(evaluation)
    assert {name: value for name, value in found.items() if "@" in name} == {
        f"accuracy@hops={k}": float(k in (2, 8)) for k in range(1, 9)
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
        ({"n_nodes": 32}, "vocab_size of at least 1313"),
        ({"n_hops": 16, "n_nodes": 16, "vocab_size": 1000}, "give at least 17 nodes"),
        ({"n_queries": 24}, "sequence_length of at least 40"),
        ({"n_queries": 12}, "multiple of n_hops 8"),
    ],
)
def test_settings_that_make_no_task_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        KHop(**settings)
