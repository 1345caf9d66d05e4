"""The leaderboard: scored trials in any order and any selection, and the Pareto front."""

import re
from typing import Annotated, Final, get_args

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import TypeAdapter

from api.answer import json_answer
from api.routers.parameters import Cursor, Limit, StudyId
from api.security import Reader
from api.services import EngineDep, LeaderboardsDep
from nas.leaderboard import Board
from nas.report.document import RungCalibration
from nas.store.reads import Between, Filter, Sort, SortName, pareto
from nas.store.views import TrialRow
from nas.trial import TrialState

router = APIRouter(prefix="/v1/studies/{study_id}", tags=["leaderboard"])

_COLUMNS: Final = tuple(get_args(Between.__annotations__["column"]))
BOUND: Final = rf"^({'|'.join(_COLUMNS)})(<=|>=)(-?[0-9]{{1,15}}(\.[0-9]{{1,15}})?(e[0-9]{{1,2}})?)$"

_BETWEEN: Final = TypeAdapter(Between)

States = Annotated[tuple[TrialState, ...], Query(alias="state", max_length=9, description="Only trials in one of these states")]
Bounds = Annotated[
    tuple[Annotated[str, Query(pattern=BOUND)], ...],
    Query(max_length=8, description="Bounds on columns, such as `params<=5e6` and `score>=0.9`; all must hold"),
]


def sort(
    sort: Annotated[SortName, Query(description="The column; `rank` is highest rung, then best score")] = "rank",
    descending: Annotated[bool, Query(description="Turn the order round")] = False,
) -> Sort:
    """The order asked for."""
    return Sort(by=sort, descending=descending)


def selection(
    state: States = (),
    reference: Annotated[bool | None, Query(description="Only references (true), or only the search's own trials")] = None,
    on_front: Annotated[bool | None, Query(alias="pareto", description="Only trials on the Pareto front, or off it")] = None,
    where: Bounds = (),
) -> Filter:
    """The rows asked for."""
    return Filter(states=frozenset(state), reference=reference, pareto=on_front, between=tuple(map(_between, where)))


def _between(bound: str) -> Between:
    column, comparison, number = re.split("(<=|>=)", bound)
    return _BETWEEN.validate_python({"column": column, "min" if comparison == ">=" else "max": float(number)})


SortDep = Annotated[Sort, Depends(sort)]
FilterDep = Annotated[Filter, Depends(selection)]


@router.get("/leaderboard", response_model=Board)
def show(
    study_id: StudyId,
    principal: Reader,
    boards: LeaderboardsDep,
    sort: SortDep,
    where: FilterDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Scored trials in order; leaders that the data cannot tell apart share a group. Follow `next_cursor` for more; it belongs
    to its sort and filter. Of a study with baselines `verdicts` say whether the search beat them.
    """
    return json_answer(boards.page(principal, study_id, sort=sort, where=where, limit=limit, cursor=cursor))


@router.get("/calibration", response_model=list[RungCalibration])
def calibration(study_id: StudyId, principal: Reader, boards: LeaderboardsDep) -> Response:
    """How each rung orders trials against the next one, and whether it does better than the parameter count alone."""
    return json_answer(boards.calibration(principal, study_id))


@router.get("/pareto", response_model=list[TrialRow])
def front(study_id: StudyId, principal: Reader, engine: EngineDep) -> Response:
    """The trials that no other trial beats on every objective, best score first."""
    return json_answer(pareto(engine, principal, study_id))
