"""A study's disk when it has ended: the exported files of what counts, and nothing else."""

import pytest

from nas.protocol import Protocol, Recipe, Rung
from nas.store.driver_store import PostgresDriverStore
from nas.study import Halving
from nas.tasks import MQAR
from search_spaces.space import Space
from tests.inline_executor import InlineExecutor
from tests.nas.driving import FaultyStore, drive, driver, runs, study_row, submit, trials
from tests.nas.spaces import study
from workers import retention
from workers.evaluate import evaluate

SMALL = Space(name="small", genes={"d_model": (16, 32), "depth": (1, 2, 3)})
QUICK = Protocol(
    tasks=(MQAR(vocab_size=16, sequence_length=16, n_pairs=2, n_validation=16, n_test=16),),
    rungs=(Rung(steps=1), Rung(steps=2), Rung(steps=3)),
    learning_rates=(1e-3,),
    recipe=Recipe(batch_size=2),
)


class OnDisk(InlineExecutor):
    """Real evaluations below a workspace."""

    def __init__(self, workspace):
        super().__init__(lambda run: evaluate(run, workspace, None), 2)
        self.workspace = workspace

    def forget(self, kept):
        retention.free(self.workspace, kept)


@pytest.mark.parametrize("brackets", [1, 3])
def test_study_that_ended_holds_the_exported_files_of_its_scored_runs(engine, tmp_path, brackets):
    """Its first results are lost with their driver after they were on disk, and the runs repeated."""
    spec = study(trials=5, space=SMALL, protocol=QUICK, references=("transformer",))
    spec = spec.model_copy(update={"halving": Halving(eta=2, brackets=brackets)})
    study_id = submit(engine, spec)
    first = driver(engine, executor=OnDisk(tmp_path), lease_seconds=60)
    first.step()
    first._executor.poll(0)
    first.release()
    assert any(tmp_path.rglob("*.optimiser.safetensors"))
    drive(driver(engine, executor=OnDisk(tmp_path)))
    assert study_row(engine, study_id).state == "completed"
    assert {trial.state for trial in trials(engine, study_id)} >= {"completed", "pruned"}
    attempts = runs(engine, study_id)
    assert {run.state for run in attempts} == {"succeeded", "lost"}
    scored = {run.folder for run in attempts if run.state == "succeeded"}
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.glob("studies/*/trials/*/*/*")} == scored
    assert not list(tmp_path.rglob("trainings"))
    assert all((tmp_path / folder / "weights" / "mqar.safetensors").exists() for folder in scored)


def test_rungs_free_the_ones_below_while_the_study_runs(engine, tmp_path):
    study_id = submit(engine, study(trials=2, space=SMALL, protocol=QUICK, eta=None))
    driving = driver(engine, executor=OnDisk(tmp_path))
    while not any(trial.rung == 1 for trial in trials(engine, study_id)):
        driving.step()
    number = next(trial.number for trial in trials(engine, study_id) if trial.rung == 1)
    holding = {path.parent.parent.name for path in tmp_path.glob(f"studies/*/trials/{number}/*/*/trainings")}
    assert holding == {"rung-1"}
    drive(driving)


def test_study_that_breaks_frees_what_it_held(engine, tmp_path):
    defects = iter([RuntimeError("a defect")])

    def once(call):
        if call == "write" and any(tmp_path.rglob("trainings")) and (defect := next(defects, None)):
            raise defect

    study_id = submit(engine, study(trials=4, space=SMALL, protocol=QUICK))
    drive(driver(FaultyStore(PostgresDriverStore(engine), before=once), executor=OnDisk(tmp_path)))
    assert study_row(engine, study_id).state == "failed"
    assert not list(tmp_path.rglob("trainings"))
