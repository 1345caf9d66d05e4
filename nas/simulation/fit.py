"""Whether a table can answer a study."""

import json
from random import Random
from typing import Any

from nas.data.pinning import READERS
from nas.members import matched, unmatched
from nas.objectives import asked_of
from nas.protocol import Protocol
from nas.simulation.table import Table
from nas.study import StudySpec
from search_spaces.matching import Unmatched

N_DRAWN = 200
"""Members of the study's space that are looked up: a space of which the table has less than one in a hundred is another one."""
DIGESTS = frozenset(digest for _, _, digest in READERS.values())
"""Fields that submission fills in: a study that leaves them out means whatever text the table was measured on."""


def misfit(spec: StudySpec, table: Table) -> str | None:
    """Why not, for a person, and what to do; None when it can."""
    problem = _other_protocol(spec.protocol, table) or _too_few_seeds(spec, table)
    return problem or _other_metrics(spec, table) or _too_slow(spec, table) or _other_space(spec, table)


def _other_protocol(protocol: Protocol, table: Table) -> str | None:
    other = _other_tasks(protocol, table.protocol) or _other_training(protocol, table.protocol)
    if other is not None:
        return other
    there = [rung.steps for rung in table.protocol.rungs]
    missing = [rung.steps for rung in protocol.rungs if rung.steps not in there]
    if missing:
        steps = ", ".join(f"{steps:,}" for steps in there)
        return f"the table has no rung of {missing[0]:,} steps; give the study rungs of {steps} steps, or some of them"
    return None


def _too_few_seeds(spec: StudySpec, table: Table) -> str | None:
    """What confirms must not be among the seeds that the search chose by."""
    replicas = spec.protocol.rungs[-1].replicas
    if replicas > table.n_seeds:
        return (
            f"the study has {replicas} replicas and the table {table.n_seeds} seeds of each architecture;"
            " give the last rung no more replicas than that"
        )
    fresh = spec.confirmation.seeds if spec.confirmation else 0
    if replicas + fresh > table.n_seeds:
        return (
            f"the study's last rung has {replicas} replicas and its confirmation {fresh} fresh seeds, and the table"
            f" {table.n_seeds} seeds of each architecture, which leaves {table.n_seeds - replicas} fresh ones; ask for no more,"
            " or leave confirmation out"
        )
    return None


def _other_tasks(asked: Protocol, measured: Protocol) -> str | None:
    names = [[task.name for task in protocol.tasks] for protocol in (measured, asked)]
    if names[0] != names[1]:
        ours, theirs = map(", ".join, names)
        return f"the table was measured on {ours}, the study asks for {theirs}; give it the table's tasks"
    for key, own, there in zip(asked.task_keys(), asked.tasks, measured.tasks, strict=True):
        for field, value in own:
            known = getattr(there, field)
            if value != known and not (value is None and field in DIGESTS):
                return f"{key} has {field} {value!r:.80} in the study and {known!r:.80} in the table; give it the table's"
    return None


def _other_training(asked: Protocol, measured: Protocol) -> str | None:
    """Other learning rates would also make each run cost something else than it says."""
    own, there = (_training(protocol) for protocol in (asked, measured))
    for field, value in own.items():
        if value != there[field]:
            values = f"{json.dumps(value):.80} in the study and {json.dumps(there[field]):.80} in the table"
            return f"protocol.{field} is {values}; give it the table's"
    return None


def _training(protocol: Protocol) -> dict[str, Any]:
    """What every run does alike, by the name of its field."""
    data = protocol.to_data()
    recipe = {f"recipe.{name}": value for name, value in data["recipe"].items()}
    return {"learning_rates": data["learning_rates"], **recipe}


def _other_metrics(spec: StudySpec, table: Table) -> str | None:
    missing = [name for name in asked_of(spec) if name not in table.metrics]
    if not missing:
        return None
    return (
        f"the table has no {missing[0]}, which the study asks for; it has {', '.join(table.metrics)}, and exact costs are known"
    )


def _too_slow(spec: StudySpec, table: Table) -> str | None:
    """A worker would end such a run as one that timed out."""
    slowest = float(table.seconds.sum(axis=1).max()) * spec.protocol.rungs[-1].replicas
    if slowest <= spec.budget.max_run_seconds:
        return None
    most = spec.budget.max_run_seconds
    return f"the table has a run of {slowest:,.0f} s, and budget.max_run_seconds is {most:,g}; give at least what the run takes"


def _other_space(spec: StudySpec, table: Table) -> str | None:
    if spec.space == table.space and spec.matched is None:
        return None
    rng = Random(0)
    for _ in range(N_DRAWN):
        try:
            architecture = matched(spec, unmatched(spec, spec.space.sample(rng)))
        except Unmatched:
            continue
        if table.find(architecture.digest) is not None:
            return None
    return (
        f"the table has none of {N_DRAWN} architectures drawn from the study's space {spec.space.name!r};"
        f" search the table's space {table.space.name!r} or a part of it"
    )
