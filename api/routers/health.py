"""Whether the service lives, whether it can work, and what it counts. No key: these tell about no owner."""

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from api.answer import json_answer
from api.services import EngineDep, ServicesDep
from nas.errors import StoreUnavailable
from nas.store.migrate import require_newest
from nas.store.reads import totals
from nas.study import StudyState

router = APIRouter(tags=["health"])


@dataclass(frozen=True, slots=True)
class Health:
    """`ready`: all is well; `degraded`: answers, but the reasons need somebody; `unavailable`: cannot work."""

    status: Literal["ok", "ready", "degraded", "unavailable"]
    reasons: tuple[str, ...] = ()


@router.get("/healthz", response_model=Health)
async def alive() -> Response:
    """This process answers."""
    return json_answer(Health("ok"))


@router.get("/readyz", response_model=Health, responses={503: {"model": Health}})
def ready(engine: EngineDep) -> Response:
    """The database answers, has the schema this version needs, and studies that wait have a driver."""
    try:
        require_newest(engine)
        counted = totals(engine)
    except StoreUnavailable as error:
        return json_answer(Health("unavailable", (str(error),)), 503, {"Retry-After": "1"})
    waiting = sum(counted.studies.get(state, 0) for state in (StudyState.QUEUED, StudyState.RUNNING, StudyState.STOPPING))
    if waiting and not counted.live_drivers:
        return json_answer(Health("degraded", (f"{waiting} studies wait for a driver, and none runs",)))
    return json_answer(Health("ready"))


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
def metrics(services: ServicesDep) -> Response:
    """Requests, latency, and studies and trials by state, for Prometheus."""
    return Response(generate_latest(services.registry), media_type=CONTENT_TYPE_LATEST)
