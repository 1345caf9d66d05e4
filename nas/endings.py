"""How a run may end, as its campaign takes it in: failures that the campaign itself finds, and their one-line reasons."""

from collections.abc import Sequence

from nas.metrics import reported_metrics, search_metrics
from nas.run import MAX_LOSSES, Failure, Finished, RunKey

MAX_REASON = 500

NOTHING = Failure(kind="crash", message="the executor gave neither a result nor a failure")
FATAL = Failure(
    kind="crash",
    message=f"its driver went away while it ran, {MAX_LOSSES} times",
    hint="See the driver's log for how it ended: this run may have taken it down, by taking all memory for example.",
)


def failed(key: RunKey, failure: Failure) -> Finished:
    """A run that ended so."""
    return Finished(study_id=key.study_id, number=key.number, rung=key.rung, attempt=key.attempt, failure=failure)


def with_all(finished: Finished, asked: Sequence[str]) -> Finished:
    """The same, or the failure of a result that lacks a metric of the study's."""
    if finished.result is None:
        return finished
    reported, searched = reported_metrics(finished.result), search_metrics(finished.result)
    lacking = [name for name in asked if name not in reported or name not in searched]
    if not lacking:
        return finished
    failure = Failure(
        kind="invalid",
        message=f"the result has no {', '.join(lacking)}, which the study asks for",
        hint="A device or task may be unable to measure it: take it out of objectives and constraints, and submit again.",
    )
    return failed(finished.key, failure)


def in_a_line(failure: Failure) -> str:
    """The failure as a row's reason."""
    return f"{failure.kind}: {failure.message}"[:MAX_REASON]
