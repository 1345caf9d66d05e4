import math
import time

import pytest
import torch

from nas.protocol import Recipe
from search_spaces.architecture import Architecture, Layer
from tests.search_spaces.examples import COMPOSITIONS, EXAMPLES, architecture_of
from tests.workers.runs import HYBRID, RECALL
from workers.batch import Batch
from workers.failures import DeadlineExceeded
from workers.learner import Learner
from workers.model import build
from workers.optimiser import Optimiser
from workers.tasks import build as build_task
from workers.training import CHECK_STEPS, Deadline, Plan, Progress, Training, learning_rate_at

FAR = Deadline(math.inf)
DATA = build_task(RECALL, 1, None)


def batch_of(step: int):
    return DATA.train_batch(0, step, 8)


def make_training(
    learning_rate: float = 0.01, total_steps: int = 20, architecture: Architecture = HYBRID, seed: int = 1
) -> Training:
    plan = Plan(learning_rate=learning_rate, total_steps=total_steps, curve_steps=frozenset({5, 10, 20}), recipe=Recipe())
    return Training(Learner(build(architecture, torch.Generator().manual_seed(seed))), plan)


def test_learning_rate_warms_up_and_falls():
    rates = [learning_rate_at(step, 1.0, 100, Recipe(warmup_fraction=0.1, final_fraction=0.1)) for step in range(101)]
    assert rates[0] == 0.1
    assert rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert math.isclose(rates[55], 0.55)
    assert math.isclose(rates[100], 0.1)


def test_learning_rate_without_warm_up_starts_at_its_peak():
    assert learning_rate_at(0, 1.0, 10, Recipe(warmup_fraction=0.0)) == 1.0


def test_advance_lowers_the_loss():
    training = make_training(total_steps=20)
    training.advance(20, batch_of, FAR)
    losses = [point.loss for point in training.progress.curve]
    assert [point.step for point in training.progress.curve] == [5, 10, 20]
    assert losses[-1] < losses[0]
    assert losses[0] < math.log(16) + 0.5


def test_advance_balances_the_routers():
    training = make_training()
    training.advance(1, batch_of, FAR)
    biases = [value for name, value in training.learner.state_dict().items() if name.endswith("routing_bias")]
    assert len(biases) == 1
    assert biases[0].abs().max() > 0


def test_restored_training_equals_one_that_never_stopped():
    whole = make_training()
    whole.advance(20, batch_of, FAR)
    first = make_training()
    first.advance(10, batch_of, FAR)
    second = make_training()
    second.restore(first.learner.state_dict(), first.optimiser_tensors(), Progress(10, False, list(first.progress.curve)))
    second.advance(20, batch_of, FAR)
    assert second.progress == whole.progress
    expected, found = whole.learner.state_dict(), second.learner.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


ODD = {
    name: COMPOSITIONS[name]
    for name in (
        "all_objectives",
        "bitnet",
        "byte_patch",
        "depths_top1",
        "loops_token_choice",
        "mtp_2",
        "rosa",
        "streams_depths",
    )
} | {name: architecture_of(EXAMPLES[name]) for name in ("memory_slots_allocation", "moe_deepseek", "performer", "retnet")}


@pytest.mark.parametrize("architecture", ODD.values(), ids=ODD)
def test_every_kind_of_weight_and_buffer_is_restored(architecture):
    """By a training that started elsewhere: what a checkpoint does not hold would show in the last bits."""
    whole = make_training(architecture=architecture)
    whole.advance(6, small_batch_of, FAR)
    first = make_training(architecture=architecture)
    first.advance(3, small_batch_of, FAR)
    second = make_training(architecture=architecture, seed=2)
    second.restore(first.learner.state_dict(), first.optimiser_tensors(), Progress(3))
    second.advance(6, small_batch_of, FAR)
    expected, found = whole.learner.state_dict(), second.learner.state_dict()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    tokens = small_batch_of(7).inputs
    assert torch.equal(whole.learner.model.eval()(tokens).logits_BTV, second.learner.model.eval()(tokens).logits_BTV)


def small_batch_of(step: int) -> Batch:
    """Tokens of the smallest vocabulary among the examples."""
    tokens_BT = torch.randint(7, (2, 15), generator=torch.Generator().manual_seed(step))
    return Batch(tokens_BT[:, :-1], tokens_BT[:, 1:])


def test_diverged_training_stops_early():
    training = make_training(learning_rate=1.0, total_steps=10_000)
    with torch.no_grad():
        next(training.learner.parameters()).fill_(math.inf)
    training.advance(10_000, batch_of, FAR)
    assert training.progress.diverged
    assert training.progress.step <= CHECK_STEPS


def test_advance_ends_at_the_deadline():
    with pytest.raises(DeadlineExceeded):
        make_training().advance(20, batch_of, Deadline(time.monotonic() - 1))


def test_weight_decay_shrinks_matrices_and_leaves_rates_shares_and_gains():
    mixers = ("mamba", "s4d", "rwkv6", "kda")
    architecture = Architecture(d_model=32, core=tuple(Layer(mixers=(EXAMPLES[name],)) for name in mixers))
    model = build(architecture, torch.Generator().manual_seed(1))
    optimiser = Optimiser(Learner(model), Recipe(weight_decay=0.5))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step(0.1)
    shrunk = {name.split(".")[-1] for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    kept = {name.split(".")[-1] for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    assert {"log_rate_DN", "log_rate_DM", "frequency_DM", "c_DM2", "share_ND", "step_bias_GK", "skip_D", "bias"} <= kept
    assert shrunk == {"weight", "up_NRD"}
