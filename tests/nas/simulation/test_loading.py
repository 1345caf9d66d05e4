import csv
import json
import tracemalloc
from itertools import islice, product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from nas.errors import Invalid
from nas.protocol import Protocol
from nas.simulation import bench_macro
from nas.simulation.files import read_table
from nas.simulation.loading import _Reading, table_of_rows
from nas.simulation.simulate import simulate
from search_spaces.space import Params, Space
from tests.nas.simulation.tables import PROTOCOL, SPACE, digest, rows, score, spec, table


def written(rows: list[dict[str, Any]], path: Path) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_every_number_of_a_file_is_where_it_belongs(tmp_path: Path, ending: str) -> None:
    shuffled = list(rows())
    Random(0).shuffle(shuffled)
    found = read_table(written(shuffled, tmp_path / f"table.{ending}"), spec())
    assert (len(found), found.n_seeds, found.metrics) == (9, 3, ("score", "mqar/accuracy"))
    for member in range(9):
        results = found.find(digest(member))
        assert results is not None
        expected = [[score(member, rung, seed) for seed in range(3)] for rung in range(3)]
        np.testing.assert_allclose(results.test["mqar/accuracy"], expected)
        np.testing.assert_allclose(results.searched["score"], np.add(expected, 0.1))
        np.testing.assert_allclose(results.seconds, [[1 + member + rung] * 3 for rung in range(3)])


def test_genes_may_be_written_as_other_programs_write_them(tmp_path: Path) -> None:
    space = Space(
        name="mixed",
        genes={
            "d_model": (32, 64),
            "rope": (True, False),
            "attention_ratio": (0.0, 1.0),
            "linear_mixer": ("retnet",),
            "depth": (1,),
        },
    )
    members: list[dict[str, Any]] = [
        {"d_model": 32.0, "attention_ratio": 1, "rope": "True", "linear_mixer": None},
        {"d_model": 64.0, "attention_ratio": 0, "rope": None, "linear_mixer": "retnet"},
    ]
    read = {"rung": 0, "seed": 7, "score": 0.5, "seconds": 1}
    protocol = PROTOCOL.model_copy(update={"rungs": PROTOCOL.rungs[:1]})
    for ending in ("csv", "json"):
        file = written([{**member, **read} for member in members], tmp_path / f"table.{ending}")
        found = read_table(file, spec(space=space, protocol=protocol))
        own: list[Params] = [{"d_model": 32, "attention_ratio": 1.0, "rope": True}, {"d_model": 64, "attention_ratio": 0.0}]
        assert {bytes.fromhex(space.build(params).digest) for params in own} == found.members.keys()


def test_truth_is_the_mean_over_seeds_at_the_last_rung() -> None:
    found = table()
    assert found.truth(digest(4)) == pytest.approx(np.mean([score(4, 2, seed) for seed in range(3)]))
    assert found.best == found.truth(digest(8))
    assert found.truth("00" * 32) is None
    lowest = found.with_rungs(PROTOCOL.model_copy(update={"rungs": PROTOCOL.rungs[:1]}))
    assert lowest.best == pytest.approx(np.mean([score(7, 0, seed) for seed in range(3)]))


def test_leaving_a_rung_out_leaves_its_time_to_the_next() -> None:
    fewer = table().with_rungs(PROTOCOL.model_copy(update={"rungs": PROTOCOL.rungs[1:]}))
    results = fewer.find(digest(2))
    assert results is not None
    np.testing.assert_allclose(results.seconds, [[3 + 4] * 3, [5] * 3])
    np.testing.assert_allclose(results.test["score"][1], [score(2, 2, seed) for seed in range(3)])


def test_without_validation_the_search_sees_test_data() -> None:
    plain = [{name: cell for name, cell in row.items() if not name.startswith("validation_")} for row in rows()]
    found = table_of_rows(plain, SPACE, PROTOCOL)
    assert found.searched is found.test


