"""What a task reports beyond its own test set."""

import pytest
import torch

from nas.tasks import MQAR, BytesLM, Needle, StateTracking
from nas.tasks.mqar import MQARSize
from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives.short_conv import ShortConv
from workers.measuring import Subject, extrapolation_gap, measure
from workers.model import build

LONGER = (
    MQAR(
        vocab_size=16,
        sequence_length=16,
        n_pairs=2,
        further=(MQARSize(sequence_length=32, n_pairs=4),),
        n_validation=16,
        n_test=32,
    ),
    Needle(vocab_size=16, sequence_length=16, test_lengths=(32,), n_validation=16, n_test=32),
    StateTracking(group="Z3", vocab_size=16, sequence_length=16, test_lengths=(32,), n_validation=16, n_test=32),
)


def test_the_gap_is_to_the_longest_length():
    beyond = {"length=128": 0.9, "length=256,pairs=8": 0.5, "length=256,pairs=16": 0.3, "loops=8": 0.0}
    assert extrapolation_gap(MQAR(), 1.0, beyond) == pytest.approx(0.6)
    assert extrapolation_gap(MQAR(), 0.2, {"length=128": 0.5}) == pytest.approx(-0.3)


def test_the_gap_is_of_scores_so_that_it_means_the_same_for_every_task():
    assert extrapolation_gap(BytesLM(), 4.0, {"length=512": 6.0}) == pytest.approx(0.25)


def test_a_set_without_finite_predictions_counts_as_nothing_learnt():
    assert extrapolation_gap(MQAR(), 1.0, {"length=128": 0.9, "length=256": None}) == 1.0


@pytest.mark.parametrize("beyond", [{}, {"loops=8": 0.5}, {"length=32": 0.5, "length=64": 0.7}])
def test_without_a_longer_set_there_is_no_gap(beyond: dict[str, float | None]):
    assert extrapolation_gap(MQAR(), 1.0, beyond) is None


@pytest.mark.parametrize("task", LONGER, ids=lambda task: task.name)
def test_the_search_sees_longer_sequences_of_its_own(task):
    subject = Subject.of(task.name, task, 1, None)
    for name, batch in subject.generator.beyond("validation").items():
        assert len(batch) == task.n_validation
        assert not torch.equal(batch.inputs, subject.generator.beyond("test")[name].inputs[: len(batch)])
    layer = Layer(mixers=(ShortConv(),))
    model = build(Architecture(d_model=8, input=TokenInput(vocab_size=16), core=(layer,)), torch.Generator().manual_seed(0))
    measured = measure(subject.generator.learner(model), subject, 16)
    assert measured is not None
    assert measured.further_validation.keys() == measured.further.keys() > {"extrapolation_gap"}
    assert measured.further.keys() == {metric.name for metric in task.further_metrics()}
