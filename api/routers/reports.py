"""What a study may claim: its whole report, and whether the search beat its baselines."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.answer import json_answer
from api.routers.parameters import StudyId
from api.security import Reader
from api.services import LeaderboardsDep, ReportsDep
from nas.report.document import Report
from nas.report.payoff_document import Comparison

router = APIRouter(prefix="/v1/studies/{study_id}", tags=["report"])


@router.get("/report", response_model=Report)
def show(study_id: StudyId, principal: Reader, reports: ReportsDep) -> Response:
    """Leaders with intervals and ties, noise, calibration of the rungs, which genes won, costs, and good practice.

    A study that still runs is reported as it stands.
    """
    return Response(reports.get(principal, study_id).to_json(), media_type="application/json")


@router.get("/baselines", response_model=list[Comparison])
def baselines(study_id: StudyId, principal: Reader, boards: LeaderboardsDep) -> Response:
    """The search against each of its baselines at equal cost, with both curves and a verdict; empty where it has none."""
    return json_answer(boards.comparisons(principal, study_id))
