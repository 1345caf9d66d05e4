"""Accuracy against the number of loops in evaluation."""

from typing import Any

import pytest
import torch

from nas.metrics import known, reported_metrics, search_metrics
from nas.protocol import Rung
from search_spaces.architecture import Architecture
from search_spaces.zoo import ZOO
from tests.workers.runs import HYBRID, RECALL, make_run, protocol
from workers import measuring
from workers.evaluate import evaluate
from workers.loops import can_loop, looping
from workers.measuring import Subject
from workers.model import build
from workers.scoring import Measured

LOOPED = ("looped_transformer", "universal_transformer", "loopcoder_v2")


def small(name: str) -> Architecture:
    return ZOO[name].build(d_model=32, vocab_size=16)


def _measured(*of: Any) -> Measured:
    found = measuring.measure(*of)
    assert found is not None
    return found


def with_eval_loops(architecture: Architecture, n_loops: int) -> Architecture:
    data = architecture.to_data()
    return Architecture.from_data(data | {"loop": data.get("loop", {}) | {"eval_loops": n_loops}})


@pytest.mark.parametrize("name", LOOPED)
@pytest.mark.parametrize("n_loops", [1, 2, 5])
def test_looping_is_the_architecture_with_that_many_evaluation_loops(name, n_loops):
    model = build(small(name), torch.Generator().manual_seed(1)).eval()
    other = build(with_eval_loops(model.architecture, n_loops)).eval()
    other.load_state_dict(model.state_dict())
    tokens = torch.randint(16, (2, 12), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before = model(tokens).logits_BTV
        with looping(model, n_loops):
            found = model(tokens).logits_BTV
        assert torch.equal(found, other(tokens).logits_BTV)
        assert torch.equal(model(tokens).logits_BTV, before)
        assert n_loops > 1 or not torch.equal(found, before)


def test_looping_leaves_training_as_it_is():
    model = build(small("looped_transformer"), torch.Generator().manual_seed(1)).train()
    tokens = torch.randint(16, (2, 12))
    before = model(tokens).logits_BTV
    with looping(model, 1):
        assert torch.equal(model(tokens).logits_BTV, before)


def test_measure_reports_the_metric_at_each_number_of_loops():
    model = build(small("looped_transformer"), torch.Generator().manual_seed(1))
    subject = Subject.of("mqar", RECALL, 1, None)
    learner = subject.generator.learner(model)
    measured = _measured(learner, subject, 8, (1, 3, 6))
    plain = _measured(learner, subject, 8)
    assert measured.test == plain.test == measured.further["accuracy@loops=3"]
    assert measured.validation == measured.further_validation["accuracy@loops=3"]
    for n_loops in (1, 6):
        other = build(with_eval_loops(model.architecture, n_loops))
        other.load_state_dict(model.state_dict())
        alone = _measured(subject.generator.learner(other), subject, 8)
        assert measured.further[f"accuracy@loops={n_loops}"] == alone.test
        assert measured.further_validation[f"accuracy@loops={n_loops}"] == alone.validation


@pytest.mark.parametrize("architecture", [HYBRID, small("mixture_of_recursions")], ids=["no loops", "a router for each loop"])
def test_models_that_cannot_loop_otherwise_report_what_they_reach_anyway(architecture):
    subject = Subject.of("mqar", RECALL, 1, None)
    learner = subject.generator.learner(build(architecture, torch.Generator().manual_seed(1)))
    assert not can_loop(learner.model)
    measured = _measured(learner, subject, 8, (1, 4))
    assert measured.further["accuracy@loops=1"] == measured.further["accuracy@loops=4"] == measured.test


def test_a_model_that_is_not_finite_at_some_loops_is_worth_chance_there():
    architecture = Architecture.from_data(small("looped_transformer").to_data() | {"injection": "concat"})
    model = build(architecture, torch.Generator().manual_seed(1))
    with torch.no_grad():
        # each loop but the first multiplies the stream by a million: beyond float32 after eight
        model.get_parameter("backbone.core.entry.join.weight").mul_(1e6)
    subject = Subject.of("mqar", RECALL, 1, None)
    measured = _measured(subject.generator.learner(model), subject, 32, (3, 16))
    assert measured.further["accuracy@loops=16"] == RECALL.chance()
    assert measured.further["accuracy@loops=3"] == measured.test


def test_runs_report_names_that_objectives_may_use(tmp_path):
    loops = protocol(eval_loops=(1, 4), rungs=(Rung(steps=2, replicas=2),), learning_rates=(0.01,))
    finished = evaluate(make_run(protocol=loops, architecture=small("looped_transformer")), tmp_path, None)
    assert finished.result is not None
    names = {"mqar/accuracy@loops=1", "mqar/accuracy@loops=4"}
    assert names <= known(loops).keys()
    assert names <= reported_metrics(finished.result).keys()
    assert names <= search_metrics(finished.result).keys()


def test_eval_loops_must_rise():
    with pytest.raises(ValueError, match="must rise without repeats"):
        protocol(eval_loops=(2, 2))
