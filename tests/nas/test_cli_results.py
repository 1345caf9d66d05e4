"""What `nas top` prints of a study's own objectives."""

from datetime import UTC, datetime

import pytest

from nas.cli.results import further_columns, print_leaderboard
from nas.store.views import LeaderboardRow, TrialRow
from nas.trial import TrialState
from search_spaces.primitives import Cost
from tests.nas.spaces import study

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def row(number: int, metrics: dict[str, float]) -> LeaderboardRow:
    trial = TrialRow(
        number=number, state=TrialState.COMPLETED, reference=None, summary="2x attention", architecture_digest="0" * 64,
        cost=Cost(params=1_500, active_params=1_000, flops_per_token=10, state_bytes=2_048), rung=1, score=0.5, score_low=0.4,
        score_high=0.6, interval="replicas", n_replicas=3, metrics=metrics, pareto=True, twin=None, reason=None,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return LeaderboardRow(rank=number + 1, trial=trial)


def test_top_has_a_column_for_every_objective(capsys: pytest.CaptureFixture[str]) -> None:
    spec = study(objectives=("params", "state_bytes", "score", "mqar/macro_accuracy"))
    print_leaderboard([row(0, {"mqar/macro_accuracy": 0.1239999}), row(1, {})], False, further_columns(spec))
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split()[-6:] == ["FLOPs", "state_bytes", "mqar/macro_accuracy", "state", "front", "architecture"]
    assert first.split()[-6:] == ["2.05K", "0.124", "completed", "*", "2x", "attention"]
    assert second.split()[-5:] == ["-", "completed", "*", "2x", "attention"]
