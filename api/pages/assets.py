"""Styles, scripts and the plotting library, served from installed packages under names that change with their content.

Whoever has a name has that content for ever, so browsers keep it for a year. There is no path to walk: names are looked up.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from nas.errors import NotFound

OURS: Final = Path(__file__).with_name("static")
PLOTLY: Final = "plotly.min.js"

_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS: Final = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent, plain and compressed."""

    media_type: str
    plain: bytes
    compressed: bytes


def url(name: str) -> str:
    """Where the asset `name` is served."""
    return f"/static/{_versioned()[name]}"


def serve(request: Request, name: str) -> Response:
    """The asset with this versioned name. Raises `NotFound`."""
    found = next((plain for plain, versioned in _versioned().items() if versioned == name), None)
    if found is None:
        raise NotFound("no such asset; reload the page")
    asset = _load(found)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.compressed, 200, {**_HEADERS, "Content-Encoding": "gzip"}, asset.media_type)
    return Response(asset.plain, 200, _HEADERS, asset.media_type)


@cache
def _versioned() -> dict[str, str]:
    """Every asset's name with its version: our files' digests, the library's release."""
    ours = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in OURS.iterdir()}
    return {name: f"{stamp}-{name}" for name, stamp in (*ours.items(), (PLOTLY, version("plotly")))}


@cache
def _load(name: str) -> Asset:
    path = _plotly() if name == PLOTLY else OURS / name
    plain = path.read_bytes()
    return Asset(_MEDIA_TYPES[path.suffix], plain, gzip.compress(plain, 6, mtime=0))


def _plotly() -> Path:
    """The library's file, found without importing the package."""
    spec = find_spec("plotly")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "package_data" / PLOTLY
