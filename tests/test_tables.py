"""The tables that come with the project: each has its whole space, is of the study beside it, and can be searched."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import optuna
import pytest

from nas.simulation.files import read_table
from nas.simulation.regret import regret
from nas.simulation.simulate import simulate
from nas.study import StudySpec
from nas.submission import parse_spec
from search_spaces.space import Space

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "docs" / "tables").glob("*/table.json"))

pytestmark = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def read(file: Path) -> StudySpec:
    return parse_spec(json.loads(file.read_text()))


def members(space: Space) -> Iterator[bytes]:
    """The digests of all there are: every choice of every gene, without the genes that it leaves inactive."""
    choices = {name: values for name, values in space.genes.items() if isinstance(values, tuple) and len(values) > 1}
    for values in product(*choices.values()):
        params = dict(zip(choices, values, strict=True))
        inactive = {problem.field for problem in space.problems(params)}
        yield bytes.fromhex(space.build({name: value for name, value in params.items() if name not in inactive}).digest)


def test_every_member_of_the_space_was_measured(folder: Path):
    spec = read(folder / "study.json")
    table = read_table(folder / "table.json", spec)
    assert table.members.keys() == set(members(spec.space))
    assert table.n_seeds == spec.protocol.rungs[0].replicas


def test_the_study_beside_it_runs_on_it(folder: Path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = read(folder / "study.json")
    table = read_table(folder / "table.json", spec)
    record = simulate(spec, table)
    assert Counter(trial.state for trial in record.trials if trial.twin is None) == {"completed": len(table)}


def test_the_search_beside_it_finds_a_good_one(folder: Path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = read(folder / "search.json")
    table = read_table(folder / "table.json", spec)
    found = regret(simulate(spec, table, n_workers=4), table)
    assert found[-1] < 0.5 * found[0]
