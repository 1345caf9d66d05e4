"""A table from finished studies of ours: every trial that passed all rungs, with its replicas as seeds.

Studies that differ in their seeds only may be put together: each adds its replicas to those of the others.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from nas.errors import Invalid
from nas.protocol import Protocol
from nas.run import Result
from nas.simulation.document import MemberResults, Numbers, TableDocument
from nas.store.views import RunView, TrialView
from nas.study import StudySpec
from nas.trial import Params

Columns = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Source:
    """A finished study and its trials, those of its references left out."""

    spec: StudySpec
    trials: Sequence[TrialView]


@dataclass(frozen=True, slots=True)
class _Measured:
    """A trial's results at one rung, a value for each replica."""

    test: Columns
    validation: Columns
    seconds: list[float]


def timed_where_measured(trial: TrialView, find: Callable[[str, int], TrialView]) -> TrialView:
    """Results that other studies measured took nothing here: they get the seconds that they took there.

    find: another study's trial, by the study's id and the number.
    """
    return replace(trial, runs=tuple(_timed_where_measured(run, find) for run in trial.runs))


def _timed_where_measured(run: RunView, find: Callable[[str, int], TrialView]) -> RunView:
    if run.result is None or run.result.origin is None:
        return run
    there = find(run.result.origin.study_id, run.result.origin.number)
    [seconds] = [own.result.measurement.wall_seconds for own in there.runs if own.rung == run.rung and own.result is not None]
    measurement = run.result.measurement.model_copy(update={"wall_seconds": seconds})
    return replace(run, result=run.result.model_copy(update={"measurement": measurement}))


def table_of_studies(sources: Sequence[Source]) -> TableDocument:
    """The members that every study measured at every rung. Raises `Invalid` where there is none, or the studies differ."""
    spec = sources[0].spec
    _check_alike(spec, [source.spec for source in sources[1:]])
    found = [{trial.row.architecture_digest: trial for trial in source.trials} for source in sources]
    measured = [{digest: rungs for digest, trial in each.items() if (rungs := _rungs(spec, trial))} for each in found]
    everywhere = [digest for digest in measured[0] if all(digest in each for each in measured)]
    if not everywhere:
        raise Invalid(
            "no architecture was measured at every rung; a table comes from studies without halving, best with the sampler"
            " exhaustive"
        )
    members = tuple(_member(found[0][digest].params, [each[digest] for each in measured]) for digest in everywhere)
    return TableDocument(name=spec.name, space=spec.space, protocol=spec.protocol, members=members)


def _check_alike(spec: StudySpec, others: Iterable[StudySpec]) -> None:
    for other in others:
        for name in ("space", "protocol", "matched"):
            if getattr(spec, name) != getattr(other, name):
                raise Invalid(f"{spec.name!r} and {other.name!r} differ in their {name}; a table has one")
    if spec.matched is not None:
        raise Invalid(f"{spec.name!r} compares at equal cost, which gene values do not tell; a table needs a study without")


def _rungs(spec: StudySpec, trial: TrialView) -> list[_Measured]:
    """Its results from the lowest rung on; none when one is missing, or a replica has no value."""
    results = {run.rung: run.result for run in trial.runs if run.result is not None}
    # higher rungs may have more replicas, of which nothing is known at the lower ones
    n_seeds = spec.protocol.rungs[0].replicas
    found = [_measured(spec.protocol, results[rung], n_seeds) for rung in range(len(spec.protocol.rungs)) if rung in results]
    whole = [each for each in found if each is not None]
    return whole if len(whole) == len(spec.protocol.rungs) else []


def _measured(protocol: Protocol, result: Result, n_seeds: int) -> _Measured | None:
    """None when a replica diverged at the learning rate that was chosen."""
    test: Columns = {}
    validation: Columns = {}
    for task in result.tasks:
        chosen = [entry for entry in result.ledger if (entry.task, entry.learning_rate) == (task.task, task.learning_rate)]
        values = [entry.validation for entry in sorted(chosen, key=lambda entry: entry.replica) if entry.validation is not None]
        if min(len(values), len(task.values)) < n_seeds:
            return None
        test[f"{task.task}/{task.metric}"] = list(task.values[:n_seeds])
        validation[f"{task.task}/{task.metric}"] = values[:n_seeds]
    seconds = result.measurement.wall_seconds / max(len(task.values) for task in result.tasks)
    return _Measured(_with_score(protocol, test), _with_score(protocol, validation), [seconds] * n_seeds)


def _with_score(protocol: Protocol, columns: Columns) -> Columns:
    """The mean over tasks on the scale of scores, seed by seed."""
    tasks = zip(protocol.task_keys(), protocol.tasks, strict=True)
    scores = [[task.score(value) for value in columns[f"{key}/{task.metric}"]] for key, task in tasks]
    return {"score": [fmean(values) for values in zip(*scores, strict=True)], **columns}


def _member(params: Params, sources: Sequence[Sequence[_Measured]]) -> MemberResults:
    """One source's seeds after the other's."""
    rungs = list(zip(*sources, strict=True))
    return MemberResults(
        genes=params,
        test=_by_name([[each.test for each in rung] for rung in rungs]),
        validation=_by_name([[each.validation for each in rung] for rung in rungs]),
        seconds=tuple(tuple(value for each in rung for value in each.seconds) for rung in rungs),
    )


def _by_name(rungs: Sequence[Sequence[Columns]]) -> dict[str, Numbers]:
    """From columns by rung and source."""
    return {name: tuple(tuple(value for columns in rung for value in columns[name]) for rung in rungs) for name in rungs[0][0]}
