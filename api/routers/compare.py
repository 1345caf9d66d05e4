"""Two architectures side by side: zoo entries, trials, or anything tried, by its digest."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.answer import json_answer
from api.routers.parameters import Contexts, Reference, Vocabulary, Width
from api.security import Reader
from api.services import EngineDep
from nas.comparison import CONTEXTS, Comparison, compare
from nas.store.candidates import read_pair

router = APIRouter(prefix="/v1", tags=["compare"])


@router.get("/compare", response_model=Comparison)
def show(
    a: Reference,
    b: Reference,
    principal: Reader,
    engine: EngineDep,
    context: Contexts = CONTEXTS,
    d_model: Width = None,
    vocab_size: Vocabulary = None,
) -> Response:
    """What differs, what both cost at each context, and how their scores compare where they can be."""
    return json_answer(compare(*read_pair(engine, principal, a, b, d_model=d_model, vocab_size=vocab_size), context))
