"""What a study may claim: its whole report."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.routers.parameters import StudyId
from api.security import Reader
from api.services import EngineDep
from nas.report.document import Report
from nas.report.report import study_report

router = APIRouter(prefix="/v1/studies/{study_id}", tags=["report"])


@router.get("/report", response_model=Report)
def show(study_id: StudyId, principal: Reader, engine: EngineDep) -> Response:
    """Leaders with intervals and ties, noise, calibration of the rungs, which genes won, costs, and good practice.

    A study that still runs is reported as it stands.
    """
    return Response(study_report(engine, principal, study_id).to_json(), media_type="application/json")
