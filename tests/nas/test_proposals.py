from dataclasses import replace

from nas.ports import Standing
from nas.proposals import MAX_BARREN, Proposals
from nas.protocol import Protocol, Rung
from nas.study import Constraint, Matched
from nas.trial import TrialState
from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.space import Space
from tests.nas.spaces import TINY, study

TRANSFORMERS = Space(
    name="transformers",
    genes={"d_model": (64,), "depth": (4,), "attention_ratio": (1.0,), "n_heads": (4,), "n_kv_heads": (2, 4)},
)
"""Two architectures, of which one is the zoo's transformer."""


def proposals(space=TINY, **fields):
    return Proposals(study(space=space, **fields), max_params=10**9)


def until_duplicate(made):
    while True:
        trial = made.propose()
        if trial.state is TrialState.DUPLICATE:
            return trial


def heard(made, number):
    return made._brain.values(number)


def test_proposals_tell_a_duplicate_what_its_twin_is_told():
    made = proposals()
    early = until_duplicate(made)
    assert heard(made, early.number) is None
    made.tell(early.twin, {"score": 0.25}, early.cost)
    assert heard(made, early.number) == heard(made, early.twin) == (0.25,)
    made.tell(early.twin, {"score": 0.75}, early.cost)
    assert heard(made, early.number) == (0.75,)
    late = next(trial for trial in iter(made.propose, None) if trial.twin == early.twin)
    assert heard(made, late.number) == (0.75,)
    made.fail(early.twin)
    assert heard(made, late.number) is None


def test_proposals_tell_the_score_of_a_reference_to_those_that_are_it():
    made = proposals(TRANSFORMERS, references=("transformer",))
    reference = made.propose()
    assert (reference.number, reference.reference, reference.params) == (0, "transformer", {})
    same = until_duplicate(made)
    while same.twin != 0:
        same = until_duplicate(made)
    made.tell(0, {"score": 0.5}, reference.cost)
    assert heard(made, same.number) == (0.5,)
    assert heard(made, 0) is None, "the sampler did not propose it"


def test_proposals_count_what_is_trained_and_nothing_else():
    made = proposals(references=("transformer", "retnet"), trials=3)
    counted = 0
    for _ in range(12):
        trial = made.propose()
        counted += trial.state is TrialState.QUEUED and trial.reference is None
        assert made.n_trials == counted
    assert made.more == (counted < 3)


def test_proposals_are_exhausted_after_many_in_vain():
    made = proposals(trials=1, constraints=(Constraint(metric="params", max=1),))
    for _ in range(210):
        assert made.more
        assert made.propose().state is TrialState.INFEASIBLE
    assert not made.more
    assert "210 proposals in a row" in str(made.exhausted)


def test_proposals_in_vain_are_bounded_however_large_the_budget():
    made = proposals(trials=100_000)
    twin = made.propose()
    known = Standing(
        number=1, state=TrialState.DUPLICATE, params=twin.params, digest=twin.architecture.digest, cost=twin.cost, twin=0
    )
    for number in range(1, MAX_BARREN + 1):
        assert made.more
        made.replay(replace(known, number=number))
    assert not made.more


def test_proposals_replayed_go_on_alike():
    spec = study(sampler="tpe", trials=30, constraints=(Constraint(metric="params", max=40_000),))
    live, replayed = (Proposals(spec, max_params=10**9) for _ in range(2))
    history = []
    for _ in range(40):
        trial = live.propose()
        scores = (trial.cost.params / 1e6,) if trial.state is TrialState.QUEUED else ()
        for score in scores:
            live.tell(trial.number, {"score": score}, trial.cost)
        state = TrialState.PAUSED if scores else trial.state
        history.append(
            Standing(
                number=trial.number, state=state, params=trial.params, digest=trial.architecture.digest, cost=trial.cost,
                twin=trial.twin, reported=({"score": 0.5},) * len(scores),
                searched=tuple({"score": score} for score in scores),
            )
        )  # fmt: skip
    for standing in history:
        replayed.replay(standing)
    assert {standing.state for standing in history} >= {TrialState.PAUSED, TrialState.INFEASIBLE}
    assert [live.propose() for _ in range(5)] == [replayed.propose() for _ in range(5)]
    assert live.n_trials == replayed.n_trials


def test_proposals_replayed_hear_nothing_of_fresh_seeds():
    fields = {"objectives": ("score", "learning_rate_sensitivity"), "protocol": Protocol(rungs=(Rung(steps=10),))}
    trial = proposals(**fields).propose()
    made = proposals(**fields)
    made.replay(
        Standing(
            number=0,
            state=TrialState.PAUSED,
            params=trial.params,
            digest=trial.architecture.digest,
            cost=trial.cost,
            # one learning rate alone has no sensitivity
            searched=({"score": 0.5, "learning_rate_sensitivity": 0.125}, {"score": 0.75}),
        )
    )
    assert heard(made, 0) == (0.5, 0.125)


def test_proposals_rebuild_a_trial_from_its_genes():
    made = proposals(references=("mamba2",))
    trials = [made.propose() for _ in range(4)]
    assert [made.rebuild(trial.number).architecture for trial in trials] == [trial.architecture for trial in trials]


def test_proposals_of_a_matched_study_cost_the_same_and_are_one_architecture_where_only_width_differed():
    space = Space(name="widths", genes={"d_model": (32,), "depth": (1, 2), "ffn_ratio": (1.0, 2.0, 4.0)})
    made = proposals(space, trials=50, matched=Matched(metric="params", target=60_000), references=("transformer",))
    trials = [made.propose() for _ in range(40)]
    for trial in trials:
        assert trial.cost == price(trial.architecture, CostContext(context_length=4096))
        assert abs(trial.cost.params / 60_000 - 1) <= 0.02
    distinct = {trial.architecture.digest for trial in trials}
    assert len(distinct) <= 3, "a depth of 1, one of 2, and the reference"
    assert [trial.state for trial in trials].count(TrialState.DUPLICATE) == len(trials) - len(distinct)


def test_proposals_that_cannot_be_matched_are_infeasible_and_the_sampler_hears_by_how_much():
    spec = study(space=TINY, trials=30, sampler="tpe", matched=Matched(metric="params", target=17_000))
    live, replayed = (Proposals(spec, max_params=10**9) for _ in range(2))
    trials = [live.propose() for _ in range(30)]
    refused = [trial for trial in trials if trial.state is TrialState.INFEASIBLE]
    assert 0 < len(refused) < 30
    for trial in refused:
        assert trial.reason is not None
        assert "no FFN width gives params within 2 % of 17,000" in trial.reason
    for trial in trials:
        replayed.replay(
            Standing(
                number=trial.number, state=trial.state, params=trial.params, digest=trial.architecture.digest,
                cost=trial.cost, twin=trial.twin,
            )
        )  # fmt: skip
    assert [live.propose() for _ in range(5)] == [replayed.propose() for _ in range(5)]
