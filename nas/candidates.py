"""What can be compared: an architecture with what people call it and, where it is a trial, what it was measured at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from nas.store.views import StudyView, TrialView
from nas.subjects import ZOO_PREFIX, ZooReference, build_zoo
from nas.trial import TrialState
from search_spaces.architecture import Architecture, ContinuousInput

ZOO_WIDTH: Final = 64
ZOO_VOCABULARY: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a trial was measured at, and by which protocol. Without a score it failed, or has not run yet."""

    study_id: str
    study: str
    number: int
    state: TrialState
    protocol: str
    """The protocol's digest: scores of different protocols answer different questions."""
    rung: int | None
    score: float | None
    score_low: float | None
    score_high: float | None
    interval: Literal["replicas", "test_sample"] | None
    n_replicas: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of the two."""

    reference: str
    """As it can be named again."""
    title: str
    architecture: Architecture
    score: Score | None = None


def of_trial(study: StudyView, trial: TrialView) -> Candidate:
    """A trial as the store and the client read it."""
    row = trial.row
    score = Score(
        study_id=study.row.id,
        study=study.row.name,
        number=row.number,
        state=row.state,
        protocol=study.spec.protocol.digest,
        rung=row.rung,
        score=row.score,
        score_low=row.score_low,
        score_high=row.score_high,
        interval=row.interval,
        n_replicas=row.n_replicas,
    )
    title = f'{row.reference or f"trial {row.number}"} of "{study.row.name}"'
    return Candidate(reference=f"{study.row.id}/{row.number}", title=title, architecture=trial.architecture, score=score)


def of_digest(architecture: Architecture) -> Candidate:
    """An architecture known by its digest alone."""
    digest = architecture.digest
    return Candidate(reference=digest, title=f"architecture {digest[:12]}", architecture=architecture)


def of_zoo(reference: ZooReference, d_model: int, vocab_size: int) -> Candidate:
    """A zoo entry at a size. Raises as `build_zoo` does."""
    title = f"{reference} at a width of {d_model:,}"
    return Candidate(reference=str(reference), title=title, architecture=build_zoo(reference, d_model, vocab_size))


def pair(
    a: str, b: str, read: Callable[[str], Candidate], *, d_model: int | None = None, vocab_size: int | None = None
) -> tuple[Candidate, Candidate]:
    """Both candidates; `read` gives those that are no zoo entries.

    A zoo entry is built at the sizes given, else at those of what it is compared with, else at the zoo's usual ones. Raises
    what `read` and `build_zoo` raise.
    """
    found = {text: read(text) for text in (a, b) if not text.startswith(ZOO_PREFIX)}
    beside = next((candidate.architecture for candidate in found.values()), None)
    width = d_model or (beside.d_model if beside else ZOO_WIDTH)
    vocabulary = vocab_size or _vocabulary(beside)
    for text in {a, b} - found.keys():
        found[text] = of_zoo(ZooReference(text.removeprefix(ZOO_PREFIX)), width, vocabulary)
    return found[a], found[b]


def _vocabulary(beside: Architecture | None) -> int:
    if beside is None or isinstance(beside.input, ContinuousInput):
        return ZOO_VOCABULARY
    return beside.input.vocab_size
