"""A scored trial as the store would read it, with its files in a workspace."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save

from nas.export.bundle import Source
from nas.metrics import reported_metrics
from nas.run import Artifact, Measurement, Result, RunState, TaskResult
from nas.store.views import RunView, StudyRow, StudyView, TrialRow, TrialView
from nas.study import StudySpec, StudyState, Wish
from nas.trial import TrialState
from search_spaces.cost import price
from search_spaces.presets import PRESETS
from search_spaces.primitives import CostContext
from search_spaces.zoo import ZOO

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
FOLDER = "studies/s/trials/3/rung-1/attempt-2"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    for path, content in _files().items():
        target = folder / FOLDER / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


@pytest.fixture
def source_with(workspace: Path) -> Callable[..., Source]:
    """A function that makes a source whose result lists these artifacts (default: those that are there)."""

    def make(*artifacts: Artifact, scored: bool = True) -> Source:
        listed = artifacts or tuple(_artifact(path, content) for path, content in _files().items())
        return Source(study=_study(), trial=_trial(_result(listed) if scored else None), workspace=workspace, created=NOW)

    return make


@pytest.fixture
def source(source_with: Callable[..., Source]) -> Source:
    return source_with()


def _files() -> dict[str, bytes]:
    weights = save({"embed.weight": numpy.arange(600_000, dtype=numpy.float32)})
    return {"weights/mqar.safetensors": weights, "parity/mqar.safetensors": save({"tokens": numpy.ones(4, numpy.int64)})}


def _artifact(path: str, content: bytes) -> Artifact:
    return Artifact(path=path, sha256=sha256(content).hexdigest(), n_bytes=len(content))


def _result(artifacts: tuple[Artifact, ...]) -> Result:
    task = TaskResult(
        task="mqar",
        metric="accuracy",
        learning_rate=0.003,
        edge_of_grid=False,
        values=(0.5,),
        standard_error=0.01,
        score=0.5,
        data_digest="d" * 64,
    )
    measurement = Measurement(
        n_params=1,
        optimiser_steps=10,
        tokens=100,
        wall_seconds=1.0,
        train_tokens_per_second=100.0,
        peak_memory_bytes=1,
        device="cpu",
        host="here",
        versions={"torch": "2.13.0"},
    )
    return Result(
        score=0.5,
        score_low=0.48,
        score_high=0.52,
        interval="test_sample",
        validation_score=0.5,
        tasks=(task,),
        ledger=(),
        measurement=measurement,
        folder=FOLDER,
        artifacts=artifacts,
    )


def _study() -> StudyView:
    spec = StudySpec(name="recall | a test", space=PRESETS["recall_demo"](), seed=7)
    row = StudyRow(
        id="s",
        owner="me",
        name=spec.name,
        state=StudyState.COMPLETED,
        wish=Wish.RUN,
        reason=None,
        digest=spec.digest,
        counts={TrialState.COMPLETED: 1},
        measured=1,
        budget=20,
        progress=1.0,
        best_score=0.5,
        best_number=3,
        driver_alive=False,
        last_event=9,
        created_at=NOW,
        started_at=NOW,
        ended_at=NOW,
    )
    return StudyView(row=row, spec=spec)


def _trial(result: Result | None) -> TrialView:
    architecture = ZOO["transformer"].build(64, 256)
    row = TrialRow(
        number=3,
        state=TrialState.COMPLETED if result else TrialState.QUEUED,
        reference=None,
        summary="4x attention",
        architecture_digest=architecture.digest,
        cost=price(architecture, CostContext(context_length=4096)),
        rung=1 if result else None,
        score=result.score if result else None,
        score_low=result.score_low if result else None,
        score_high=result.score_high if result else None,
        interval=result.interval if result else None,
        n_replicas=1 if result else None,
        metrics=reported_metrics(result) if result else {},
        pareto=bool(result),
        twin=None,
        reason=None,
        created_at=NOW,
        updated_at=NOW,
    )
    runs = (RunView(rung=1, attempt=2, state=RunState.SUCCEEDED, started_at=NOW, ended_at=NOW, result=result),)
    return TrialView(row=row, params={"depth": 4}, architecture=architecture, runs=runs if result else ())
