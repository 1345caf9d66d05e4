import pytest
import torch
from torch.nn.utils import parameters_to_vector

from nas.protocol import Rung
from nas.tasks import Continual
from search_spaces.architecture import TokenInput
from tests.workers.runs import HYBRID, make_run, protocol, succeeded
from workers.batch import IGNORED
from workers.inference import evaluate
from workers.model import build as build_model
from workers.tasks.continual import ContinualGenerator, ContinualLearner, fisher_information

TASK = Continual(vocab_size=17, sequence_length=8, switch_step=4, n_validation=16, n_test=32, ewc=50.0)
MODEL = HYBRID.model_copy(update={"input": TokenInput(vocab_size=17)})


def learner_of(task=TASK):
    learner = ContinualGenerator(task, 1).learner(build_model(MODEL, torch.Generator().manual_seed(0)))
    assert isinstance(learner, ContinualLearner)
    return learner


def keys_of(batch):
    return set(batch.inputs[:, 0::2].flatten().tolist())


def test_first_task_comes_first_and_keys_are_apart():
    generator = ContinualGenerator(TASK, 1)
    before, after = (generator.train_batch(0, step, 64) for step in (3, 4))
    assert keys_of(before) == {0, 1, 2, 3}
    assert keys_of(after) == {4, 5, 6, 7}
    for batch in (generator.validation(), generator.test()):
        first, second = batch.inputs.chunk(2)
        assert (first[:, 0::2] < 4).all()
        assert (second[:, 0::2] >= 4).all()


def test_one_map_gives_all_targets():
    generator = ContinualGenerator(TASK, 1)
    batches = [generator.validation(), generator.test(), generator.train_batch(0, 0, 32), generator.train_batch(1, 9, 32)]
    assert sorted(generator.values) == list(range(8, 16))
    for batch in batches:
        assert (batch.inputs[:, 1::2] == 16).all()
        assert (batch.targets[:, 0::2] == IGNORED).all()
        assert batch.targets[:, 1::2].equal(torch.from_numpy(generator.values)[batch.inputs[:, 0::2]])
    assert len({str(batch.inputs[:16].tolist()) for batch in batches}) == 4


def test_constant_predictor_is_at_chance():
    generator = ContinualGenerator(TASK.model_copy(update={"n_test": 4000}), 1)
    batch = generator.test()
    constant = torch.zeros(4000, 8, 17).index_fill(2, torch.tensor(9), 1.0)
    assert generator.sequence_values(constant, batch.targets).mean().item() == pytest.approx(TASK.chance(), abs=0.01)


def test_fisher_and_penalty_are_their_formulas_in_float64():
    """Every weight by itself, with gradients in float64 of each sequence's log-likelihood."""
    learner = learner_of()
    learner.before_step(4)
    model = build_model(MODEL, torch.Generator().manual_seed(0)).double().eval()
    expected, n_targets = torch.zeros((), dtype=torch.float64), 0
    batch = learner._at_switch
    for tokens, targets in zip(batch.inputs, batch.targets, strict=True):
        model.zero_grad()
        places = targets != IGNORED
        log_p = model(tokens[None]).logits_BTV[0].log_softmax(-1)[places, targets[places]].sum()
        log_p.backward()
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
        expected, n_targets = expected + torch.cat([grad.flatten() for grad in grads]) ** 2, n_targets + int(places.sum())
    fisher = learner.get_buffer("fisher").double()
    assert torch.allclose(fisher, expected / n_targets, rtol=1e-3, atol=1e-9)
    assert learner.penalty().item() == 0
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    away = parameters_to_vector(learner.model.parameters()).double() - parameters_to_vector(model.parameters())
    assert learner.penalty().item() == pytest.approx(25 * (expected / n_targets * away**2).sum().item(), rel=1e-3)
    loss, auxiliary = learner.losses(batch)
    assert auxiliary.item() == pytest.approx(learner.penalty().item(), rel=1e-2)
    assert loss.item() != auxiliary.item()


def test_fisher_needs_no_gradient_of_unused_weights():
    model = torch.nn.Linear(1, 1)
    untouched = build_model(MODEL)
    untouched.extra = model
    found = fisher_information(untouched, learner_of()._at_switch.rows(0, 2))
    assert found[-2:].eq(0).all()


def test_nothing_happens_at_other_steps():
    learner = learner_of()
    for step in (0, 3, 5):
        learner.before_step(step)
    assert learner.get_buffer("fisher").eq(0).all()
    assert learner.get_buffer("accuracy_before").item() == 0
    assert learner.training


def test_without_ewc_nothing_is_kept():
    learner = learner_of(TASK.model_copy(update={"ewc": 0.0}))
    learner.before_step(4)
    assert learner.get_buffer("fisher").numel() == 0


def test_metrics_are_of_each_half():
    generator, learner = ContinualGenerator(TASK, 1), learner_of()
    learner.get_buffer("accuracy_before").fill_(0.75)
    evaluation = evaluate(learner, generator, generator.test(), 8)
    assert evaluation is not None
    found = generator.further_metrics(evaluation)
    first, second = evaluation.values_B[:16].mean().item(), evaluation.values_B[16:].mean().item()
    assert found.keys() == {metric.name for metric in TASK.further_metrics()}
    assert (found["accuracy_first_after"], found["accuracy_second"]) == (first, second)
    assert found["forgetting"] == pytest.approx(0.75 - first)


@pytest.mark.parametrize("lower_steps", [5, 7])
def test_resumed_after_the_switch_equals_uninterrupted(tmp_path, lower_steps):
    rules = protocol(tasks=(TASK,), rungs=(Rung(steps=lower_steps), Rung(steps=10)), learning_rates=(0.01,))
    lower = succeeded(make_run(protocol=rules, architecture=MODEL), tmp_path)
    upper = succeeded(make_run(protocol=rules, architecture=MODEL, rung=1, resume=lower.folder), tmp_path)
    whole = succeeded(make_run(protocol=rules, architecture=MODEL, rung=1), tmp_path / "whole")
    assert upper.ledger == whole.ledger
    assert upper.tasks == whole.tasks
    assert [one.sha256 for one in upper.artifacts] == [one.sha256 for one in whole.artifacts]


def test_ewc_forgets_less(tmp_path):
    def forgetting(ewc):
        task = TASK.model_copy(update={"switch_step": 60, "ewc": ewc})
        rules = protocol(tasks=(task,), rungs=(Rung(steps=100),), learning_rates=(0.01,))
        return succeeded(make_run(protocol=rules, architecture=MODEL), tmp_path / str(ewc)).tasks[0].metrics

    free, held = forgetting(0.0), forgetting(1e5)
    assert free["accuracy_first_before"] == held["accuracy_first_before"] > 0.9
    assert free["forgetting"] > held["forgetting"] + 0.2


def test_rungs_must_reach_the_second_task():
    with pytest.raises(ValueError, match="continual needs at least 5 steps, and the first rung has 4"):
        protocol(tasks=(TASK,), rungs=(Rung(steps=4), Rung(steps=10)))
    protocol(tasks=(TASK,), rungs=(Rung(steps=5), Rung(steps=10)))
