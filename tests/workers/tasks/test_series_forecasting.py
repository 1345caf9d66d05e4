import numpy as np
import pytest

from nas.errors import Invalid
from nas.protocol import Rung
from nas.submission import read_spec
from nas.tasks import SeriesForecasting
from search_spaces.architecture import ContinuousInput
from tests.workers.runs import HYBRID, make_run, protocol, succeeded
from workers.evaluate import evaluate
from workers.tasks.series_forecasting import SeriesForecastingGenerator as Generator

TASK = SeriesForecasting(file="sensors.csv", columns=("when", "y"), sequence_length=16, horizon=4, n_validation=16, n_test=32)
TIMES = np.arange(1000.0)


@pytest.fixture
def root(tmp_path):
    write(tmp_path)
    return tmp_path


def write(folder, times=TIMES):
    rows = [f"{np.sin(time / 7):.12f},{5 + 3 * np.cos(time / 11):.12f},{time}" for time in times.tolist()]
    (folder / "sensors.csv").write_text("\n".join(["x,y,when", *rows]) + "\n")


def rows_of(generator, values):
    """The rows of the file that values of the column `when` stand in."""
    loaded = generator._series
    return np.rint(values[..., 0].double().numpy() * loaded.deviation[0] + loaded.mean[0]).astype(int)


def test_windows_are_rows_in_order_and_splits_share_none(root):
    generator = Generator(TASK, 1, root)
    batches = [generator.validation(), generator.test(), *(generator.train_batch(0, step, 64) for step in range(8))]
    for batch in batches:
        rows = rows_of(generator, batch.inputs)
        assert (np.diff(rows, axis=1) == 1).all()
        assert (rows_of(generator, batch.targets) == rows + 1).all()
        y = batch.inputs[..., 1].double().numpy() * generator._series.deviation[1] + generator._series.mean[1]
        assert np.allclose(y, 5 + 3 * np.cos(rows / 11), atol=1e-4)
    validation, test, *train = [
        {*rows_of(generator, batch.inputs).flatten().tolist(), *rows_of(generator, batch.targets).flatten().tolist()}
        for batch in batches
    ]
    assert max(set().union(*train)) < min(validation)
    assert max(validation) < min(test)
    assert max(test) == 999


def test_held_out_windows_are_different_ones(root):
    starts = rows_of(Generator(TASK, 1, root), Generator(TASK, 1, root).test().inputs)[:, 0]
    assert len(set(starts)) == 32


def test_more_windows_than_places_are_refused(root):
    with pytest.raises(Invalid, match="has 84 places for windows of 17 rows in its test part; n_test asks for 200"):
        Generator(TASK.model_copy(update={"n_test": 200}), 1, root)


def test_submission_pins_the_measurements_and_a_changed_file_is_noticed(root):
    space = {"name": "m", "input": {"kind": "continuous", "n_channels": 2}, "genes": {"d_model": [16], "depth": [1, 2]}}
    task = {"name": "series_forecasting", "file": "sensors.csv", "columns": ["when", "y"], "n_validation": 16, "n_test": 16}
    spec = read_spec({"name": "s", "space": space, "protocol": {"tasks": [task]}}, root, 10**9)
    (pinned,) = spec.protocol.tasks
    assert isinstance(pinned, SeriesForecasting)
    generator = Generator(pinned, 1, root)
    assert pinned.series_digest == generator._series.digest
    assert Generator(pinned.model_copy(update={"series_digest": None}), 1, root).digest == generator.digest
    write(root, TIMES + 1)
    with pytest.raises(Invalid, match="changed since the study was submitted"):
        Generator(pinned, 1, root)
    task["columns"] = ["when", "nothing"]
    with pytest.raises(Invalid) as refused:
        read_spec({"name": "s", "space": space, "protocol": {"tasks": [task]}}, root, 10**9)
    assert refused.value.problems[0].pointer == "/protocol/tasks/0/file"


def test_measurements_that_stand_still_in_the_end_can_be_tested_on(tmp_path):
    write(tmp_path, np.minimum(TIMES, 850))
    task = TASK.model_copy(update={"columns": ("y",)})
    rules = protocol(tasks=(task,), rungs=(Rung(steps=2),), learning_rates=(0.01,))
    architecture = HYBRID.model_copy(update={"input": ContinuousInput(n_channels=1)})
    (found,) = succeeded(make_run(protocol=rules, architecture=architecture), tmp_path / "runs", tmp_path).tasks
    assert np.isfinite(list(found.metrics.values())).all()


def test_run_on_measurements_succeeds_and_says_when_they_are_gone(root):
    rules = protocol(tasks=(TASK,), rungs=(Rung(steps=2),), learning_rates=(0.01,))
    run = make_run(protocol=rules, architecture=HYBRID.model_copy(update={"input": ContinuousInput(n_channels=2)}))
    result = succeeded(run, root / "workspace", root)
    assert result.tasks[0].metrics.keys() == {"normalised_squared_error", "persistence_ratio", "error@horizon=4"}
    (root / "sensors.csv").unlink()
    failure = evaluate(run, root / "workspace", root).failure
    assert failure is not None
    assert failure.kind == "invalid"


def test_columns_must_differ():
    with pytest.raises(ValueError, match="columns must be different"):
        SeriesForecasting(file="a.csv", columns=("x", "x"))
