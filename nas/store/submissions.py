"""What users change: submit a study, and say what they want of it. The driver does the rest."""

from dataclasses import dataclass

from sqlalchemy import Engine

from nas.keys import Principal
from nas.study import StudySpec, Wish


@dataclass(frozen=True, slots=True)
class Submission:
    """The study a submission made; `replayed` when an earlier one with the same idempotency key had made it."""

    study_id: str
    replayed: bool


def submit_study(engine: Engine, principal: Principal, spec: StudySpec, idempotency_key: str | None = None) -> Submission:
    """Store a study, committed when this returns.

    The same key with the same spec gives the same study, however many ask at once. Raises `Conflict` when the key was used
    with another spec, or the owner has a study of that name; `Invalid` for a key that is not 1 to 200 printable ASCII characters.
    """
    raise NotImplementedError


def set_wish(engine: Engine, principal: Principal, study_id: str, wish: Wish) -> None:
    """Ask the study's driver to run, pause or stop it; asking twice is fine.

    Raises `NotFound`, and `Conflict` when the study is final or stopping.
    """
    raise NotImplementedError
