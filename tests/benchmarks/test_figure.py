import json

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.figure import Goal, Peer, figure


def test_figure_ratio_is_above_one_where_it_is_better_than_its_peer() -> None:
    goal = Goal(of="ratio", at="least", bound=2)
    faster = figure("trials", 100, "1/s", goal, better="higher", peer=Peer(name="the other", value=25))
    quicker = figure("page", 5, "ms", goal, better="lower", peer=Peer(name="the other", value=20))
    slower = figure("page", 20, "ms", goal, better="lower", peer=Peer(name="the other", value=5))
    assert [(item.ratio, item.holds) for item in (faster, quicker, slower)] == [(4, True), (4, True), (0.25, False)]


@pytest.mark.parametrize(("value", "holds"), [(19.9, True), (20, True), (20.1, False)])
def test_figure_goal_on_the_value_needs_no_peer(value: float, holds: bool) -> None:
    made = figure("page", value, "ms", Goal(of="value", at="most", bound=20), better="lower")
    assert (made.holds, made.goal, made.ratio) == (holds, "value <= 20", None)


def test_figure_goal_on_the_ratio_needs_a_peer() -> None:
    with pytest.raises(ValueError, match="needs a peer"):
        figure("page", 1, "ms", Goal(of="ratio", at="least", bound=2), better="lower")


def test_figure_line_has_what_it_takes_to_judge_it() -> None:
    made = figure("page", 5, "ms", Goal(of="value", at="most", bound=20), better="lower", peer=Peer(name="x", value=10))
    line = json.loads(made.to_json())
    assert list(line) == [
        "name", "value", "unit", "peer", "peer_value", "ratio", "goal", "holds", "machine", "versions",
    ]  # fmt: skip
    assert "python" in line["versions"]
    assert "cores" in line["machine"]


def test_benchmarks_are_listed_with_what_they_measure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {"control_plane", "cpu_kernels", "leaderboard"} <= set(listed)
    assert all(listed.values())
