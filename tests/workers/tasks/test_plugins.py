"""The example package of docs/tasks.md, installed for real, is evaluated by a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nas.run import Finished
from tests.workers.runs import make_run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has installed the example into; it builds in a copy and needs no network."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "docs" / "example_task", folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(folder / "source")], check=True, capture_output=True)
    return folder / "site"


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)


def test_the_example_is_evaluated(site: Path, tmp_path: Path):
    document = make_run().to_data()
    document["protocol"]["tasks"] = [{"name": "parity", "sequence_length": 8, "n_validation": 64, "n_test": 64}]
    run, out = tmp_path / "run.json", tmp_path / "finished.json"
    run.write_text(json.dumps(document))
    done = python(site, "-m", "workers.evaluate", str(run), "--workspace", str(tmp_path / "work"), "--out", str(out))
    assert done.returncode == 0, done.stderr
    result = Finished.from_json(out.read_text()).result
    assert result is not None
    (task,) = result.tasks
    assert (task.task, task.metric) == ("parity", "accuracy")
    # half of it by chance: three standard deviations of 64 sequences of 8 bits are 0.07
    assert 0.4 < task.values[0] <= 1


def test_the_service_knows_it_without_its_generator(site: Path):
    code = "import sys, nas.catalogues as c; print([t.name for t in c.tasks()][-1], 'parity_generator' in sys.modules)"
    assert python(site, "-c", code).stdout.split() == ["parity", "False"]


@pytest.mark.parametrize("first", ["parity_task", "parity_generator", "nas.tasks", "workers.tasks"])
def test_modules_may_be_imported_in_any_order(site: Path, first: str):
    code = f"import {first}; from nas.tasks.catalogue import CATALOGUE; print('parity' in CATALOGUE)"
    found = python(site, "-c", code)
    assert found.stdout.strip() == "True", found.stderr


def test_a_broken_package_stops_a_command_with_its_name(site: Path, tmp_path: Path):
    broken = shutil.copytree(site, tmp_path / "broken")
    (broken / "parity_task.py").write_text("import no_such_module\n")
    found = python(broken, "-m", "nas.cli", "tasks")
    assert found.returncode not in (0, 1)
    assert (
        "the installed package 'parity-task' has a broken task 'parity': parity_task:Parity cannot be imported" in found.stderr
    )
    assert "Traceback" not in found.stderr
