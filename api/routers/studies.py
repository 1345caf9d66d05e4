"""Studies: submit, check, list, read, and say what is wanted of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from sqlalchemy import Engine

from api.answer import counting_answer, json_answer
from api.body import JsonBody
from api.openapi import body
from api.routers.parameters import Cursor, Limit, StudyId
from api.security import Reader, Writer, require
from api.services import EngineDep, SettingsDep
from nas.keys import Principal
from nas.pricing import Quote, quote
from nas.settings import Settings
from nas.starts import Tried
from nas.store.best_trials import best_trials
from nas.store.histories import list_history
from nas.store.reads import get_study, list_studies
from nas.store.submissions import set_wish, submit_study
from nas.store.views import Page, StudyRow, StudyView, TrialHistory
from nas.study import StudySpec, StudyState, Wish
from nas.submission import read_spec, request_digest

router = APIRouter(prefix="/v1", tags=["studies"])

IdempotencyKey = Annotated[
    str | None, Header(max_length=200, description="The same key with the same body makes one study, however often it is sent")
]
States = Annotated[tuple[StudyState, ...], Query(alias="state", max_length=7, description="Only studies in these states")]
Name = Annotated[str | None, Query(max_length=100, description="Only the studies of exactly this name")]


@router.post("/studies", status_code=201, response_model=StudyView, openapi_extra=body("StudyRequest"))
def submit(
    principal: Writer, document: JsonBody, engine: EngineDep, settings: SettingsDep, idempotency_key: IdempotencyKey = None
) -> Response:
    """Submit a study. It is stored when the answer comes."""
    spec = _read(document, principal, engine, settings)
    submission = submit_study(engine, principal, spec, idempotency_key, request_digest(document, spec))
    headers = {"Location": f"/v1/studies/{submission.study_id}"}
    if submission.replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_answer(get_study(engine, principal, submission.study_id), 201, headers)


@router.post("/studies:check", response_model=Quote, openapi_extra=body("StudyRequest"))
def check(principal: Reader, document: JsonBody, engine: EngineDep, settings: SettingsDep) -> Response:
    """Validate and price a study without creating it."""
    return counting_answer(quote(_read(document, principal, engine, settings), settings.max_params))


@router.get("/studies", response_model=Page[StudyRow])
def index(
    principal: Reader, engine: EngineDep, state: States = (), name: Name = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Your studies, newest first; an admin's key sees everybody's."""
    return json_answer(list_studies(engine, principal, states=frozenset(state), name=name, limit=limit, cursor=cursor))


@router.get("/studies/{study_id}", response_model=StudyView)
def show(study_id: StudyId, principal: Reader, engine: EngineDep) -> Response:
    """One study: where it stands and what was submitted."""
    return json_answer(get_study(engine, principal, study_id))


@router.get("/studies/{study_id}/history", response_model=Page[TrialHistory])
def history(study_id: StudyId, principal: Reader, engine: EngineDep, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """All trials in order of number, each with its gene values and what every rung gave: what other tools go on from."""
    return json_answer(list_history(engine, principal, study_id, limit=limit, cursor=cursor))


@router.post("/studies/{study_id}:pause", response_model=StudyRow)
def pause(study_id: StudyId, principal: Writer, engine: EngineDep) -> Response:
    """Start no new runs; those in flight go on."""
    set_wish(engine, principal, study_id, Wish.PAUSE)
    return json_answer(get_study(engine, principal, study_id).row)


@router.post("/studies/{study_id}:resume", response_model=StudyRow)
def resume(study_id: StudyId, principal: Writer, engine: EngineDep) -> Response:
    """Go on with a paused study."""
    set_wish(engine, principal, study_id, Wish.RUN)
    return json_answer(get_study(engine, principal, study_id).row)


@router.post("/studies/{study_id}:stop", response_model=StudyRow)
def stop(study_id: StudyId, principal: Writer, engine: EngineDep) -> Response:
    """End a study for good; what was measured stays."""
    set_wish(engine, principal, study_id, Wish.STOP)
    return json_answer(get_study(engine, principal, study_id).row)


def _read(document: Any, principal: Principal, engine: Engine, settings: Settings) -> StudySpec:
    """What is asked for. Of the studies that the key may read, a warm start may take the best trials."""

    def find(name: str) -> Tried:
        require(principal, "read")
        return best_trials(engine, principal, name)

    return read_spec(document, settings.data_root, settings.max_params, settings.packs, find)
