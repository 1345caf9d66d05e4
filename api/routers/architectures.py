"""Any architecture that was ever tried, by its digest: what it is, what it costs, who tried it, and every form it takes."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response, StreamingResponse

from api.answer import json_answer
from api.exporting import ANSWERS, Archive, Format, HeldDep, SizeDep, archive, at_size, written
from api.security import Reader
from api.services import EngineDep, ServicesDep
from nas.architectures import ArchitectureView
from nas.export.folder import Parcel
from nas.export.form import Subject
from nas.store.reads import get_architecture
from nas.store.tried import read_architecture

router = APIRouter(prefix="/v1/architectures/{digest}", tags=["architectures"])

Digest = Annotated[
    str,
    Path(pattern="^[0-9a-f]{8,64}$", description="The architecture's digest, or at least its first 8 hexadecimal digits"),
]


@router.get("", response_model=ArchitectureView)
def show(digest: Digest, principal: Reader, engine: EngineDep) -> Response:
    """The document, its cost at the default context, its forms with the reasons against them, and its trials that you see."""
    return json_answer(read_architecture(engine, principal, digest))


@router.get("/export", response_class=StreamingResponse, responses=ANSWERS)
def export(
    digest: Digest,
    principal: Reader,
    services: ServicesDep,
    held: HeldDep,
    size: SizeDep,
    form: Format = "huggingface",
    kind: Archive = "zip",
) -> Response:
    """The architecture without weights, at its own size or at another one. Trained weights are exported with their trial."""
    found = get_architecture(services.engine, principal, digest)
    name = f"architecture-{found.digest[:12]}"
    parcel = Parcel(subject=Subject(architecture=found, title=name.replace("-", " ")))
    return archive(written(at_size(parcel, size), form, kind, services, held), kind, f"{name}-{form}")
