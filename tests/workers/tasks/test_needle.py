from collections import Counter

import pytest
import torch
from pydantic import ValidationError

from nas.tasks import Needle
from search_spaces.zoo import ZOO
from workers.batch import IGNORED
from workers.model import build as build_model
from workers.tasks import build

SETTINGS = [
    Needle(),
    Needle(n_needles=1, n_values=4, n_test=64),
    Needle(n_needles=8, n_values=3, vocab_size=17, sequence_length=40, test_lengths=(80,), n_test=64),
    Needle(n_needles=3, n_values=2, vocab_size=8, sequence_length=11, test_lengths=(), n_test=64),
]


def find(tokens: list[int], task: Needle) -> list[int]:
    """What a reader who knows the rules answers: the tokens that followed the last key where it first stood."""
    asked = len(tokens) - task.n_values
    first = tokens.index(tokens[asked])
    return tokens[first + 1 : first + 1 + task.n_values]


@pytest.mark.parametrize("task", SETTINGS, ids=lambda task: task.digest[:6])
def test_reader_who_knows_the_rules_finds_every_needle_at_every_length(task):
    generator = build(task, 1, None)
    sets = {task.sequence_length: generator.test(), **{batch.inputs.shape[1]: batch for batch in generator.beyond().values()}}
    assert sets.keys() == {task.sequence_length, *task.test_lengths}
    for length, batch in sets.items():
        assert batch.inputs.shape == batch.targets.shape == (task.n_test, length)
        for tokens, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            assert targets[-task.n_values :] == find(tokens, task)
            assert set(targets[: -task.n_values]) <= {IGNORED}
            # the values are told only after each was asked for
            assert targets[-task.n_values : -1] == tokens[length - task.n_values + 1 :]
            keys = [token for token in tokens[: length - task.n_values] if token < task.vocab_size // 2]
            assert len(keys) == len(set(keys)) == task.n_needles


def test_needles_lie_anywhere_with_equal_chance():
    task = Needle(n_needles=1, n_values=2, sequence_length=9, test_lengths=(), n_test=20_000)
    batch = build(task, 1, None).test()
    starts = (batch.inputs[:, :-2] < task.vocab_size // 2).int().argmax(1)
    counts = Counter(starts.tolist())
    # ten tokens less the query's three leave five starts of a needle of three
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert all(abs(count / task.n_test - 0.2) < 0.015 for count in counts.values())


def test_constant_predictor_gets_chance():
    task = Needle(vocab_size=9, n_test=4000, test_lengths=())
    generator = build(task, 1, None)
    batch = generator.test()
    for token in range(4, 9):
        always = torch.nn.functional.one_hot(torch.full_like(batch.targets, token), 9).float()
        assert generator.sequence_values(always, batch.targets).mean().item() == pytest.approx(task.chance(), abs=0.025)
    assert task.chance() == 0.2


def test_splits_steps_replicas_and_seeds_differ_and_equal_seeds_agree():
    task = Needle(n_validation=32, n_test=32)
    one, other = build(task, 1, None), build(task, 2, None)
    batches = [one.validation(), one.test(), one.train_batch(0, 0, 32), one.train_batch(0, 1, 32), one.train_batch(1, 0, 32)]
    sequences = [tuple(row) for batch in (*batches, other.test()) for row in batch.inputs.tolist()]
    assert len(set(sequences)) == len(sequences)
    again = build(task, 1, None)
    assert torch.equal(again.train_batch(1, 0, 32).inputs, batches[-1].inputs)
    assert again.digest == one.digest != other.digest


@pytest.mark.parametrize("name", sorted(name for name, entry in ZOO.items() if entry.build().causal))
def test_every_causal_model_reads_four_times_the_length_it_was_trained_at(name):
    model = build_model(ZOO[name].build(d_model=16, vocab_size=64), torch.Generator().manual_seed(1))
    task = Needle(sequence_length=16, test_lengths=(64,), n_test=16)
    generator = build(task, 1, None)
    batch = generator.train_batch(0, 0, 2)
    model.train()
    model.loss(model(batch.inputs, batch.targets), batch.targets).backward()
    model.eval()
    longer = generator.beyond()["length=64"].rows(0, 2)
    with torch.no_grad():
        logits = model(longer.inputs).logits_BTV
        assert logits.shape == (2, 64, 64)
        assert logits.isfinite().all()
        # causal at that length too: what comes later changes nothing
        torch.testing.assert_close(model(longer.inputs[:, :48]).logits_BTV, logits[:, :48], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"n_needles": 32}, "lengths of at least 65"),
        ({"n_needles": 33, "sequence_length": 128, "test_lengths": ()}, "vocab_size of at least 66"),
        ({"test_lengths": (8,), "n_needles": 4}, "lengths of at least 9"),
        ({"test_lengths": (64,)}, "differ"),
    ],
)
def test_settings_that_make_no_task_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        Needle(**settings)
