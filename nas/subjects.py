"""How people name an architecture in a word, and the one place where such words are read.

`zoo:NAME` is an entry of the zoo, `STUDY/NUMBER` a trial (its study by id or by name), and 8 to 64 hexadecimal digits the
digest of an architecture, or its beginning.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from uuid import UUID

from nas.errors import Invalid, NotFound
from search_spaces.architecture import Architecture
from search_spaces.zoo import ZOO

ZOO_PREFIX: Final = "zoo:"
MAX_REFERENCE: Final = 300
GRAMMAR: Final = "zoo:NAME, STUDY/NUMBER such as recall/12, or at least 8 hexadecimal digits of an architecture's digest"

_TRIAL: Final = re.compile(r"(?P<study>[^\0]+)/(?P<number>0|[1-9][0-9]{0,9})")
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class ZooReference:
    """An entry of the zoo."""

    name: str

    def __str__(self) -> str:
        """As it is written."""
        return f"{ZOO_PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class TrialReference:
    """A trial of a study, which is named by its id or, where only one has it, by its name."""

    study: str
    number: int

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.study}/{self.number}"


@dataclass(frozen=True, slots=True)
class DigestReference:
    """An architecture that was tried, by the first 8 to 64 hexadecimal digits of its digest."""

    digest: str

    def __str__(self) -> str:
        """As it is written."""
        return self.digest


Reference = ZooReference | TrialReference | DigestReference


def parse_reference(text: str) -> Reference:
    """Read a reference. Raises `Invalid` for words that are none; whether the thing exists is asked where it is read."""
    if len(text) > MAX_REFERENCE:
        raise Invalid(f"a reference of {len(text):,} characters; write {GRAMMAR}")
    if text.startswith(ZOO_PREFIX):
        return ZooReference(text.removeprefix(ZOO_PREFIX))
    # a name may have slashes; the last one is before the number
    if trial := _TRIAL.fullmatch(text):
        return TrialReference(trial["study"], int(trial["number"]))
    if _DIGEST.fullmatch(text.lower()):
        return DigestReference(text.lower())
    guess = f"; did you mean {ZOO_PREFIX}{text}?" if text in ZOO else ""
    raise Invalid(f"{text!r} names no architecture{guess}; write {GRAMMAR}")


def is_study_id(text: str) -> bool:
    """Whether a study's id is meant, and not its name."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def build_zoo(reference: ZooReference, d_model: int, vocab_size: int) -> Architecture:
    """The entry at these sizes. Raises `NotFound` for an unknown name, `Invalid` for sizes that it cannot have."""
    entry = ZOO.get(reference.name)
    if entry is None:
        close = get_close_matches(reference.name, ZOO, n=1)
        advice = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(ZOO))}"
        raise NotFound(f"no zoo entry {reference.name!r}; {advice}")
    try:
        return entry.build(d_model, vocab_size)
    except ValueError as error:
        raise Invalid(f"{reference} cannot be built: {error}") from error
