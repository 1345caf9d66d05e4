"""Optuna storages, written in bulk and read: a database, or a journal file.

Optuna adds a trial to a database with about two statements for each param and attribute, a fifth of a second in all, so that
10,000 would take half an hour. Here all rows of one kind go in together. What storages hold is JSON: nothing of it is run.
"""

import json
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.distributions import distribution_to_json
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from nas.errors import Conflict, Invalid, NotFound
from nas.objectives import Values
from nas.optuna_trials import DUPLICATE
from nas.pareto import ParetoFront

FORMS: Final = "sqlite:///FILE.db, postgresql://USER:PASSWORD@HOST/DATABASE, or a journal file FILE.log"
JOURNALS: Final = (".log", ".journal")
BATCH: Final = 1000
"""Trials that go to a database together."""

_DAMAGED: Final = (ValueError, LookupError, TypeError, AssertionError)
"""What Optuna raises where a storage holds what it never writes."""

_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStudy:
    """A study to write. maximize: of each objective."""

    name: str
    objectives: Sequence[str]
    maximize: Sequence[bool]
    attributes: dict[str, Any]


def write_study(url: str, study: NewStudy, trials: Iterator[FrozenTrial]) -> int:
    """Write a whole study or, when something fails, none; how many trials it has.

    Raises `Invalid` for a storage that cannot be opened, `Conflict` when it has a study of that name.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _opened(url, make=True) as storage:
        directions = [StudyDirection.MAXIMIZE if each else StudyDirection.MINIMIZE for each in study.maximize]
        try:
            made = optuna.create_study(storage=storage, study_name=study.name, directions=directions)
        except DuplicatedStudyError:
            raise Conflict(
                f"the storage has a study {study.name!r} already: give another name with --name, or delete that one with:"
                f" optuna delete-study --storage URL --study-name {study.name!r}"
            ) from None
        try:
            return _fill(storage, made, study, trials)
        except BaseException:
            # whatever ends it, Ctrl-C too: half a study must not stay under the name of a whole one
            optuna.delete_study(study_name=study.name, storage=storage)
            raise


def read_best(url: str, name: str | None) -> tuple[str, list[FrozenTrial]]:
    """A study's name, or that of the only one, and its complete and feasible trials: the Pareto front, then by first objective.

    What our own exports mark as a duplicate is left out. Changes nothing. Raises `Invalid` for a storage that cannot be opened,
    cannot be read, or holds several studies; `NotFound` when it has none of that name.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _opened(url, make=False) as storage:
        names = sorted(optuna.get_all_study_names(storage))
        listed = ", ".join(map(repr, names[:10])) or "none"
        if name is None and len(names) != 1:
            raise Invalid(f"the storage has {len(names)} studies: say which with --name; there are {listed}")
        chosen = names[0] if name is None else name
        if chosen not in names:
            raise NotFound(f"the storage has no study {chosen!r}; there are {listed}")
        signs, found = _complete(url, storage, chosen)
    return chosen, _best_first(signs, found)


def _complete(url: str, storage: BaseStorage, name: str) -> tuple[list[int], list[FrozenTrial]]:
    """1 for each objective that is maximised and -1 for the others; the complete trials. Raises `Invalid` for damaged ones."""
    try:
        study = optuna.load_study(study_name=name, storage=storage)
        # unfinished ones would be read again each time that Optuna is asked
        found = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        n_objectives = len(study.directions)
        for trial in found:
            if len(trial.values or ()) != n_objectives:
                raise ValueError(f"trial {trial.number} has {len(trial.values or ())} values for {n_objectives} objectives")
            if not all(isinstance(value, int | float) for value in trial.constraints.values()):
                raise TypeError(f"trial {trial.number} has a constraint that is no number")
    except _DAMAGED as error:
        shown = make_url(url).render_as_string(hide_password=True) if "://" in url else url
        raise Invalid(
            f"{shown}: study {name!r:.200} is damaged: {_line(error)}; give a copy from before, or delete those trials"
        ) from error
    return [1 if direction is StudyDirection.MAXIMIZE else -1 for direction in study.directions], found


def _best_first(signs: Sequence[int], found: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    front, values = ParetoFront(), dict[int, Values]()
    feasible = (trial for trial in found if all(value <= 0 for value in trial.constraints.values()))
    distinct = {trial.number: trial for trial in feasible if DUPLICATE not in trial.user_attrs}
    for number, trial in distinct.items():
        values[number] = tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
        front.add(number, 0, values[number])
    order = sorted(distinct, key=lambda number: (number not in front, -values[number][0], number))
    return [distinct[number] for number in order]


def _fill(storage: BaseStorage, made: optuna.Study, study: NewStudy, trials: Iterator[FrozenTrial]) -> int:
    with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):
        made.set_metric_names(list(study.objectives))
    for name, value in study.attributes.items():
        made.set_user_attr(name, value)
    if not isinstance(storage, RDBStorage):
        everything = list(trials)
        made.add_trials(everything)
        return len(everything)
    n_trials = 0
    with storage.engine.begin() as connection:
        while batch := list(islice(trials, BATCH)):
            _insert(connection, made._study_id, batch, n_trials)
            n_trials += len(batch)
    return n_trials


# one URL, one storage


