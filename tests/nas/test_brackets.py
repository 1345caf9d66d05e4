"""Hyperband: which bracket a trial is in, and a driver that runs several of them at once."""

from collections import Counter
from dataclasses import replace
from math import ceil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.brackets import bracket_sizes, first_rung
from nas.errors import Invalid
from nas.halving import Halving
from nas.ports import Standing
from nas.pricing import quote
from nas.proposals import Proposals
from nas.protocol import Protocol, Rung
from nas.selection import Selection
from nas.study import Confirmation, StudySpec
from nas.study import Halving as HalvingOf
from nas.trial import TrialState
from nas.validation import validate
from search_spaces.cost import price
from tests.nas import pretend
from tests.nas.driving import assert_sound, drive, drive_dying, runs, submit, trials
from tests.nas.spaces import study

# which bracket


def bracketed(n_brackets, *, eta=3, n_rungs=3, **fields):
    protocol = Protocol(rungs=tuple(Rung(steps=10 * eta**rung) for rung in range(n_rungs)))
    return study(protocol=protocol, **fields).model_copy(update={"halving": HalvingOf(eta=eta, brackets=n_brackets)})


@given(st.integers(2, 5), st.integers(1, 5), st.data())
def test_brackets_have_the_proportions_of_the_paper(eta, n_rungs, data):
    """Algorithm 1 of 1603.06560: n = ceil((s_max + 1) / (s + 1) * eta^s), where bracket s has s + 1 rungs."""
    n_brackets = data.draw(st.integers(1, n_rungs))
    spec = bracketed(n_brackets, eta=eta, n_rungs=n_rungs)
    sizes = [ceil(n_rungs / (s + 1) * eta**s) for s in range(n_rungs)][::-1][:n_brackets]
    n_trials = data.draw(st.integers(1, 400))
    counts = Counter(first_rung(spec, number) for number in range(n_trials))
    for bracket, size in enumerate(sizes):
        assert abs(counts[bracket] - n_trials * size / sum(sizes)) < 3, "at any moment"
    assert bracket_sizes(spec, n_trials) == tuple(counts[bracket] for bracket in range(n_brackets))


def test_one_bracket_starts_at_the_bottom_and_so_do_references():
    assert {first_rung(study(), number) for number in range(100)} == {0}
    spec = bracketed(3, references=("transformer", "mamba2"))
    assert [first_rung(spec, number) for number in (0, 1)] == [0, 0]
    assert [first_rung(spec, number + 2) for number in range(50)] == [first_rung(bracketed(3), n) for n in range(50)]


def test_more_brackets_than_rungs_are_refused():
    document = study().to_data() | {"halving": {"eta": 3, "brackets": 4}}
    with pytest.raises(Invalid, match="bracket s starts at rung s, and the protocol has 3 of them; ask for at most 3"):
        validate(StudySpec, document)


def test_one_bracket_leaves_a_study_s_digest_as_it_was():
    assert study().digest == study().model_copy(update={"halving": HalvingOf(eta=3, brackets=1)}).digest
    assert "brackets" not in study().canonical_json()


def test_quote_counts_the_runs_of_every_bracket():
    spec = bracketed(3, trials=17, references=("transformer",))
    assert bracket_sizes(spec, 17) == (9, 5, 3)
    priced = quote(spec, 10**9)
    assert priced.runs == 9 * 3 + 5 * 2 + 3 + 3
    assert priced.planned_runs == (9 + 3 + 1) + (5 + 1) + 3 + 3
    # whatever it starts at, a trial that gets to the top has trained the top's steps; 1 task, 3 learning rates
    assert priced.optimiser_steps == 3 * 18 * 90
    assert priced.planned_steps == 3 * ((9 * 10 + 3 * 20 + 60) + (5 * 30 + 60) + 3 * 90 + 90)


# the ranking of each


def test_brackets_are_ranked_apart():
    halving = Halving(eta=2, n_rungs=3, n_objectives=1, n_brackets=3)
    for number, score in enumerate((0.9, 0.8)):
        halving.record(number, 0, (score,), bracket=0)
    halving.record(2, 1, (0.1,), bracket=1)
    assert halving.promote() == (0, 1)
    assert halving.promote() is None, "trial 2 has nobody beside it yet"
    halving.record(0, 1, (0.95,), bracket=0)
    halving.record(3, 1, (0.2,), bracket=1)
    assert halving.promote() == (3, 2), "better than half of its own bracket, though worse than trial 0"
    assert [halving.promote(closing=True), halving.promote(closing=True)] == [(0, 2), None]
    assert [(left.number, left.reason) for left in halving.left()] == [
        (1, "2nd of 2 at rung 0 of bracket 0; the best one went on"),
        (2, "2nd of 2 at rung 1 of bracket 1; the best one went on"),
    ]


