"""API keys: made, listed and revoked by an admin."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from api.answer import json_answer
from api.body import JsonBody
from api.openapi import body
from api.schemas import KeyRequest
from api.security import Admin
from api.services import EngineDep
from nas.keys import NewKey
from nas.store.api_keys import create_key, list_keys, revoke_key
from nas.store.views import KeyView
from nas.validation import validate

router = APIRouter(prefix="/v1/keys", tags=["keys"])

KeyId = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9]+$")]


@router.post("", status_code=201, response_model=NewKey, openapi_extra=body("KeyRequest"))
def create(_: Admin, document: JsonBody, engine: EngineDep) -> Response:
    """Make a key. Its token is in this answer and nowhere else."""
    wanted = validate(KeyRequest, document)
    minted = create_key(engine, wanted.owner, wanted.scopes, wanted.label)
    return json_answer(NewKey(minted.key_id, minted.token), 201)


@router.get("", response_model=list[KeyView])
def index(_: Admin, engine: EngineDep) -> Response:
    """Everybody's keys, oldest first, revoked ones too."""
    return json_answer(list_keys(engine))


@router.delete("/{key_id}", status_code=204)
def revoke(key_id: KeyId, _: Admin, engine: EngineDep) -> Response:
    """End a key for good, at once."""
    revoke_key(engine, key_id)
    return Response(status_code=204)
