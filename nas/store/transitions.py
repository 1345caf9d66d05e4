"""Checks what a driver writes against the transition tables of study, trial and run. A violation is a bug in the driver."""

from collections.abc import Iterable, Mapping, Set
from enum import StrEnum
from typing import TypeVar

from nas.run import RUN_TRANSITIONS, RunState
from nas.study import STUDY_TRANSITIONS, StudyState
from nas.trial import TRIAL_TRANSITIONS, TrialState

State = TypeVar("State", bound=StrEnum)


class IllegalTransition(ValueError):
    """A write that the transition tables do not allow. Nothing of its batch is stored."""


def check_study(study_id: str, old: StudyState, new: StudyState) -> None:
    """A study may stay where it is, or follow its table. Raises `IllegalTransition`."""
    if new is not old:
        _follow(f"study {study_id}", STUDY_TRANSITIONS, old, new)


def check_trial(number: int, path: Iterable[TrialState], old: TrialState | None) -> None:
    """A trial starts queued, infeasible or as a duplicate; a final one never changes. Raises `IllegalTransition`."""
    _walk(f"trial {number}", TRIAL_TRANSITIONS, _FIRST_TRIAL_STATES, path, old)


def check_run(name: str, path: Iterable[RunState], old: RunState | None) -> None:
    """A run starts running and ends once. Raises `IllegalTransition`."""
    _walk(name, RUN_TRANSITIONS, frozenset({RunState.RUNNING}), path, old)


_FIRST_TRIAL_STATES = frozenset({TrialState.QUEUED, TrialState.INFEASIBLE, TrialState.DUPLICATE})


def _walk(name: str, table: Mapping[State, Set[State]], first: Set[State], path: Iterable[State], old: State | None) -> None:
    for new in path:
        if old is None and new not in first:
            raise IllegalTransition(f"{name} cannot begin as {new}: begin with {', '.join(sorted(first))}")
        if old is not None and not (new is old and table[old]):
            _follow(name, table, old, new)
        old = new


def _follow(name: str, table: Mapping[State, Set[State]], old: State, new: State) -> None:
    if new not in table[old]:
        allowed = ", ".join(sorted(table[old])) or "nothing, it is final"
        raise IllegalTransition(f"{name} is {old} and cannot become {new}; it may become {allowed}")
