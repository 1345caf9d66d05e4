"""An evaluation that costs nothing: the score follows from the architecture's cost, the seed and the rung alone."""

from nas.run import Failure, FailureKind, Finished, LedgerEntry, Measurement, Result, Run, TaskResult
from search_spaces.cost import price
from search_spaces.primitives import CostContext

CONTEXT = CostContext(context_length=4096)


def score(run: Run) -> float:
    """Between 0 and 1, rising with the rung, different for almost every architecture."""
    cost = price(run.architecture, CONTEXT)
    return 0.5 + 0.4 * ((cost.state_bytes * 31 + cost.params * 7) % 9973) / 9973 + 0.05 * run.rung


def validation_score(run: Run) -> float:
    """Not far from the score, and in another order."""
    return score(run) + 0.02 * (run.seed % 7) / 7


def succeed(run: Run) -> Finished:
    """The run's result."""
    value = score(run)
    task = TaskResult(
        task="mqar", metric="accuracy", learning_rate=1e-3, edge_of_grid=False, values=(value,), standard_error=0.01,
        score=value, data_digest="0" * 64,
    )  # fmt: skip
    measurement = Measurement(
        n_params=1, optimiser_steps=1, tokens=1, wall_seconds=0.1, train_tokens_per_second=1.0, peak_memory_bytes=1,
        device="none", host="here", versions={},
    )  # fmt: skip
    entry = LedgerEntry(task="mqar", learning_rate=1e-3, replica=0, validation=value, test=value)
    result = Result(
        score=value, score_low=value - 0.02, score_high=value + 0.02, interval="test_sample",
        validation_score=validation_score(run), tasks=(task,), ledger=(entry,),
        measurement=measurement, folder=run.folder,
    )  # fmt: skip
    return _finished(run, result=result)


def score_as(run: Run, value: float) -> Finished:
    """The run's result with another score, on test and on validation data alike."""
    finished = succeed(run)
    assert finished.result is not None
    scores = {"score": value, "score_low": value - 0.02, "score_high": value + 0.02, "validation_score": value}
    return finished.model_copy(update={"result": finished.result.model_copy(update=scores)})


def measure(run: Run, **metrics: float) -> Finished:
    """The run's result, with these metrics of its task."""
    finished = succeed(run)
    assert finished.result is not None
    task = finished.result.tasks[0].model_copy(update={"metrics": metrics})
    return finished.model_copy(update={"result": finished.result.model_copy(update={"tasks": (task,)})})


def fail(run: Run, kind: FailureKind) -> Finished:
    """The run's failure."""
    return _finished(run, failure=Failure(kind=kind, message=f"pretended {kind}"))


def _finished(run: Run, result: Result | None = None, failure: Failure | None = None) -> Finished:
    return Finished(
        study_id=run.study_id, number=run.number, rung=run.rung, attempt=run.attempt, result=result, failure=failure
    )
