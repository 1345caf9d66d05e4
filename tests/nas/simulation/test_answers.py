from typing import Any

import numpy as np
import pytest

from nas.metrics import reported_metrics, search_metrics
from nas.protocol import Protocol, Rung
from nas.run import Run
from nas.simulation.answers import Answers
from nas.study import Confirmation, StudySpec
from tests.nas.simulation.tables import N_SEEDS, PROTOCOL, SPACE, score, spec, table

MEMBER = 5
ARCHITECTURE = SPACE.build({"layer0.mixer": "short_conv", "layer1.mixer": "hyena"})


def run(number: int = 0, rung: int = 0, *, data_seed: int = 0, protocol: Protocol = PROTOCOL, **fields: Any) -> Run:
    return Run(
        study_id="s",
        number=number,
        rung=rung,
        architecture=ARCHITECTURE,
        protocol=protocol,
        seed=1,
        data_seed=data_seed,
        **fields,
    )


def seed_of(found: float, rung: int) -> int:
    """Which seed of the table a score is."""
    [seed] = [seed for seed in range(N_SEEDS) if score(MEMBER, rung, seed) == pytest.approx(found)]
    return seed


def replicated(*replicas: int) -> StudySpec:
    rungs = tuple(Rung(steps=rung.steps, replicas=n) for rung, n in zip(PROTOCOL.rungs, replicas, strict=True))
    return spec(protocol=PROTOCOL.model_copy(update={"rungs": rungs}))


def test_a_result_has_the_tables_metrics_by_their_names() -> None:
    result = Answers(table(), spec()).answer(run(rung=1)).result
    seed = seed_of(result.score, 1)
    value = score(MEMBER, 1, seed)
    reported, searched = reported_metrics(result), search_metrics(result)
    assert {name: reported[name] for name in ("score", "mqar/accuracy")} == pytest.approx(
        {"score": value, "mqar/accuracy": value}
    )
    assert searched["score"] == searched["mqar/accuracy"] == pytest.approx(value + 0.1)
    assert result.ledger[0].test == result.tasks[0].score == pytest.approx(value)
    assert result.folder == run(rung=1).folder


def test_the_seed_is_the_trials_own_and_the_studys() -> None:
    answers = Answers(table(), spec())
    seeds = {(data_seed, number): seed_of(answers.answer(run(number, data_seed=data_seed)).result.score, 0)
             for data_seed in range(30) for number in range(30)}  # fmt: skip
    counts = np.bincount(list(seeds.values()))
    # 900 draws of one in three: three standard deviations are 42
    assert abs(counts - 300).max() < 60
    assert any(seeds[0, number] != seeds[1, number] for number in range(30))
    for number in range(5):
        assert {seed_of(answers.answer(run(number, rung)).result.score, rung) for rung in range(3)} == {seeds[0, number]}


def test_a_run_that_confirms_has_a_seed_that_the_search_has_not_seen() -> None:
    answers = Answers(table(), spec(confirmation=Confirmation(seeds=2)))
    rates = {"mqar": 1e-3}
    for number in range(10):
        searched = answers.answer(run(number, 2)).result
        fresh = [answers.answer(run(number, rung, rates=rates)).result for rung in (3, 4)]
        assert len({seed_of(each.score, 2) for each in (searched, *fresh)}) == 3
        assert [each.measurement.optimiser_steps for each in fresh] == [90, 90]


def test_replicas_are_seeds_and_their_mean_is_the_score() -> None:
    result = Answers(table(), replicated(1, 3, 3)).answer(run(rung=1, protocol=replicated(1, 3, 3).protocol)).result
    assert sorted(result.tasks[0].values) == pytest.approx([score(MEMBER, 1, seed) for seed in range(3)])
    assert result.score == pytest.approx(score(MEMBER, 1, 1))
    assert result.score_low < result.score < result.score_high
    assert result.interval == "replicas"


@pytest.mark.parametrize(
    ("rung", "fields", "seconds", "steps"),
    [
        (0, {}, 6, 2 * 10),
        (1, {"resume": "below"}, 7, 2 * 20),
        (2, {"resume": "below"}, 8, 2 * 60),
        # from the start: a bracket that begins above the lowest rung, and a run that confirms at one rate of two
        (1, {}, 6 + 7, 2 * 30),
        (3, {"rates": {"mqar": 1e-3}}, (6 + 7 + 8) / 2, 90),
    ],
)
def test_a_run_takes_what_a_worker_would_take(rung: int, fields: dict[str, Any], seconds: float, steps: int) -> None:
    answer = Answers(table(), spec()).answer(run(rung=rung, **fields))
    assert answer.seconds == answer.result.measurement.wall_seconds == pytest.approx(seconds)
    assert answer.result.measurement.optimiser_steps == steps


def test_replicas_that_a_rung_adds_start_from_the_beginning() -> None:
    protocol = replicated(1, 3, 3).protocol
    answer = Answers(table(), replicated(1, 3, 3)).answer(run(rung=1, protocol=protocol, resume="below"))
    assert answer.seconds == pytest.approx(7 + 2 * (6 + 7))
    assert answer.result.measurement.optimiser_steps == protocol.optimiser_steps(1)


def test_the_same_run_has_the_same_answer() -> None:
    assert Answers(table(), spec()).answer(run(3, 1)) == Answers(table(), spec()).answer(run(3, 1))
