"""Warm starts: members that a study proposes first, and where they are found."""

from random import Random

import pytest

from nas.errors import Conflict, Invalid, NotFound
from nas.ports import Standing
from nas.proposals import Proposals
from nas.starts import Tried
from nas.store.best_trials import best_trials
from nas.store.driver_store import PostgresDriverStore
from nas.store.submissions import submit_study
from nas.submission import read_spec, request_digest
from nas.trial import TrialState
from nas.warm_start import WarmStart
from search_spaces.space import Space
from tests.nas.driving import ME, FaultyStore, Killed, assert_sound, drive, driver, nth, rows, submit, trials
from tests.nas.spaces import CONDITIONAL, TINY, study
from tests.nas.store.examples import ALICE, BOB

MANY = 10**9
MEMBERS = ({"d_model": 64, "depth": 2}, {"d_model": 32, "depth": 1})


def document(space=CONDITIONAL, **warm_start):
    return {"name": "warm", "space": space.to_data(), "warm_start": warm_start}


def read(space=CONDITIONAL, *, find=None, **warm_start):
    given = document(space, **warm_start)
    return read_spec(given, None, MANY, find_study=find) if find else read_spec(given, None, MANY)


def pointers(caught):
    return [problem.pointer for problem in caught.value.problems]


def members(n, space=CONDITIONAL):
    rng = Random(1)
    return [space.sample(rng) for _ in range(n)]


# members that are given


def test_members_are_stored_in_order_and_submitted_again_are_the_same_study():
    given = members(3)
    spec = read(params=given, notes=["by hand"])
    assert [dict(each) for each in spec.warm_start.params] == given
    assert read_spec(spec.to_data(), None, MANY) == spec
    assert request_digest(document(params=given), spec) == spec.digest


def test_a_study_without_has_the_digest_it_always_had():
    bare = {name: value for name, value in document().items() if name != "warm_start"}
    assert read(params=[]).digest == read_spec(bare, None, MANY).digest


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"depth": 9}, "depth", "9 is not allowed here; allowed: 2, 3, 4"),
        ({"no_such_gene": 1}, "no_such_gene", "leave it out"),
        ({"depth": {}}, "depth", "a string, a finite number, true or false"),
    ],
)
def test_a_member_outside_is_refused_where_it_stands(change, place, words):
    with pytest.raises(Invalid, match=words) as caught:
        read(params=[*members(2), members(1)[0] | change])
    assert pointers(caught) in (["/warm_start/params/2"], [f"/warm_start/params/2/{place}"])


@pytest.mark.parametrize("instead", [{}, {"dpeth": 2}])
def test_a_gene_that_is_missing_is_named(instead):
    params = {name: value for name, value in members(1)[0].items() if name != "depth"} | instead
    with pytest.raises(Invalid, match=r"^/warm_start/params/0: depth: missing; allowed: 2, 3, 4$"):
        read(params=[params])


@pytest.mark.parametrize(
    ("given", "pointer", "words"),
    [
        ({"studdy": "x"}, "/warm_start/studdy", "did you mean .study"),
        ({"top": 3}, "/warm_start", "name it in study"),
        ({"study": "x", "top": 0}, "/warm_start/top", "1"),
        ({"study": "x"}, "/warm_start/study", "no studies can be read here"),
        ({"zoo": ["tranformer"]}, "/warm_start/zoo/0", "did you mean 'transformer'"),
        ({"zoo": ["transformer", "fnet"]}, "/warm_start/zoo/1", "no member is like fnet"),
        ({"zoo": ["transformer"] * 17}, "/warm_start/zoo", "16"),
    ],
)
def test_a_wrong_source_is_refused(given, pointer, words):
    with pytest.raises(Invalid, match=words) as caught:
        read(**given)
    assert pointers(caught) == [pointer]


# published architectures


def test_the_zoo_stands_for_its_nearest_members():
    spec = read(zoo=["transformer", "mamba2"])
    transformer, mamba = map(spec.space.build, map(dict, spec.warm_start.params))
    assert {mixer.kind for layer in transformer.layers() for mixer in layer.mixers} == {"attention"}
    assert {mixer.kind for layer in mamba.layers() for mixer in layer.mixers} == {"recurrence"}
    assert all(layer.channel is None for layer in mamba.layers())
    assert "zoo:transformer" in spec.warm_start.notes[0]
    assert "away (0 is equal" in spec.warm_start.notes[0]


# another study


def tried(best, space=CONDITIONAL):
    return lambda name: Tried(study_id="an id", name=name, space=space, best=tuple(enumerate(best)))


def test_the_best_of_a_study_are_those_that_are_members():
    wider = Space(name="wider", genes={**CONDITIONAL.genes, "depth": (2, 3, 4, 6)})
    best = [each | {"depth": 6} for each in members(2)] + members(4)
    spec = read(study="other", top=3, find=tried(best, wider))
    assert [dict(each) for each in spec.warm_start.params] == members(3)
    assert spec.warm_start.notes == (
        '3 of the best of study "other" (an id); 2 better ones are outside this space,'
        " the first (trial 0) because of depth: 6 is not allowed here; allowed: 2, 3, 4",
    )


