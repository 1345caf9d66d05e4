"""Which order of two mixers recalls: stacks of the recorded study docs/studies/recall-gap, one seed each, at its full budget.

About five CPU minutes. The recorded study has six stacks, seeds of their own to confirm them, and the intervals.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from nas.protocol import Protocol, Rung
from nas.run import Result, Run
from nas.study import StudySpec
from tests.benchmarks.figure import Figure, Goal, figure
from workers.evaluate import evaluate

STUDY = Path(__file__).parents[2] / "docs" / "studies" / "recall-gap" / "study.json"
SOLVED = Goal(of="value", at="least", bound=0.95)
FALLS_SHORT = Goal(of="value", at="most", bound=0.9)
UNSOLVED = Goal(of="value", at="most", bound=0.5)


def figures() -> Iterator[Figure]:
    """Convolution before attention solves recall, attention before convolution does not, nor does a fixed state alone."""
    torch.set_num_threads(1)
    for first, second, goal in (
        ("short_conv", "attention", SOLVED),
        ("attention", "short_conv", UNSOLVED),
        ("short_conv", "linear_attention", FALLS_SHORT),
    ):
        accuracy = _evaluated(first, second).score
        yield figure(f"recall_{first}_{second}", accuracy, "accuracy", goal, better="higher")


def _evaluated(first: str, second: str) -> Result:
    spec = StudySpec.from_data(json.loads(STUDY.read_text()))
    steps = spec.protocol.rungs[-1].steps
    run = Run(
        study_id="recall-gap",
        number=0,
        rung=0,
        architecture=spec.space.build({"layer0.mixer": first, "layer1.mixer": second}),
        protocol=Protocol.model_validate({**dict(spec.protocol), "rungs": (Rung(steps=steps),)}),
        seed=spec.seed,
        data_seed=spec.seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        finished = evaluate(run, Path(folder), None)
    if finished.result is None:
        raise RuntimeError(f"the run failed: {finished.failure}")
    return finished.result
