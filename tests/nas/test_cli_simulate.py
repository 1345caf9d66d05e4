import json
from pathlib import Path

import pytest

from nas.cli.simulate import _cells, _outcome, load_sampler
from nas.errors import Invalid
from nas.simulation.simulate import simulate
from nas.study import Constraint
from nas.submission import parse_spec
from nas.warm_start import WarmStart
from tests.nas.simulation.tables import MIXERS, rows, spec, table
from tests.service import nas

OWN_SAMPLER = """
from nas.sampling.random import Uniform

def factory(seed):
    return Uniform(seed=seed)

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
    # the same sampler with the same seeds
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


def test_a_sampler_that_is_never_asked_takes_no_time() -> None:
    """A warm start has the whole budget."""
    starts = WarmStart(params=tuple({"layer0.mixer": mixer, "layer1.mixer": "none"} for mixer in MIXERS))
    found = _outcome("tpe", table(), [simulate(spec(3, warm_start=starts), table())])
    assert (found.ask_ms, found.slow_ask_ms) == (None, None)
    assert _cells(found)[-2:] == ("-", "-")
    assert found.found + found.regret == pytest.approx(0.812)


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_search_of_which_nothing_is_taken_home_has_no_regret(repeats: int) -> None:
    impossible = spec(3, constraints=(Constraint(metric="score", min=0.99),))
    records = [simulate(impossible, table(), seed=seed) for seed in range(repeats)]
    with pytest.raises(Invalid, match=f"tpe: no trial kept the constraints in {repeats} of {repeats} repeats.*; loosen"):
        _outcome("tpe", table(), records)


@pytest.mark.parametrize("warm_start", [None, [], "abc"])
def test_a_warm_start_that_is_none_is_said_to_be(warm_start: object) -> None:
    with pytest.raises(Invalid) as caught:
        parse_spec({**spec().to_data(), "warm_start": warm_start})
    assert [problem.pointer for problem in caught.value.problems] == ["/warm_start"]
