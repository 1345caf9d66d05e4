"""Reads what an export is made from out of the store and the workspace: a study and a trial, and the weights of one task."""

import hashlib
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine

from nas.errors import Conflict, Invalid
from nas.export.bundle import Corrupt, Source, stored
from nas.export.folder import Parcel
from nas.export.form import Subject
from nas.export.manifest import Trained
from nas.keys import Principal
from nas.run import Artifact, Result
from nas.store.reads import get_study, get_trial
from nas.store.views import TrialView


def read_source(engine: Engine, principal: Principal, study_id: str, number: int, workspace: Path) -> Source:
    """What exports of a trial are made from; always the same for the same result. Raises `NotFound`."""
    study = get_study(engine, principal, study_id)
    trial = get_trial(engine, principal, study_id, number)
    return Source(study=study, trial=trial, created=trial.row.updated_at, workspace=workspace)


def require_weights(source: Source) -> None:
    """Raises `Conflict` for a trial that has none."""
    if (missing := missing_weights(source)) is not None:
        raise Conflict(missing)


def lacks_weights(trial: TrialView) -> bool:
    """Whether no run of it left weights."""
    return trial.result is None or not trial.result.artifacts


def missing_weights(source: Source) -> str | None:
    """Why a trial has no weights; None when it has some."""
    if not lacks_weights(source.trial):
        return None
    row = source.trial.row
    return f"trial {row.number} is {row.state} and has no weights; export one that has a score, or another form without weights"


def require_task(source: Source, task: str | None) -> str:
    """Whose weights are meant; by default the first's. Raises `Invalid` for a task that the study does not have."""
    keys = source.study.spec.protocol.task_keys()
    if task is not None and task not in keys:
        raise Invalid(f"this study has no task {task[:100]!r}; it has {', '.join(keys)}")
    return task or keys[0]


def parcel(source: Source, *, task: str | None, weights: bool) -> Parcel:
    """A trial as every form takes it, with the weights of one task (default: the first) unless `weights` is false.

    Raises `Invalid` for a task that the study does not have, `NotFound` and `Corrupt` for files that are not as recorded.
    """
    key, missing = require_task(source, task), missing_weights(source)
    title = f'trial {source.trial.row.number} of "{source.study.spec.name}"'
    plain = Parcel(subject=Subject(architecture=source.trial.architecture, title=title), moment=source.created)
    if missing is None:
        plain = replace(plain, bundle=source)
    if not weights:
        return plain
    if missing is not None:
        return replace(plain, missing=missing)
    assert source.trial.result is not None
    return _weighted(plain, source, source.trial.result, key)


def _weighted(plain: Parcel, source: Source, result: Result, task: str) -> Parcel:
    weights, parity = (_checked(source, result, f"{kind}/{task}.safetensors") for kind in ("weights", "parity"))
    row = source.trial.row
    origin = Trained(study=source.study.row.id, trial=row.number, rung=row.rung or 0, task=task)
    return replace(plain, subject=replace(plain.subject, weights=weights, parity=parity), origin=origin)


def _checked(source: Source, result: Result, path: str) -> Path:
    """A stored file whose bytes are those that the result recorded."""
    artifact = _artifact(result, path)
    entry = stored(source.workspace, result.folder, artifact)
    assert isinstance(entry.content, Path)
    with entry.content.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != artifact.sha256:
            raise Corrupt(f"{path} is not the file that its result recorded; its SHA-256 differs")
    return entry.content


def _artifact(result: Result, path: str) -> Artifact:
    found = next((artifact for artifact in result.artifacts if artifact.path == path), None)
    if found is None:
        raise Conflict(f"this trial's result has no {path}; export its bundle, which has all that there is")
    return found