@contextmanager
def _opened(url: str, *, make: bool) -> Iterator[BaseStorage]:
    if "://" not in url:
        yield from _journal(Path(url), make=make)
        return
    parsed = _parsed(url, make=make)
    try:
        whole = parsed.render_as_string(hide_password=False)
        # without a pool nothing stays open when this fails half way
        storage = RDBStorage(whole, {"poolclass": NullPool}, skip_table_creation=not make)
    except (SQLAlchemyError, StorageInternalError, RuntimeError, ValueError) as error:
        # an option in the URL that is no number is a ValueError
        raise _unusable(parsed, error) from error
    try:
        yield storage
    except (SQLAlchemyError, StorageInternalError) as error:
        raise _unusable(parsed, error) from error


def _parsed(url: str, *, make: bool) -> URL:
    """With the driver that is installed. Raises `Invalid`, without repeating what may hold a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise Invalid(f"the storage's URL cannot be read; give {FORMS}") from None
    if parsed.drivername not in _DRIVERS:
        raise Invalid(f"{parsed.drivername[:40]!r} storages are not supported; give {FORMS}")
    if parsed.drivername == "sqlite" and not parsed.database:
        raise Invalid(f"a SQLite storage needs a file, such as sqlite:///study.db; give {FORMS}")
    file = str(parsed.database)
    if parsed.drivername == "sqlite" and not make and not _is_file(Path(file)):
        raise Invalid(f"there is no file {file[:200]}; sqlite:/// and a relative path start in this folder")
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def _is_file(path: Path) -> bool:
    """Also of a name that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def _unusable(url: URL, error: Exception) -> Invalid:
    shown = url.render_as_string(hide_password=True)
    return Invalid(f"{shown} is no Optuna storage that can be used: {_first_line(error)}; check the URL, and give {FORMS}")


def _first_line(error: Exception) -> str:
    return _line(error.__cause__ or getattr(error, "orig", None) or error)


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _journal(path: Path, *, make: bool) -> Iterator[BaseStorage]:
    if path.suffix not in JOURNALS:
        raise Invalid(f"{path} names no storage; give {FORMS}")
    if not make and not _is_file(path):
        raise Invalid(f"there is no file {str(path)[:200]}; give {FORMS}")
    try:
        backend = _Gathered(JournalFileBackend(str(path)))
        storage = JournalStorage(backend)
    except (OSError, *_DAMAGED) as error:
        raise Invalid(f"{path} cannot be read as a journal: {_first_line(error)}; give {FORMS}") from error
    yield storage
    backend.flush()


@dataclass(slots=True)
class _Gathered(BaseJournalBackend):
    """A journal whose new entries are written together at the end: the file's own way locks and syncs it for each."""

    file: JournalFileBackend
    new: list[dict[str, Any]] = field(default_factory=list)
    n_old: int = -1

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        if self.n_old < 0:
            old = list(self.file.read_logs(0))
            self.n_old = len(old)
            yield from old[log_number_from:]
        yield from self.new[max(0, log_number_from - self.n_old) :]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        # what is read back must be what the file will hold
        self.new += json.loads(json.dumps(logs))

    def flush(self) -> None:
        if self.new:
            self.file.append_logs(self.new)


# rows


def _insert(connection: Connection, study_id: int, trials: Sequence[FrozenTrial], first_number: int) -> None:
    """The rows that Optuna would write for these trials, its numbers going on from the first."""
    made = insert(models.TrialModel).returning(models.TrialModel.trial_id, sort_by_parameter_order=True)
    heads = [_head(study_id, trial, number) for number, trial in enumerate(trials, start=first_number)]
    ids = connection.execute(made, heads).scalars().all()
    by_id = list(zip(ids, trials, strict=True))
    for model, rows in (
        (models.TrialParamModel, [row for each in by_id for row in _params(*each)]),
        (models.TrialValueModel, [row for each in by_id for row in _values(*each)]),
        (models.TrialIntermediateValueModel, [row for each in by_id for row in _steps(*each)]),
        (models.TrialUserAttributeModel, [row for at, trial in by_id for row in _attributes(at, trial.user_attrs)]),
        (models.TrialSystemAttributeModel, [row for at, trial in by_id for row in _attributes(at, trial.system_attrs)]),
    ):
        if rows:
            connection.execute(insert(model), rows)


def _head(study_id: int, trial: FrozenTrial, number: int) -> dict[str, Any]:
    row = models.TrialModel(datetime_start=trial.datetime_start, datetime_complete=trial.datetime_complete)
    times = {"datetime_start": row._datetime_start_utc, "datetime_complete": row._datetime_complete_utc}
    return {"study_id": study_id, "number": number, "state": trial.state, **times}


def _params(trial_id: int, trial: FrozenTrial) -> Iterator[dict[str, Any]]:
    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        yield {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": distribution.to_internal_repr(value),
            "distribution_json": distribution_to_json(distribution),
        }


def _values(trial_id: int, trial: FrozenTrial) -> Iterator[dict[str, Any]]:
    for objective, value in enumerate(trial.values or ()):
        stored, kind = models.TrialValueModel.value_to_stored_repr(value)
        yield {"trial_id": trial_id, "objective": objective, "value": stored, "value_type": kind}


def _steps(trial_id: int, trial: FrozenTrial) -> Iterator[dict[str, Any]]:
    for step, value in trial.intermediate_values.items():
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        yield {"trial_id": trial_id, "step": step, "intermediate_value": stored, "intermediate_value_type": kind}


def _attributes(trial_id: int, attributes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in attributes.items():
        yield {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
