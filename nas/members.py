"""The architectures of a study: what its space and its references become at the cost that it compares at."""

from nas.references import build_reference
from nas.study import StudySpec
from search_spaces.architecture import Architecture
from search_spaces.matching import match
from search_spaces.space import Params


def unmatched(spec: StudySpec, params: Params, reference: str | None = None) -> Architecture:
    """From gene values, or the reference of that name, as it is before a matched study changes its sizes."""
    return build_reference(reference, spec.space) if reference else spec.space.build(params)


def matched(spec: StudySpec, architecture: Architecture) -> Architecture:
    """At the study's cost, where it compares at one. Raises `search_spaces.matching.Unmatched`."""
    return match(architecture, spec.matched.goal, spec.cost_at.context) if spec.matched else architecture
