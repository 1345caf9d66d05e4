"""Reads what a bundle is made from out of the store: a study and a trial that has weights."""

from pathlib import Path

from sqlalchemy import Engine

from nas.errors import Conflict
from nas.export.bundle import Source
from nas.keys import Principal
from nas.store.reads import get_study, get_trial


def read_source(engine: Engine, principal: Principal, study_id: str, number: int, workspace: Path) -> Source:
    """What a bundle needs; always the same for the same result. Raises `NotFound`, or `Conflict` without weights."""
    study = get_study(engine, principal, study_id)
    trial = get_trial(engine, principal, study_id, number)
    if trial.result is None or not trial.result.artifacts:
        raise Conflict(f"trial {number} is {trial.row.state} and has no weights to export; export one that has a score")
    return Source(study=study, trial=trial, created=trial.row.updated_at, workspace=workspace)
