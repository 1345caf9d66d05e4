"""A trial taken home: as a bundle, or in any form that other programs load."""

from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from api.exporting import ANSWERS, Archive, Format, HeldDep, SizeDep, Task, Weights, archive, at_size, written
from api.routers.parameters import StudyId, TrialNumber
from api.security import Reader
from api.services import ServicesDep
from nas.export.bundle import stream
from nas.export.forms import has_weights
from nas.export.source import parcel, read_source, require_task, require_weights

router = APIRouter(prefix="/v1/studies/{study_id}/trials/{number}", tags=["exports"])


@router.get("/export", response_class=StreamingResponse, responses=ANSWERS)
def export(
    study_id: StudyId,
    number: TrialNumber,
    principal: Reader,
    services: ServicesDep,
    held: HeldDep,
    size: SizeDep,
    form: Format = "bundle",
    kind: Archive = "zip",
    task: Task = None,
    weights: Weights = True,
) -> Response:
    """The bundle of a scored trial, or one of the forms that `GET /v1/architectures/{digest}` lists; `all` has each of them
    in a folder of its own. At another size it leaves without weights, with the costs of that size. Repr-Digest (RFC 9530)
    has the SHA-256 of the whole archive.
    """
    source = read_source(services.engine, principal, study_id, number, services.settings.workspace)
    require_task(source, task)
    name = f"study-{study_id[:64]}-trial-{number}"
    if form == "bundle" and not size.is_asked:
        require_weights(source)
        return archive(partial(stream, source, kind), kind, name)
    made = parcel(source, task=task, weights=weights and has_weights(form) and not size.is_asked)
    return archive(written(at_size(made, size), form, kind, services, held), kind, f"{name}-{form}")
