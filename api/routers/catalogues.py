"""What studies are made of: primitives, tasks, the zoo and spaces, each with its JSON schema."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.answer import counting_answer, json_answer
from api.security import Reader
from nas import catalogues
from nas.catalogues import PrimitiveInfo, SpacesInfo, TaskInfo, ZooInfo

router = APIRouter(prefix="/v1", tags=["catalogues"])


@router.get("/primitives", response_model=list[PrimitiveInfo])
def primitives(_: Reader) -> Response:
    """Layer parts: mixers and channel parts."""
    return json_answer(catalogues.primitives())


@router.get("/tasks", response_model=list[TaskInfo])
def tasks(_: Reader) -> Response:
    """What proxies are trained on."""
    return json_answer(catalogues.tasks())


@router.get("/zoo", response_model=list[ZooInfo])
def zoo(_: Reader) -> Response:
    """Published architectures that a study can run as references."""
    return json_answer(catalogues.zoo())


@router.get("/spaces", response_model=SpacesInfo)
def spaces(_: Reader) -> Response:
    """Named spaces, and every gene that a space of your own may name."""
    return counting_answer(catalogues.spaces())
