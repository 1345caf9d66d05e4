"""A training whose loss explodes short of infinity is stopped; one that spikes, or learns slowly, never is."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.protocol import Explosion, Recipe, Rung
from nas.run import CurvePoint
from nas.tasks import Forecasting
from search_spaces.architecture import ContinuousInput
from tests.workers.runs import HYBRID, make_run, protocol, succeeded
from workers.batch import Batch
from workers.evaluate import evaluate
from workers.explosion import exploded
from workers.model import build
from workers.tasks import build as build_task
from workers.training import Deadline, Plan, Training

RULE = Explosion(factor=5.0, points=4)
MEASURED = HYBRID.model_copy(update={"input": ContinuousInput(n_channels=1)})
WILD = Recipe(batch_size=8, clip_norm=1000, weight_decay=0, beta1=0, beta2=0, explosion=RULE)
"""Every weight moves by the whole learning rate, every step: at 1.0 the loss is hundreds of times that of guessing."""


def curve(*losses):
    return [CurvePoint(step=10 * at, loss=loss) for at, loss in enumerate(losses, start=1)]


def is_exploded(*losses, warmup_steps=0, chance=0.0):
    return exploded(curve(*losses), RULE, warmup_steps=warmup_steps, chance=chance)


def test_loss_that_stays_far_above_the_start_has_exploded():
    assert is_exploded(3.0, 16.0, 20.0, 18.0, 19.0)
    assert not is_exploded(3.0, 16.0, 20.0, 18.0), "not for long enough"
    assert not is_exploded(3.0, 16.0, 20.0, 18.0, 14.0), "not far enough, at the end"
    assert not is_exploded(3.0, 90.0, 70.0, 50.0, 30.0), "on its way back"
    assert not is_exploded(), "nothing is known yet"


def test_guessing_counts_where_the_start_was_better():
    assert is_exploded(0.5, 16.0, 20.0, 18.0, 19.0, chance=3.0)
    assert not is_exploded(0.5, 14.0, 20.0, 18.0, 19.0, chance=3.0)
    assert not is_exploded(0.001, 3.0, 4.0, 3.0, 4.0), "a loss that starts near nothing says little"


def test_points_of_the_warm_up_do_not_count():
    assert not is_exploded(3.0, 16.0, 20.0, 18.0, 19.0, warmup_steps=11)
    assert is_exploded(3.0, 16.0, 20.0, 18.0, 19.0, 20.0, warmup_steps=20)


@given(st.lists(st.floats(0, 14.9), min_size=1, max_size=60), st.data())
def test_spike_never_stops_a_training(losses, data):
    """Below five times the loss of guessing, with a spike of any height over fewer points than the rule asks for."""
    at, length = data.draw(st.integers(0, len(losses) - 1)), data.draw(st.integers(0, RULE.points - 1))
    losses[at : at + length] = data.draw(st.lists(st.floats(0, 1e30), min_size=length, max_size=length))
    assert not any(is_exploded(*losses[:n], chance=3.0) for n in range(1, len(losses) + 1))


def trained(learning_rate, spike=()):
    """120 steps of forecasting, with targets a hundred times too large in the steps of the spike."""
    data = build_task(Forecasting(), 1, None)

    def batch_of(step):
        batch = data.train_batch(0, step, 8)
        return Batch(batch.inputs, batch.targets * 100) if step in spike else batch

    plan = Plan(learning_rate=learning_rate, total_steps=120, curve_steps=frozenset(range(3, 121, 3)), recipe=WILD)
    training = Training(data.learner(build(MEASURED, torch.Generator().manual_seed(1))), plan)
    training.advance(120, batch_of, Deadline(math.inf))
    return training.progress


def test_learning_rate_that_explodes_short_of_infinity_is_stopped_soon_after_its_warm_up():
    progress = trained(1.0)
    assert progress.diverged
    assert progress.step < 60
    assert all(math.isfinite(point.loss) for point in progress.curve)
    assert progress == trained(1.0)


def test_training_that_recovers_from_a_spike_goes_on():
    progress = trained(0.01, spike=range(60, 68))
    losses = [point.loss for point in progress.curve]
    assert max(losses) > 100 * losses[0], "it was a spike"
    assert not progress.diverged
    assert (progress.step, len(losses)) == (120, 40)
    assert losses[-1] < losses[0] / 2, "and it recovered"


RUNGS = protocol(
    tasks=(Forecasting(n_validation=16, n_test=16),),
    learning_rates=(0.01, 1.0),
    recipe=WILD,
    rungs=(Rung(steps=20), Rung(steps=60), Rung(steps=90)),
)


def test_rungs_stop_where_a_training_that_never_stopped_does_and_the_ledger_says_so(tmp_path):
    resume, results = None, []
    for rung in range(3):
        results.append(succeeded(make_run(architecture=MEASURED, protocol=RUNGS, rung=rung, resume=resume), tmp_path / "chain"))
        resume = results[-1].folder
    whole = succeeded(make_run(architecture=MEASURED, protocol=RUNGS, rung=2), tmp_path / "whole")
    assert results[2].ledger == whole.ledger
    calm, wild = whole.ledger
    assert (calm.exploded, calm.diverged) == (False, False)
    assert (wild.exploded, wild.diverged, wild.validation) == (True, True, None)
    stopped = wild.curve[-1].step
    assert 20 < stopped < 60
    assert whole.measurement.optimiser_steps == 90 + stopped
    assert [result.measurement.optimiser_steps for result in results] == [40, 40 + stopped - 20, 30]


def test_architecture_that_explodes_at_every_rate_has_no_score(tmp_path):
    alone = RUNGS.model_copy(update={"learning_rates": (1.0,)})
    failure = evaluate(make_run(architecture=MEASURED, protocol=alone, rung=1), tmp_path, None).failure
    assert failure is not None
    assert (failure.kind, "short of an explosion" in failure.message) == ("nan", True)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(explosion=None)])
def test_protocols_that_do_not_ask_for_it_are_what_they_were(recipe):
    assert recipe.digest == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "that of an empty document"
