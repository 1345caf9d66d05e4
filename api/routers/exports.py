"""A trial taken home: its bundle as a zip, streamed."""

import base64
import hashlib
from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from api.routers.parameters import StudyId, TrialNumber
from api.security import Reader
from api.services import EngineDep, SettingsDep
from nas.export.bundle import stream
from nas.export.source import read_source

router = APIRouter(prefix="/v1/studies/{study_id}/trials/{number}", tags=["exports"])


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}},
)
def export(study_id: StudyId, number: TrialNumber, principal: Reader, engine: EngineDep, settings: SettingsDep) -> Response:
    """The bundle of a scored trial. Repr-Digest (RFC 9530) has the SHA-256 of the whole zip."""
    source = read_source(engine, principal, study_id, number, settings.workspace)
    headers = {
        **_measured(stream(source)),
        "Content-Disposition": f'attachment; filename="study-{study_id[:64]}-trial-{number}.zip"',
    }
    return StreamingResponse(stream(source), media_type="application/zip", headers=headers)


def _measured(chunks: Iterator[bytes]) -> dict[str, str]:
    """Length and digest of a stream. Reading everything once first finds damage while it can still be said with a status."""
    digest, n_bytes = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        n_bytes += len(chunk)
    encoded = base64.b64encode(digest.digest()).decode()
    return {"Content-Length": str(n_bytes), "Repr-Digest": f"sha-256=:{encoded}:"}
