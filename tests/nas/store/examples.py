"""Studies, trials and results that the store's tests share."""

from collections.abc import Iterable
from itertools import count

from sqlalchemy import Engine, text

from nas.keys import Principal
from nas.ports import Batch, Claim, RunRecord
from nas.run import Failure, Finished, LedgerEntry, Measurement, Result, RunKey, RunState, TaskResult
from nas.store.driver_store import PostgresDriverStore
from nas.store.submissions import submit_study
from nas.study import StudySpec
from nas.trial import Trial, TrialState
from search_spaces.architecture import Architecture, Layer
from search_spaces.presets import recall_demo
from search_spaces.primitives import Cost
from search_spaces.primitives.swiglu import SwiGLU

ALICE = Principal("alice-key", "alice", frozenset({"read", "write"}))
BOB = Principal("bob-key", "bob", frozenset({"read", "write"}))
ADMIN = Principal("root-key", "root", frozenset({"admin"}))

COST = Cost(params=10, active_params=9, flops_per_token=8, state_bytes=7)

_names = count()


def spec(name: str | None = None) -> StudySpec:
    """A study of its own name."""
    return StudySpec(name=name or f"study {next(_names)}", space=recall_demo())


def architecture(d_model: int = 64) -> Architecture:
    return Architecture(d_model=d_model, core=(Layer(channel=SwiGLU(d_ff=128)),))


def result(score: float, folder: str = "here") -> Result:
    """One task, two replicas, one entry in the ledger."""
    return Result(
        score=score,
        score_low=score - 0.1,
        score_high=score + 0.1,
        interval="replicas",
        validation_score=score + 0.01,
        tasks=(
            TaskResult(
                task="mqar",
                metric="accuracy",
                learning_rate=1e-3,
                edge_of_grid=False,
                values=(score, score),
                standard_error=0.01,
                score=score,
                data_digest="0" * 64,
            ),
        ),
        ledger=(LedgerEntry(task="mqar", learning_rate=1e-3, replica=0, validation=score, test=score),),
        measurement=Measurement(
            n_params=1,
            optimiser_steps=1,
            tokens=1,
            wall_seconds=1.0,
            train_tokens_per_second=1.0,
            peak_memory_bytes=1,
            device="cpu",
            host="test",
            versions={"torch": "2"},
        ),
        folder=folder,
    )


def trial(
    number: int,
    state: TrialState = TrialState.QUEUED,
    *,
    score: float | None = None,
    rung: int = 0,
    reference: str | None = None,
    cost: Cost = COST,
    d_model: int = 64,
) -> Trial:
    return Trial(
        number=number,
        state=state,
        params={"d_model": d_model, "mixer": "gla", "ratio": 0.5, "tied": True},
        architecture=architecture(d_model),
        summary=f"{d_model}: swiglu",
        cost=cost,
        reference=reference,
        rung=None if score is None else rung,
        result=None if score is None else result(score),
    )


def through(item: Trial) -> tuple[Trial, ...]:
    """The trial and the states it passed before."""
    before = {
        TrialState.RUNNING: (TrialState.QUEUED,),
        TrialState.PAUSED: (TrialState.QUEUED, TrialState.RUNNING),
        TrialState.PRUNED: (TrialState.QUEUED, TrialState.RUNNING, TrialState.PAUSED),
        TrialState.COMPLETED: (TrialState.QUEUED, TrialState.RUNNING),
        TrialState.FAILED: (TrialState.QUEUED, TrialState.RUNNING),
        TrialState.CANCELLED: (TrialState.QUEUED,),
    }
    return (*(trial(item.number, state) for state in before.get(item.state, ())), item)


def started(study_id: str, number: int, rung: int = 0, attempt: int = 1) -> RunRecord:
    return RunRecord(key=RunKey(study_id, number, rung, attempt), state=RunState.RUNNING)


def succeeded(study_id: str, number: int, score: float, rung: int = 0, attempt: int = 1) -> RunRecord:
    key = RunKey(study_id, number, rung, attempt)
    outcome = result(score, folder=f"trial-{number}/rung-{rung}/attempt-{attempt}")
    finished = Finished(study_id=study_id, number=number, rung=rung, attempt=attempt, result=outcome)
    return RunRecord(key=key, state=RunState.SUCCEEDED, finished=finished)


def failed(study_id: str, number: int, message: str = "gone", rung: int = 0, attempt: int = 1) -> RunRecord:
    failure = Failure(kind="crash", message=message)
    finished = Finished(study_id=study_id, number=number, rung=rung, attempt=attempt, failure=failure)
    return RunRecord(key=RunKey(study_id, number, rung, attempt), state=RunState.FAILED, finished=finished)


def claimed(store: PostgresDriverStore, principal: Principal = ALICE) -> Claim:
    """A new study, claimed."""
    study_id = submit_study(store.engine, principal, spec()).study_id
    claim = store.claim("driver", 60)
    assert claim is not None
    assert claim.study_id == study_id
    return claim


def end_other_connections(engine: Engine) -> None:
    """What a restart of the server does to those who are connected."""
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


def everything(engine: Engine) -> list[object]:
    """All rows of all tables, leases included."""
    with engine.connect() as connection:
        return [
            connection.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t ORDER BY 1")).scalars().all()
            for table in ("nas_study", "nas_trial", "nas_run", "nas_event", "nas_architecture")
        ]


def write_trials(store: PostgresDriverStore, claim: Claim, trials: Iterable[Trial], sequence: int = 1) -> None:
    """One batch with the trials in their states."""
    steps = tuple(step for item in trials for step in through(item))
    store.write(claim, Batch(sequence=sequence, trials=steps))
