"""Candidates of a comparison out of the store, by the words that people name them with."""

from functools import partial

from sqlalchemy import Engine

from nas.candidates import Candidate, of_digest, of_trial, pair
from nas.errors import Conflict, NotFound
from nas.keys import Principal
from nas.store.reads import get_architecture, get_study, get_trial, list_studies
from nas.subjects import DigestReference, TrialReference, is_study_id, parse_reference


def read_pair(
    engine: Engine,
    principal: Principal,
    a: str,
    b: str,
    *,
    d_model: int | None = None,
    vocab_size: int | None = None,
) -> tuple[Candidate, Candidate]:
    """Both, as far as the principal may see them. Raises `Invalid` for words that name nothing and for sizes that a zoo entry
    cannot have, `NotFound` for what is not there, `Conflict` for a name or beginning that several have."""
    return pair(a, b, partial(_read, engine, principal), d_model=d_model, vocab_size=vocab_size)


def _read(engine: Engine, principal: Principal, text: str) -> Candidate:
    match parse_reference(text):
        case TrialReference(study, number):
            study_id = study if is_study_id(study) else _id_of(engine, principal, study)
            return of_trial(get_study(engine, principal, study_id), get_trial(engine, principal, study_id, number))
        case DigestReference(digest):
            return of_digest(get_architecture(engine, principal, digest))
        case zoo:
            raise AssertionError(f"{zoo} is built, not read")


def _id_of(engine: Engine, principal: Principal, name: str) -> str:
    found = list_studies(engine, principal, name=name, limit=2).items
    if not found:
        raise NotFound(f"you have no study named {name!r}")
    if len(found) > 1:
        raise Conflict(f"several owners have a study named {name!r}; give its id, such as {found[0].id}")
    return found[0].id
