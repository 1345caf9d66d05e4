"""Fills a study with trials as a driver would: through the driver's side of the store."""

from dataclasses import replace
from random import Random
from typing import Any

from sqlalchemy import Engine, text

from nas.ports import Batch, Claim, Event, RunRecord
from nas.run import Artifact, Finished, LedgerEntry, Measurement, Result, RunKey, RunState, TaskResult
from nas.store.driver_store import PostgresDriverStore
from nas.study import StudyState
from nas.trial import Trial, TrialState
from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.summary import summarise
from search_spaces.zoo import ZOO


class Driver:
    """A driver that finds its scores in a random number generator."""

    def __init__(self, engine: Engine, study_id: str) -> None:
        self.store = PostgresDriverStore(engine)
        self.claim = _claim(engine, self.store, study_id)
        self.sequence = self.store.history(self.claim).last_sequence

    def write(self, **changes: Any) -> None:
        self.sequence += 1
        self.store.write(self.claim, Batch(sequence=self.sequence, **changes))

    def become(self, state: StudyState, reason: str | None = None) -> None:
        self.write(study_state=state, reason=reason, events=(self.event("study.state", state=state, reason=reason),))

    def event(self, kind: str, **data: Any) -> Event:
        return Event(kind=kind, data=data)

    def add_trials(
        self,
        n_trials: int,
        references: tuple[str, ...] = (),
        artifacts: tuple[Artifact, ...] = (),
        built: tuple[Architecture, ...] = (),
    ) -> None:
        """Trials that all have a score: the references, those of architectures already built, and then any of the space.

        The best of all is on the Pareto front.
        """
        rng, spec = Random(0), self.claim.spec
        trials = []
        for number in range(n_trials):
            reference = references[number] if number < len(references) else None
            given = [ZOO[name].build() for name in references[number : number + 1]] or list(built[number : number + 1])
            params = {} if given else spec.space.sample(rng)
            architecture = given[0] if given else spec.space.build(params)
            trials.append(
                Trial(
                    number=number,
                    state=TrialState.QUEUED,
                    params=params,
                    architecture=architecture,
                    summary=summarise(architecture),
                    cost=price(architecture, spec.cost_at.context),
                    reference=reference,
                )
            )
        self.write(trials=tuple(trials))
        keys = [RunKey(self.claim.study_id, trial.number, 0, 1) for trial in trials]
        running = tuple(replace(trial, state=TrialState.RUNNING) for trial in trials)
        self.write(trials=running, runs=tuple(RunRecord(key=key, state=RunState.RUNNING) for key in keys))
        results = [result(rng.random(), key, artifacts, trial.cost.params) for key, trial in zip(keys, trials, strict=True)]
        scored = tuple(
            replace(trial, state=TrialState.PAUSED, rung=0, result=found) for trial, found in zip(running, results, strict=True)
        )
        best = max(scored, key=lambda trial: trial.score or 0)
        self.write(
            trials=scored,
            runs=tuple(
                RunRecord(
                    key=key,
                    state=RunState.SUCCEEDED,
                    finished=Finished(
                        study_id=key.study_id, number=key.number, rung=key.rung, attempt=key.attempt, result=found
                    ),
                )
                for key, found in zip(keys, results, strict=True)
            ),
            pareto=((best.number, True),),
            events=tuple(
                Event(kind="trial.state", data={"number": trial.number, "state": trial.state, "score": trial.score})
                for trial in scored[:40]
            ),
        )


def result(score: float, key: RunKey, artifacts: tuple[Artifact, ...] = (), n_params: int = 1) -> Result:
    return Result(
        score=score,
        score_low=max(0.0, score - 0.05),
        score_high=min(1.0, score + 0.05),
        interval="test_sample",
        validation_score=score,
        tasks=(
            TaskResult(
                task="mqar",
                metric="accuracy",
                learning_rate=1e-3,
                edge_of_grid=True,
                sensitivity=0.25,
                values=(score,),
                standard_error=0.02,
                score=score,
                data_digest="0" * 64,
            ),
        ),
        ledger=(
            LedgerEntry(task="mqar", learning_rate=1e-3, replica=0, validation=score, test=score),
            LedgerEntry(task="mqar", learning_rate=3e-3, replica=0, validation=score / 2, test=score / 3),
            LedgerEntry(task="mqar", learning_rate=1e-2, replica=0, validation=None, test=None, diverged=True),
        ),
        measurement=Measurement(
            n_params=n_params,
            optimiser_steps=1,
            tokens=1,
            wall_seconds=1.0,
            train_tokens_per_second=1.0,
            peak_memory_bytes=1,
            device="cpu",
            host="here",
            versions={"torch": "2"},
            joules_per_token=0.00125,
        ),
        folder=f"studies/{key.study_id}/trials/{key.number}/rung-{key.rung}/attempt-{key.attempt}",
        artifacts=artifacts,
    )


def _claim(engine: Engine, store: PostgresDriverStore, study_id: str) -> Claim:
    """The claim of this very study: those that were submitted before it are kept busy meanwhile."""
    with engine.begin() as connection:
        hold = "update nas_study set lease_expires = case when id <> :id then clock_timestamp() + interval '1 hour' end"
        connection.execute(text(hold), {"id": study_id})
    claim = store.claim(f"driver of {study_id}", 3600)
    assert claim is not None
    assert claim.study_id == study_id
    return claim
