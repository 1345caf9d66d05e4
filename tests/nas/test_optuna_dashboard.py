"""An exported study in optuna-dashboard itself, over HTTP: what its page draws from."""

import threading
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import optuna
import pytest
from optuna_dashboard import wsgi

from nas.optuna_storage import NewStudy, write_study
from nas.optuna_trials import optuna_trials
from tests.nas.histories import history
from tests.nas.spaces import study

SPEC = study(references=("transformer",), objectives=("score", "params"))
NEW = NewStudy(name="ours", objectives=("score", "params"), maximize=(True, False), attributes={"nas_study": "an id"})
N_TRIALS = 25


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are not news."""


@pytest.fixture
def dashboard(tmp_path) -> Iterator[httpx.Client]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = f"sqlite:///{tmp_path}/study.db"
    write_study(url, NEW, optuna_trials(SPEC, history(SPEC, N_TRIALS)))
    storage = optuna.storages.RDBStorage(url)
    with make_server("127.0.0.1", 0, wsgi(storage), handler_class=_Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
            yield client
        server.shutdown()
        thread.join()
    storage.engine.dispose()


def test_dashboard_opens_an_export(dashboard):
    [listed] = dashboard.get("/api/studies").raise_for_status().json()["study_summaries"]
    assert (listed["study_name"], listed["directions"]) == ("ours", ["maximize", "minimize"])
    shown = dashboard.get(f"/api/studies/{listed['study_id']}").raise_for_status().json()
    assert shown["objective_names"] == ["score", "params"]
    expected = list(optuna_trials(SPEC, history(SPEC, N_TRIALS)))
    assert [trial["state"] for trial in shown["trials"]] == [trial.state.name.capitalize() for trial in expected]
    assert [trial.get("values") for trial in shown["trials"]] == [trial.values for trial in expected]
    genes = [{each["name"] for each in trial["params"]} for trial in shown["trials"]]
    assert genes == [set(trial.params) for trial in expected]


def test_dashboard_draws_which_genes_matter(dashboard):
    """It evaluates the genes that all trials have: their distributions have to agree."""
    found = dashboard.get("/api/studies/1/param_importances").raise_for_status().json()["param_importances"]
    assert len(found) == len(NEW.objectives)
    assert all({"d_model", "depth"} <= {each["name"] for each in of_objective} for of_objective in found)
