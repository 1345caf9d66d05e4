"""Trials: all of a study's in order of number, and one with everything known about it."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.answer import json_answer
from api.routers.parameters import Cursor, Limit, StudyId, TrialNumber
from api.security import Reader
from api.services import EngineDep
from nas.store.reads import get_trial, list_trials
from nas.store.views import Page, TrialRow, TrialView
from nas.trial import TrialState

router = APIRouter(prefix="/v1/studies/{study_id}/trials", tags=["trials"])

States = Annotated[tuple[TrialState, ...], Query(alias="state", max_length=9, description="Only trials in one of these states")]


@router.get("", response_model=Page[TrialRow])
def index(
    study_id: StudyId, principal: Reader, engine: EngineDep, state: States = (), limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """All trials, those without a score too."""
    return json_answer(list_trials(engine, principal, study_id, states=frozenset(state), limit=limit, cursor=cursor))


@router.get("/{number}", response_model=TrialView)
def show(study_id: StudyId, number: TrialNumber, principal: Reader, engine: EngineDep) -> Response:
    """One trial: architecture, gene values, every attempt with its learning-rate grid and curves."""
    return json_answer(get_trial(engine, principal, study_id, number))
