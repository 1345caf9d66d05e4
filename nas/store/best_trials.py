"""The best trials of a study, for another one to begin with."""

from typing import Final

from sqlalchemy import Engine, or_, select

from nas.errors import Conflict, NotFound
from nas.keys import Principal
from nas.starts import Tried
from nas.store.access import visible
from nas.store.engine import reading
from nas.store.schema import SCORED, study, trial
from nas.study import StudySpec
from nas.trial import TrialState

MAX_READ: Final = 2000
"""Of the best trials; further down nobody looks for a start."""

_ORDER = (trial.c.pareto.desc(), trial.c.rung.desc(), trial.c.score.desc(), (-trial.c.number).desc())


def best_trials(engine: Engine, principal: Principal, name: str) -> Tried:
    """The scored and feasible trials of the search in a study: its Pareto front first, then as the leaderboard has them.

    `name` is the study's id or name. Raises `NotFound`, and `Conflict` where several owners have a study of the name.
    """
    named = select(study.c.id, study.c.name, study.c.spec).where(
        or_(study.c.id == name, study.c.name == name), visible(principal)
    )
    with reading(engine) as connection:
        studies = connection.execute(named.limit(2)).all()
        if not studies:
            raise NotFound(f"you have no study {name!r}; list your studies to see their ids and names")
        if len(studies) > 1:
            raise Conflict(f"several studies are named {name!r}; give an id, such as {studies[0].id}")
        found = studies[0]
        own = (trial.c.study_id == found.id, SCORED, trial.c.reference.is_(None), trial.c.state != TrialState.FAILED.value)
        rows = connection.execute(select(trial.c.number, trial.c.genes).where(*own).order_by(*_ORDER).limit(MAX_READ)).all()
    best = tuple((row.number, row.genes) for row in rows)
    return Tried(study_id=found.id, name=found.name, space=StudySpec.from_json(found.spec).space, best=best)
