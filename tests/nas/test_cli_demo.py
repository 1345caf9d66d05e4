"""`nas demo` goes the whole path by itself, twice if asked, and leaves nothing running."""

import json
from pathlib import Path

import psutil

from nas.cli.demo import EXAMPLE
from nas.submission import read_spec
from tests.service import command_line, nas, tiny_study


def test_example_is_a_study_that_can_be_submitted() -> None:
    spec = read_spec(json.loads(EXAMPLE.read_text()), None, 10**9)
    assert spec.space.size() >= spec.budget.trials
    assert {"transformer", "conv_attention"} <= set(spec.references)
    # with two rates every choice is at the edge of the grid, which then says nothing
    assert len(spec.protocol.learning_rates) >= 3


def test_demo_leaves_a_verified_winner_and_nothing_running(tmp_path: Path) -> None:
    study, data = tmp_path / "study.json", tmp_path / "data"
    study.write_text(json.dumps(tiny_study("small demo")))
    first = nas("demo", "--data-dir", str(data), "--study", str(study), "--workers", "2")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "ref transformer" in first.stdout
    assert "verifies: everything that could be checked here holds" in first.stderr
    assert json.loads((data / "winner" / "provenance.json").read_text())["study"]["name"] == "small demo"
    assert not [process for process in psutil.process_iter() if str(data) in command_line(process)]

    assert f"-m nas.cli up --data-dir {data}" in first.stderr

    again = nas("demo", "--data-dir", str(data), "--study", str(study), "--workers", "2", "--json")
    assert again.returncode == 0, again.stdout + again.stderr
    *lines, verified = map(json.loads, again.stdout.splitlines())
    assert [line["rank"] for line in lines if "rank" in line] == list(range(1, 1 + sum("rank" in line for line in lines)))
    assert lines[0]["seq"] == 1
    assert verified["ok"]
    assert 'the study "small demo" is completed' in again.stderr
