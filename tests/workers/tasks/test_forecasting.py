import pytest
import torch

from nas.protocol import Rung
from nas.tasks import Forecasting
from nas.tasks.forecasting import DampedOscillators, Lorenz, Sines
from search_spaces.architecture import ContinuousInput
from tests.workers.runs import HYBRID, make_run, protocol, succeeded
from workers import measuring
from workers.learner import Learner
from workers.model import build as build_model
from workers.tasks import Evaluation, build
from workers.tasks.forecasting import BLOCK

SMALL = Forecasting(sequence_length=16, n_validation=16, n_test=32, horizon=4)
SYSTEMS = [SMALL.model_copy(update={"system": system}) for system in (Sines(n_channels=2), DampedOscillators(), Lorenz())]


def evaluation_of(generator, predict, batch):
    """What a predictor that is a function of the values so far gets."""

    class Oracle(Learner):
        def predict(self, batch):
            return predict(batch.inputs)

    learner = Oracle(build_model(HYBRID))
    values = generator.sequence_values(learner.predict(batch), batch.targets)
    return Evaluation(learner, values, None, batch.targets)


@pytest.mark.parametrize("task", SYSTEMS, ids=lambda task: task.system.kind)
def test_targets_are_the_inputs_one_step_later(task):
    batch = build(task, 1, None).test()
    assert batch.inputs.shape == (32, 16, task.channels)
    assert batch.inputs.dtype == torch.float32
    assert batch.inputs[:, 1:].equal(batch.targets[:, :-1])


def test_splits_steps_replicas_and_seeds_differ_and_repeat():
    generator = build(SMALL, 1, None)
    batches = [
        generator.validation(),
        generator.test(),
        *(generator.train_batch(a, b, 16) for a, b in ((0, 0), (0, 1), (1, 0))),
    ]
    batches.append(build(SMALL, 2, None).test())
    assert len({str(batch.inputs[:16].tolist()) for batch in batches}) == 6
    assert generator.train_batch(0, 1, 16).inputs.equal(batches[3].inputs)


def test_batches_are_one_stream_whatever_their_size():
    """Also where a batch ends one block of trajectories and begins the next."""
    generator = build(SMALL, 1, None)
    small = torch.cat([generator.train_batch(0, step, 300).inputs for step in range(4)])
    assert small.equal(torch.cat([generator.train_batch(0, step, 600).inputs for step in range(2)]))
    assert len(small) == 1200 > BLOCK


@pytest.mark.parametrize("task", SYSTEMS, ids=lambda task: task.system.kind)
def test_mean_is_chance_and_the_truth_is_perfect(task):
    generator, batch = build(task, 1, None), build(task, 1, None).test()
    zero = evaluation_of(generator, torch.zeros_like, batch)
    assert measuring.value(generator, zero) == pytest.approx(task.chance()) == 1
    assert task.score(1.0) == 0
    assert generator.sequence_values(batch.targets, batch.targets).eq(0).all()
    assert task.score(0.0) == 1


def test_persistence_is_one_of_itself_and_worse_further_ahead():
    generator, batch = build(SMALL, 1, None), build(SMALL, 1, None).test()
    found = generator.further_metrics(evaluation_of(generator, lambda seen: seen, batch))
    assert set(found) == {metric.name for metric in SMALL.further_metrics()}
    assert found["persistence_ratio"] == pytest.approx(1)
    # the last value of each sequence from the one four steps before
    held, last = batch.targets[:, -1 - 4].double(), batch.targets[:, -1].double()
    expected = ((held - last) ** 2).sum() / (last**2).sum()
    assert found["error@horizon=4"] == pytest.approx(expected.item())


def test_who_knows_the_law_of_one_sine_foretells_all_of_it():
    task = Forecasting(system=Sines(n_sines=1), sequence_length=32, n_validation=16, n_test=64)
    generator, batch = build(task, 1, None), build(task, 1, None).test()

    def law(seen):
        seen = seen.double()
        middle, around = seen[:, 1:-1], seen[:, 2:] + seen[:, :-2]
        twice_cosine = (middle * around).sum(1, keepdim=True) / middle.square().sum(1, keepdim=True)
        following = twice_cosine * seen - torch.cat([seen[:, :1], seen[:, :-1]], dim=1)
        return following

    found = generator.further_metrics(evaluation_of(generator, law, batch))
    assert found["error@horizon=8"] < 1e-3
    assert found["persistence_ratio"] < 0.2


def test_horizon_must_fit():
    with pytest.raises(ValueError, match="horizon 16 must be less than sequence_length 16"):
        Forecasting(sequence_length=16, horizon=16)


def test_training_learns_and_resumes_bit_for_bit(tmp_path):
    rules = protocol(tasks=(SYSTEMS[0],), rungs=(Rung(steps=10), Rung(steps=40)), learning_rates=(0.01,))
    model = HYBRID.model_copy(update={"input": ContinuousInput(n_channels=2)})
    lower = succeeded(make_run(protocol=rules, architecture=model), tmp_path)
    upper = succeeded(make_run(protocol=rules, architecture=model, rung=1, resume=lower.folder), tmp_path)
    whole = succeeded(make_run(protocol=rules, architecture=model, rung=1), tmp_path / "whole")
    assert upper.ledger == whole.ledger
    assert [one.sha256 for one in upper.artifacts] == [one.sha256 for one in whole.artifacts]
    assert upper.tasks[0].metrics["normalised_squared_error"] < lower.tasks[0].metrics["normalised_squared_error"] < 1.5
    assert set(upper.tasks[0].metrics) == {"normalised_squared_error", "persistence_ratio", "error@horizon=4"}
    assert upper.tasks[0].validation.keys() == upper.tasks[0].metrics.keys()
