"""An architecture known by its digest, as the API shows it: what it is, what it costs, its forms, and who tried it."""

from dataclasses import dataclass

from nas.catalogues import ZooInfo
from nas.export.form import Availability
from nas.trial import TrialState
from search_spaces.architecture import Architecture
from search_spaces.primitives import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooView:
    """A zoo entry at its default sizes, and the forms that it can be exported in."""

    entry: ZooInfo
    digest: str
    formats: tuple[Availability, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedBy:
    """One trial of the architecture."""

    study: str
    study_name: str
    number: int
    state: TrialState
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureView:
    """One architecture. `cost` is at the default context; `trials` are the newest of those that the asker may see."""

    digest: str
    summary: str
    cost: Cost
    formats: tuple[Availability, ...]
    trials: tuple[TriedBy, ...]
    architecture: Architecture
