"""From a study that a real driver ran on a real database back to the table that its results came from."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sqlalchemy import Engine

from nas.errors import Invalid
from nas.protocol import Protocol, Rung
from nas.reuse import Reusing
from nas.run import Finished, Run
from nas.simulation.answers import Answers
from nas.simulation.document import TableDocument
from nas.simulation.files import read_table
from nas.simulation.measured import Source, table_of_studies, timed_where_measured
from nas.simulation.table import Table
from nas.store.measured_elsewhere import MeasuredElsewhere
from nas.store.reads import get_study, get_trial, list_trials
from nas.study import Matched, StudySpec
from search_spaces.space import Params, Space
from tests.inline_executor import InlineExecutor
from tests.nas.driving import ME, drive, driver, submit
from tests.nas.simulation.tables import PROTOCOL, digest, score, spec, table

THREE = Protocol(
    rungs=tuple(Rung(steps=rung.steps, replicas=3) for rung in PROTOCOL.rungs), learning_rates=PROTOCOL.learning_rates
)


def measured(engine: Engine, searched: StudySpec, known: Table) -> Source:
    """The study, run on the table's numbers."""
    answers = Answers(known, searched)

    def evaluate(run: Run) -> Finished:
        key, result = run.key, answers.answer(run).result
        return Finished(study_id=key.study_id, number=key.number, rung=key.rung, attempt=key.attempt, result=result)

    study_id = submit(engine, searched)
    drive(driver(engine, executor=Reusing(InlineExecutor(evaluate, 3), MeasuredElsewhere(engine).find)))
    rows = list_trials(engine, ME, study_id, limit=200).items
    trials = [get_trial(engine, ME, study_id, row.number) for row in rows if row.twin is None]
    return Source(get_study(engine, ME, study_id).spec, trials)


def test_a_finished_study_becomes_the_table_that_it_was_run_on(engine, tmp_path) -> None:
    known = table()
    document = table_of_studies([measured(engine, spec(9, eta=None, protocol=THREE), known)])
    file = tmp_path / "table.json"
    file.write_text(document.text())
    # a line for each member, and one for everything else, so that changes can be read
    assert len(file.read_text().splitlines()) == 9 + 3
    found = read_table(file, spec())
    assert (len(found), found.n_seeds, found.metrics) == (9, 3, ("score", "mqar/accuracy"))
    for member in range(9):
        ours, theirs = found.find(digest(member)), known.find(digest(member))
        assert ours is not None
        assert theirs is not None
        for name in found.metrics:
            # which seed came first differs from trial to trial
            np.testing.assert_allclose(np.sort(ours.test[name]), np.sort(theirs.test[name]), rtol=1e-5)
            np.testing.assert_allclose(np.sort(ours.searched[name]), np.sort(theirs.searched[name]), rtol=1e-5)
        np.testing.assert_allclose(ours.seconds, theirs.seconds, rtol=1e-5)


def test_studies_that_differ_in_their_seeds_add_up(engine) -> None:
    known, searched = table(), spec(9, eta=None)
    sources = [measured(engine, searched.model_copy(update={"seed": seed, "name": f"{seed}"}), known) for seed in range(2)]
    found = table_of_studies(sources).table()
    assert found.test.shape == (9, 3, 2, 2)
    results = found.find(digest(3))
    assert results is not None
    assert {round(value, 6) for value in results.test["score"][2]} <= {score(3, 2, seed) for seed in range(3)}


def test_results_of_another_study_keep_the_seconds_that_they_took_there(engine) -> None:
    known, searched = table(), spec(9, eta=None, protocol=THREE)
    first = measured(engine, searched, known)
    again = measured(engine, searched.model_copy(update={"name": "again", "reuse": True}), known)
    assert {run.result.measurement.wall_seconds for trial in again.trials for run in trial.runs if run.result} == {0.0}
    timed = [timed_where_measured(trial, partial(get_trial, engine, ME)) for trial in again.trials]
    ours, theirs = table_of_studies([replace(again, trials=timed)]).table(), table_of_studies([first]).table()
    for member in range(9):
        found, expected = ours.find(digest(member)), theirs.find(digest(member))
        assert found is not None
        assert expected is not None
        assert found.seconds.min() > 0
        np.testing.assert_array_equal(found.seconds, expected.seconds)


def test_trials_that_were_stopped_are_left_out(engine) -> None:
    halved = measured(engine, spec(9), table())
    whole = [trial for trial in halved.trials if trial.row.state == "completed"]
    assert 0 < len(whole) < 9
    assert len(table_of_studies([halved]).members) == len(whole)
    with pytest.raises(Invalid, match="no architecture was measured at every rung"):
        table_of_studies([replace(halved, trials=[trial for trial in halved.trials if trial not in whole])])


def test_studies_that_differ_in_more_than_their_seeds_make_no_table() -> None:
    one, other = (Source(spec(9, protocol=protocol), ()) for protocol in (PROTOCOL, THREE))
    with pytest.raises(Invalid, match="differ in their protocol"):
        table_of_studies([one, other])
    with pytest.raises(Invalid, match="at equal cost"):
        table_of_studies([Source(spec(9, matched=Matched(metric="params", target=60_000)), ())])


def test_a_gene_that_no_member_has_active_needs_no_column() -> None:
    space = Space(name="s", genes={"attention_ratio": (0.0, 1.0), "linear_mixer": ("retnet", "mamba2"), "depth": (1,)})
    protocol = PROTOCOL.model_copy(update={"rungs": PROTOCOL.rungs[:1]})
    attention: Params = {"attention_ratio": 1.0}
    member = {"genes": attention, "test": {"score": ((0.5,),)}, "seconds": ((1.0,),)}
    document = {"name": "t", "space": space.to_data(), "protocol": protocol.to_data(), "members": [member]}
    assert TableDocument.from_data(document).table().truth(space.build(attention).digest) == 0.5


def test_members_of_a_document_must_be_alike() -> None:
    numbers = ((0.1, 0.2),) * 3
    genes = {"layer0.mixer": "none", "layer1.mixer": "none"}
    member = {"genes": genes, "test": {"score": numbers}, "seconds": numbers}
    document = {"name": "t", "space": spec().space.to_data(), "protocol": PROTOCOL.to_data(), "members": [member]}
    assert len(TableDocument.from_data(document).table()) == 1
    for wrong in ({"test": {"score": numbers[1:]}}, {"seconds": ((1.0, 2.0), (1.0, 2.0), (1.0,))}):
        with pytest.raises(ValueError, match="one number for every rung and seed"):
            TableDocument.from_data({**document, "members": [{**member, **wrong}]})
    with pytest.raises(ValueError, match="the members have 2 rungs, the protocol 3"):
        TableDocument.from_data({**document, "members": [{**member, "test": {"score": numbers[1:]}, "seconds": numbers[1:]}]})