def test_what_a_study_had_settled_may_be_open_here_and_the_other_way_round():
    narrow = Space(name="narrow", genes={"d_model": (32, 64), "depth": (2,)})
    spec = read(TINY, study="other", find=tried([{"d_model": 64}], narrow))
    assert [dict(each) for each in spec.warm_start.params] == [{"d_model": 64, "depth": 2}]
    back = read(narrow, study="other", find=tried(MEMBERS, TINY))
    assert [dict(each) for each in back.warm_start.params] == [{"d_model": 64}]
    assert "1 of the best" in back.warm_start.notes[0]


def test_a_study_of_which_nothing_fits_is_refused():
    with pytest.raises(Invalid, match="take a study of a space like this one"):
        read(study="other", find=tried(MEMBERS, TINY))
    with pytest.raises(Invalid, match="no scored trials"):
        read(study="other", find=tried([]))


def test_a_member_that_is_found_twice_comes_once():
    best = members(3)
    spec = read(params=[best[1]], study="other", find=tried(best))
    assert [dict(each) for each in spec.warm_start.params] == [best[1], best[0], best[2]]


def test_the_best_trials_are_the_searchs_own_with_the_front_first(engine):
    study_id = submit(engine, study("first", trials=12, objectives=("score", "params"), references=("transformer",)))
    drive(engine)
    found = best_trials(engine, ME, "first")
    assert found == best_trials(engine, ME, study_id)
    by_number = {trial.number: trial for trial in trials(engine, study_id)}
    flags = [by_number[number].pareto for number, _ in found.best]
    assert flags == sorted(flags, reverse=True)
    assert any(flags)
    assert 0 not in dict(found.best)
    assert all(by_number[number].genes == params for number, params in found.best)
    assert len(found.best) == 12


def test_the_best_trials_of_somebody_else_are_not_there(engine):
    submit_study(engine, ALICE, study("hers"))
    assert best_trials(engine, ALICE, "hers").best == ()
    with pytest.raises(NotFound, match="you have no study 'hers'"):
        best_trials(engine, BOB, "hers")
    submit_study(engine, BOB, study("hers"))
    with pytest.raises(Conflict, match="give an id"):
        best_trials(engine, ME, "hers")


# proposing them


def proposed(made, n):
    return [made.propose() for _ in range(n)]


def test_a_warm_start_comes_after_the_references_and_the_sampler_hears_of_it():
    starts = members(3)
    spec = study(trials=10, sampler="tpe", references=("transformer",), warm_start=WarmStart(params=tuple(starts)))
    made = Proposals(spec, max_params=MANY)
    first = proposed(made, 4)
    assert [trial.reference for trial in first] == ["transformer", None, None, None]
    assert [trial.params for trial in first[1:]] == starts
    made.tell(2, {"score": 0.25}, first[2].cost)
    assert made._brain.values(2) == (0.25,)
    assert made.n_trials == 3


def test_a_warm_start_replayed_goes_on_where_it_was():
    spec = study(trials=10, sampler="tpe", warm_start=WarmStart(params=tuple(members(5))))
    whole = [trial.params for trial in proposed(Proposals(spec, max_params=MANY), 8)]
    again = Proposals(spec, max_params=MANY)
    for trial in proposed(Proposals(spec, max_params=MANY), 2):
        again.replay(
            Standing(
                number=trial.number, state=TrialState.QUEUED, params=trial.params, digest=trial.architecture.digest,
                cost=trial.cost,
            )
        )  # fmt: skip
    assert [trial.params for trial in proposed(again, 6)] == whole[2:]


def test_a_warm_start_that_breaks_a_constraint_or_repeats_is_never_trained():
    twice = study(space=TINY, trials=2, warm_start=WarmStart(params=(MEMBERS[0], MEMBERS[0])))
    assert [trial.state for trial in proposed(Proposals(twice, max_params=MANY), 2)] == ["queued", "duplicate"]
    assert [trial.state for trial in proposed(Proposals(twice, max_params=1), 2)] == ["infeasible"] * 2


def test_a_warm_start_survives_the_death_of_its_driver(engine):
    starts = members(6)
    spec = study(trials=9, warm_start=WarmStart(params=tuple(starts)))
    study_id = submit(engine, spec)
    faulty = FaultyStore(PostgresDriverStore(engine), after=nth(3, "write", Killed()))
    with pytest.raises(Killed):
        drive(driver(faulty, n_slots=2, lease_seconds=0.01))
    n_before = len(trials(engine, study_id))
    assert 0 < n_before < len(starts)
    rows(engine, "UPDATE nas_study SET lease_expires = now() - interval '1 second' RETURNING id")
    drive(engine)
    assert_sound(engine, study_id, spec)
    assert [trial.genes for trial in trials(engine, study_id)[:6]] == starts
