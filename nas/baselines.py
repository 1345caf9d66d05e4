"""Baselines: searches with the same budget that run beside a study, so that its report can say whether it paid.

A baseline is a study of its own. It shares the seed, hence the data, and gets the same rungs, halving, trials and fresh seeds.
"""

from collections.abc import Mapping
from typing import Final

from nas.samplers import LocalSearch, RandomSearch, Sampler
from nas.study import Baseline, StudySpec, baseline_name
from nas.warm_start import WarmStart

SAMPLERS: Final[Mapping[Baseline, Sampler]] = {"random": RandomSearch(), "local_search": LocalSearch()}
"""Who proposes in each."""

EXCHANGEABLE: Final[frozenset[str]] = frozenset({"random"})
"""Samplers whose proposals do not follow from what was measured before: their trials might have come in any order."""


def companions(spec: StudySpec) -> tuple[StudySpec, ...]:
    """The studies that run beside this one, in the order of its baselines.

    References are left out: they are the same models, and trained with the study itself. So is a warm start: with it random
    search would not be the yardstick that it is.
    """
    return tuple(_companion(spec, baseline) for baseline in spec.baselines)


def _companion(spec: StudySpec, baseline: Baseline) -> StudySpec:
    left_out = {"baselines": (), "references": (), "warm_start": WarmStart()}
    changed = {"name": baseline_name(spec.name, baseline), "sampler": SAMPLERS[baseline]}
    return spec.model_copy(update=left_out | changed)
