"""What studies are made of: primitives, tasks, protocols, the zoo and spaces, each with its JSON schema."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from api.answer import counting_answer, json_answer
from api.security import Reader
from nas import catalogues
from nas.architectures import ZooView
from nas.catalogues import PrimitiveInfo, ProtocolsInfo, SpacesInfo, TaskInfo, ZooInfo
from nas.errors import NotFound
from nas.export.forms import availability

router = APIRouter(prefix="/v1", tags=["catalogues"])


@router.get("/primitives", response_model=list[PrimitiveInfo])
def primitives(_: Reader) -> Response:
    """Layer parts: mixers and channel parts."""
    return json_answer(catalogues.primitives())


@router.get("/tasks", response_model=list[TaskInfo])
def tasks(_: Reader) -> Response:
    """What proxies are trained on."""
    return json_answer(catalogues.tasks())


@router.get("/protocols", response_model=ProtocolsInfo)
def protocols(_: Reader) -> Response:
    """Named protocols: which tasks, how long, at which learning rates."""
    return json_answer(catalogues.protocols())


@router.get("/zoo", response_model=list[ZooInfo])
def zoo(_: Reader) -> Response:
    """Published architectures that a study can run as references."""
    return json_answer(catalogues.zoo())


@router.get("/zoo/{name}", response_model=ZooView)
def zoo_entry(_: Reader, name: Annotated[str, Path(max_length=100, description="The entry's name")]) -> Response:
    """One published architecture, with the forms that `nas export zoo:NAME` can write and the reasons against the others."""
    entry = next((entry for entry in catalogues.zoo() if entry.name == name), None)
    if entry is None:
        raise NotFound(f"no zoo entry {name!r}; GET /v1/zoo lists them")
    formats = tuple(availability(entry.architecture))
    return json_answer(ZooView(entry=entry, digest=entry.architecture.digest, formats=formats))


@router.get("/spaces", response_model=SpacesInfo)
def spaces(_: Reader) -> Response:
    """Named spaces, and every gene that a space of your own may name."""
    return counting_answer(catalogues.spaces())
