"""What is freed of a trial's folders, and what is not: the exported files, the next rung's start, and a run at work."""

import shutil

import pytest

from nas.ports import Kept
from tests.workers.runs import make_run
from workers.evaluate import evaluate
from workers.retention import free


@pytest.fixture(scope="module")
def two_rungs(tmp_path_factory):
    """A workspace with a trial scored at two rungs, at the second of them twice: the first result was lost."""
    workspace = tmp_path_factory.mktemp("rungs")
    lower = make_run()
    for run in (lower, *(make_run(rung=1, resume=lower.folder, attempt=attempt) for attempt in (1, 2))):
        assert evaluate(run, workspace, None).result is not None
    return workspace


@pytest.fixture
def workspace(two_rungs, tmp_path):
    copy = shutil.copytree(two_rungs, tmp_path / "workspace")
    at_work = copy / "studies/study/trials/3/rung-2/.attempt-1.unfinished"
    at_work.mkdir(parents=True)
    other = copy / "studies/study/trials/4/rung-0/attempt-1/trainings"
    other.mkdir(parents=True)
    return copy


RUNG_0, RUNG_1 = make_run().folder, make_run(rung=1, attempt=2).folder


def kept(*folders, ended):
    return Kept(study_id="study", number=3, folders=folders, ended=ended)


def test_lost_result_below_goes_also_where_a_trial_began_at_a_higher_rung(workspace):
    shutil.rmtree(workspace.joinpath(RUNG_0).parent)
    free(workspace, Kept(study_id="study", number=3, first_rung=1, folders=(RUNG_1,), ended=False))
    assert attempts(workspace) == {"rung-1/attempt-2", "rung-2/.attempt-1.unfinished"}
    assert trained(workspace, RUNG_1), "the next rung goes on from it"


def attempts(workspace):
    return {
        str(path.relative_to(workspace / "studies/study/trials/3")) for path in workspace.glob("studies/study/trials/3/*/*")
    }


def trained(workspace, folder):
    return any(workspace.joinpath(folder).rglob("*.optimiser.safetensors"))


def exported(workspace, folder):
    return {path.parent.name for path in (workspace / folder).glob("*/mqar.safetensors")}


def test_trial_that_goes_on_keeps_its_newest_rung_and_what_is_at_work(workspace):
    free(workspace, kept(RUNG_0, RUNG_1, ended=False))
    assert attempts(workspace) == {"rung-0/attempt-1", "rung-1/attempt-2", "rung-2/.attempt-1.unfinished"}
    assert [trained(workspace, folder) for folder in (RUNG_0, RUNG_1)] == [False, True]
    upper = evaluate(make_run(rung=2, resume=RUNG_1), workspace, None).result
    assert upper is not None
    assert upper.notes == ()


def test_trial_that_has_ended_keeps_what_can_be_exported(workspace):
    free(workspace, kept(RUNG_0, RUNG_1, ended=True))
    assert attempts(workspace) == {"rung-0/attempt-1", "rung-1/attempt-2"}
    assert not any(trained(workspace, folder) for folder in (RUNG_0, RUNG_1))
    assert all(exported(workspace, folder) == {"weights", "parity"} for folder in (RUNG_0, RUNG_1))
    assert (workspace / "studies/study/trials/4/rung-0/attempt-1/trainings").exists(), "another trial's"


def test_trial_without_a_score_keeps_nothing(workspace):
    free(workspace, kept(ended=True))
    assert attempts(workspace) == set()
    free(workspace, kept(ended=True))
