import json
from pathlib import Path

import pytest

from nas.cli.simulate import load_sampler
from nas.errors import Invalid
from tests.nas.simulation.tables import rows, spec
from tests.service import nas

OWN_SAMPLER = """
import optuna

def factory(seed):
    return optuna.samplers.RandomSampler(seed=seed)

def broken(seed):
    return seed
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A study and a table that fits."""
    study, table = tmp_path / "study.json", tmp_path / "table.json"
    study.write_text(spec(4, sampler="tpe", baselines=("local_search",)).to_json())
    table.write_text(json.dumps(list(rows())))
    return [str(study), "--table", str(table)]


def test_simulate_prints_a_row_for_the_sampler_and_one_for_random(files: list[str]) -> None:
    found = nas("simulate", *files, "--repeats", "3", "--workers", "2")
    assert found.returncode == 0, found.stderr
    heading, *lines = found.stdout.splitlines()
    assert heading.split()[:4] == ["sampler", "best", "found", "regret"]
    assert [line.split()[0] for line in lines] == ["tpe", "local_search", "random"]
    assert "the best of 9 architectures has a true score of 0.8120" in found.stderr


def test_simulate_speaks_json_and_takes_ones_own_sampler(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "own_sampler.py").write_text(OWN_SAMPLER)
    found = nas("simulate", *files, "--sampler", "own_sampler:factory", "--json", PYTHONPATH=str(tmp_path))
    assert found.returncode == 0, found.stderr
    own, _, random = [json.loads(line) for line in found.stdout.splitlines()]
    assert (own["sampler"], random["sampler"]) == ("own_sampler:factory", "random")
    # the same Optuna sampler with the same seeds
    assert {**own, "sampler": "", "ask_ms": 0, "slow_ask_ms": 0} == {**random, "sampler": "", "ask_ms": 0, "slow_ask_ms": 0}
    assert own["found"] + own["regret"] == pytest.approx(0.812)
    assert own["regret_low"] is None


def test_a_table_that_does_not_fit_is_refused(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(spec(4, objectives=("score", "peak_memory_bytes")).to_json())
    found = nas("simulate", str(tmp_path / "other.json"), *files[1:])
    assert (found.returncode, found.stdout) == (2, "")
    assert "the table has no peak_memory_bytes, which the study asks for" in found.stderr


@pytest.mark.parametrize(
    ("place", "reason"),
    [("nas.nowhere:x", "No module named"), ("nas.seeds:nothing", "has no attribute"), ("nas.seeds:derive", "not an optuna")],
)
def test_a_sampler_that_is_none_is_refused(place: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        load_sampler(place)