# going on where another driver stopped


def confirmed_from_the_last_rung(spec):
    """A trial that began at the last rung, and then had two fresh seeds."""
    number = next(n for n in range(100) if first_rung(spec, n) == 2)
    scores = tuple({"score": score} for score in (0.5, 0.9, 0.8))
    params = spec.space.sample(Random(0))
    architecture = spec.space.build(params)
    return Standing(
        number=number,
        state=TrialState.PAUSED,
        params=params,
        digest=architecture.digest,
        cost=price(architecture, spec.cost_at.context),
        reported=scores,
        searched=scores,
        folders=("", "", ""),
        rates={"mqar": 1e-3},
        finals=scores,
    )


def test_selection_goes_on_from_the_rung_where_a_bracket_starts():
    spec = bracketed(3, confirmation=Confirmation(seeds=2, leaders=3))
    selection, standing = Selection(spec), confirmed_from_the_last_rung(spec)
    selection.replay(standing)
    finalist = selection.finalists[standing.number]
    assert finalist.values == (0.5,), "what the search saw at the last rung, and not what fresh seeds said"
    assert finalist.scores == (0.9, 0.8)
    assert selection.on_front(standing.number)


def test_sampler_never_hears_of_fresh_seeds_wherever_a_trial_began():
    spec = bracketed(3, confirmation=Confirmation(seeds=2, leaders=3))
    proposals, standing = Proposals(spec, max_params=10**9), confirmed_from_the_last_rung(spec)
    for number in range(standing.number):
        proposals.replay(replace(standing, number=number, state=TrialState.CANCELLED, reported=(), searched=(), finals=()))
    proposals.replay(standing)
    assert proposals._brain.values(standing.number) == (0.5,)


# the driver


@pytest.mark.parametrize("objectives", [("score",), ("score", "params", "peak_memory_bytes")])
def test_driver_runs_brackets_side_by_side(engine, objectives):
    """With exact and with measured objectives; a worker that is free never waits for a bracket."""
    spec = bracketed(3, trials=17, objectives=objectives, references=("transformer",))
    study_id = submit(engine, spec)
    drive(engine)
    assert_sound(engine, study_id, spec)
    everybody = [trial for trial in trials(engine, study_id) if trial.twin is None]
    started = Counter(first_rung(spec, trial.number) for trial in everybody[1:])
    assert all(started[bracket] > 1 for bracket in range(3))
    attempts = runs(engine, study_id)
    assert Counter((run.number, run.attempt) for run in attempts if run.rung == first_rung(spec, run.number)) == Counter(
        (trial.number, 1) for trial in everybody
    )
    ended = {bracket: [t for t in everybody[1:] if first_rung(spec, t.number) == bracket] for bracket in range(3)}
    assert {trial.state for trial in ended[2]} == {"completed"}
    for bracket in (0, 1):
        assert {trial.state for trial in ended[bracket]} == {"completed", "pruned"}
        reasons = [trial.reason for trial in ended[bracket] if trial.state == "pruned"]
        n_scored = len(ended[bracket])
        assert any(f"of {n_scored} at rung {bracket} of bracket {bracket};" in reason for reason in reasons)
        assert all(f"of bracket {bracket};" in reason for reason in reasons)


def test_trial_of_a_higher_bracket_trains_from_scratch_and_then_resumes_its_own(engine):
    spec = bracketed(2, trials=12)
    seen = []

    def watched(run):
        seen.append(run)
        return pretend.succeed(run)

    submit(engine, spec)
    drive(engine, watched)
    higher = [run for run in seen if first_rung(spec, run.number) == 1]
    assert {run.rung for run in higher} == {1, 2}
    for run in higher:
        own = f"/trials/{run.number}/rung-1/attempt-1"
        assert run.resume is None if run.rung == 1 else run.resume.endswith(own)


def test_driver_killed_again_and_again_sees_all_brackets_through(engine):
    """Confirmation included: rungs of fresh seeds follow the last one, whatever rung a trial began at."""
    spec = bracketed(3, trials=10, references=("transformer",), confirmation=Confirmation(seeds=2, leaders=3))
    study_id = submit(engine, spec)
    assert drive_dying(engine, study_id) > 3
    assert_sound(engine, study_id, spec)
    confirmed = [trial for trial in trials(engine, study_id) if trial.rung == 3]
    assert {trial.state for trial in confirmed} == {"completed"}
    assert all(trial.n_replicas == 2 for trial in confirmed)
    assert any(first_rung(spec, trial.number) > 0 for trial in confirmed), "a leader from a higher bracket"
