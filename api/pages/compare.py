"""The page that sets two architectures side by side, and the form that asks for them."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine

from api.errors import KINDS, Kind
from api.pages.rendering import render
from api.security import Reader
from api.services import EngineDep
from nas.comparison import Comparison, compare
from nas.errors import Conflict, Invalid, NotFound
from nas.keys import Principal
from nas.store.candidates import read_pair
from nas.subjects import MAX_REFERENCE
from search_spaces.zoo import ZOO

router = APIRouter(include_in_schema=False)

Typed = Annotated[str, Query(max_length=MAX_REFERENCE)]


@router.get("/compare")
def show(principal: Reader, engine: EngineDep, a: Typed = "", b: Typed = "") -> HTMLResponse:
    """The form, and below it the comparison once both are named, or why there is none."""
    a, b = a.strip(), b.strip()
    found, kind, problem = _compared(engine, principal, a, b) if a and b else (None, None, "")
    page = render("compare.html", a=a, b=b, found=found, problem=problem, zoo=ZOO)
    return HTMLResponse(page, kind.status if kind else 200)


def _compared(engine: Engine, principal: Principal, a: str, b: str) -> tuple[Comparison | None, Kind | None, str]:
    """The comparison, or what kind of refusal stands against it, and its words."""
    try:
        return compare(*read_pair(engine, principal, a, b)), None, ""
    except (Invalid, NotFound, Conflict) as error:
        return None, KINDS[type(error)], str(error)