def spoilt(at: int, **cells: Any) -> list[dict[str, Any]]:
    found = list(rows())
    found[at] = {**found[at], **cells}
    return found


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "the table has no rows"),
        (list(rows())[:4] + list(rows())[5:], "row 1 has no row for rung 1, seed 1 (1 such holes)"),
        ([*rows(), *list(rows())[3:4]], "rows 4 and 82 are of the same architecture at rung 1, seed 0"),
        (list(rows(colour="red")), "'colour' is neither a gene of the space nor a metric"),
        (spoilt(0, **{"layer0.mixer": "mamba2"}), "row 1: layer0.mixer is 'mamba2', which the space does not allow"),
        (spoilt(5, score="good"), "row 6: score is 'good', which is no number"),
        (spoilt(5, score=float("nan")), "row 6: score is nan; give a finite number"),
        (spoilt(5, seconds=-1), "row 6: seconds is -1.0; give a finite number from 0 on"),
        (spoilt(5, rung=3), "row 6: rung 3 is none of the protocol's, which are 0 to 2"),
        (spoilt(5, seed=0.5), "row 6: seed is 0.5; give a whole number"),
        (spoilt(5, seed=1e300), "row 6: seed is 1e+300; give a whole number between"),
        (spoilt(5, seed=2**63), "row 6: seed is 9.22337e+18; give a whole number between"),
        (spoilt(5, score=10**400), "row 6: score is 1000"),
        (spoilt(5, rung=10**400), "row 6: rung is 1000"),
        (spoilt(5, **{"layer0.mixer": ["none"]}), "row 6: layer0.mixer is ['none'], which the space does not allow"),
        (spoilt(5, **{"layer0.mixer": {"a": 1}}), "row 6: layer0.mixer is {'a': 1}, which the space does not allow"),
        (spoilt(5, **{"layer0.mixer": 10**400}), "row 6: layer0.mixer is 1000"),
        (spoilt(5, **{"layer1.mixer": None}), "row 6: layer1.mixer: missing; allowed"),
        (spoilt(5, other=1), "row 6 has other columns than the first row: other"),
        ([{"rung": 0, "layer0.mixer": "none", "layer1.mixer": "none"}], "the table has no column 'seed'"),
        (list(rows(**{"validation_mqar/macro_accuracy": 1})), "'validation_mqar/macro_accuracy' stands alone"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_says_where(given: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        table_of_rows(given, SPACE, PROTOCOL)
    assert reason in str(caught.value)


def test_a_table_with_another_seed_in_every_row_takes_no_memory_for_its_holes() -> None:
    """600 members with one row each: 600 × 600 places are 2.9 MB of counts."""
    members = islice(product(bench_macro.CHOICES, repeat=8), 600)
    given = [
        {**dict(zip(bench_macro.LAYERS, mixers, strict=True)), "rung": 0, "seed": seed, "score": 0.5, "seconds": 1}
        for seed, mixers in enumerate(members)
    ]
    reading = _Reading(tuple(given[0]), bench_macro.SPACE, bench_macro.PROTOCOL)
    for number, row in enumerate(given, 1):
        reading.take(row, number)
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match=r"row 1 has no row for rung 0, seed 1 \(359,400 such holes\)"):
            reading.table()
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("table.csv", "a,b\n1\n", "table.csv:2 does not have one cell for each of the 2 names"),
        (
            "table.json",
            '[{"score": 0.5, "rung": 0, "score": 0.6}]',
            "is not JSON: an object has 'score' more than once; leave one",
        ),
        ("table.jsonl", '{"score": 0.5, "score": 0.6}', "table.jsonl:1 is not JSON: an object has 'score' more than once"),
        ("table.csv", "rung,score,seed,score\n0,1,0,2\n", "table.csv has 2 columns 'score'; leave all but one out"),
        ("table.json", "[1]", "row 1 of"),
        ("table.json", "{", "is not JSON"),
        ("table.json", "{}", "/name: is required"),
        ("table.jsonl", "[\n", "table.jsonl:1 is not JSON"),
        ("table.parquet", "text", "is not Parquet"),
        ("table.xlsx", "", "is none of .csv, .json, .jsonl, .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Invalid) as caught:
        read_table(tmp_path / name, spec())
    assert reason in str(caught.value)


def test_a_file_that_is_not_there_is_invalid(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="No such file"):
        read_table(tmp_path / "table.csv", spec())


def test_a_parquet_file_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    twice = pyarrow.Table.from_arrays([pyarrow.array([0.5])] * 2, names=["score", "score"])
    pyarrow.parquet.write_table(twice, tmp_path / "table.parquet")
    with pytest.raises(Invalid, match="has 2 columns 'score'"):
        read_table(tmp_path / "table.parquet", spec())


def published(**changed: Any) -> dict[str, Any]:
    """As NAS-Bench-Macro writes them: all networks whose first six layers are the identity."""
    return {
        f"000000{first}{second}": {"test_acc": [80.0 + 3 * first + second, 80.5], "flops": 2_000_000, **changed}
        for first, second in product(range(3), repeat=2)
    }


PART = Space(
    name="part",
    mode="micro",
    genes={"depth": (8,), "layer*.mixer": ("none",), **dict.fromkeys(bench_macro.LAYERS[6:], bench_macro.CHOICES)},
)


def test_the_published_file_of_nas_bench_macro_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "nas_bench_macro_cifar10.json"
    file.write_text(json.dumps(published()))
    study = spec(4, space=PART, protocol=bench_macro.PROTOCOL, eta=None)
    found = read_table(file, study)
    assert (len(found), found.n_seeds, found.space) == (9, 2, bench_macro.SPACE)
    assert found.best == pytest.approx((0.88 + 0.805) / 2)
    record = simulate(study, found)
    assert [evaluation.cost for evaluation in record.evaluations] == [1, 2, 3, 4]
    assert record.seconds == pytest.approx(4 * 2)


def test_a_study_that_does_not_fit_nas_bench_macro_is_told_one_that_does(tmp_path: Path) -> None:
    file = tmp_path / "nas_bench_macro_cifar10.json"
    file.write_text(json.dumps(published()))
    for study, reason in (
        (spec(), "protocol.learning_rates is"),
        (spec(protocol=bench_macro.PROTOCOL), "none of 200 architectures drawn from the study's space 'nine'"),
    ):
        with pytest.raises(Invalid) as caught:
            read_table(file, study)
        told = str(caught.value)
        assert reason in told
        fields = json.loads("{" + told[told.index('"space"') :] + "}")
        assert Space.from_data(fields["space"]) == bench_macro.SPACE
        assert Protocol.from_data(fields["protocol"]) == bench_macro.PROTOCOL


@pytest.mark.parametrize("changed", [{"flops": None}, {"test_acc": ["good"]}, {"test_acc": [10**400]}])
def test_a_broken_file_of_nas_bench_macro_is_invalid(tmp_path: Path, changed: dict[str, Any]) -> None:
    (tmp_path / "table.json").write_text(json.dumps(published(**changed)))
    with pytest.raises(Invalid, match="not NAS-Bench-Macro's file"):
        read_table(tmp_path / "table.json", spec())
