"""Parameters that several operations share, spelled once, and what happens to those that none has."""

from difflib import get_close_matches
from typing import Annotated

from fastapi import Path, Query, Request

from nas.costs.report import MAX_CONTEXT, MAX_CONTEXTS
from nas.errors import FieldProblem, Invalid, json_pointer
from nas.store.reads import MAX_PAGE
from nas.subjects import GRAMMAR, MAX_REFERENCE

StudyId = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9_-]+$", description="The study's id")]
TrialNumber = Annotated[int, Path(ge=0, lt=2**31, description="The trial's number within its study")]
Reference = Annotated[str, Query(min_length=1, max_length=MAX_REFERENCE, description=GRAMMAR, examples=["zoo:mamba2"])]
Contexts = Annotated[
    tuple[Annotated[int, Query(ge=1, le=MAX_CONTEXT)], ...],
    Query(alias="context", min_length=1, max_length=MAX_CONTEXTS, description="Context lengths in tokens, each once"),
]
Width = Annotated[int | None, Query(ge=8, le=8192, description="Width of a zoo entry; else that of what it is compared with")]
Vocabulary = Annotated[int | None, Query(ge=2, le=1_000_000, description="Vocabulary of a zoo entry; else that of the other")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows per page")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")]


def refuse_unknown(request: Request) -> None:
    """A misspelt filter must not answer with everything. Raises `Invalid` for query parameters that are not described."""
    if not request.query_params:
        return
    operation = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    known = sorted(parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query")
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        problems = tuple(FieldProblem(json_pointer("query", name[:60]), _advice(name, known)) for name in unknown[:20])
        raise Invalid("a parameter of the request is not valid", problems)


def _advice(name: str, known: list[str]) -> str:
    close = get_close_matches(name[:60], known, n=1)
    if close:
        return f"there is no such parameter; did you mean {close[0]!r}?"
    return f"there is no such parameter; there are {', '.join(known)}" if known else "this operation has no query parameters"
