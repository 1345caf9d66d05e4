"""Which gene won, as a report shows it: main effects and pairs, and Optuna's own importances beside them."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Final

from nas.report.document import Attribution, GeneEffect, GeneLevel, GenePair
from nas.report.estimate import Estimate
from nas.report.evidence import Evidence, TrialEvidence
from nas.statistics.attribution import Interaction, MainEffect, attribute
from nas.trial import Params
from search_spaces.space import Space

ENOUGH: Final = 0.5
"""The share of the search's trials that a rung must have: who goes on is chosen by score, which hides what genes do."""


_QUIET: Final = Lock()
"""Filters of warnings belong to the process: two threads must not change them at once."""


def attribution(evidence: Evidence) -> Attribution:
    """Over the search's own trials; nothing is said without two of them."""
    own = [trial for trial in evidence.trials if trial.row.reference is None and trial.rungs]
    rung = _rung(own)
    if rung is None:
        return Attribution()
    trials = [trial for trial in own if rung in trial.rungs]
    params, scores = [trial.params for trial in trials], [trial.rungs[rung].score for trial in trials]
    found = attribute(params, scores)
    theirs = _importances(evidence.spec.space, params, scores)
    return Attribution(
        rung=rung,
        n_trials=found.n_trials,
        adjusted=found.adjusted,
        explained=found.explained,
        genes=tuple(_gene(effect, theirs) for effect in found.main),
        pairs=tuple(map(_pair, found.interactions)),
    )


def _importances(space: Space, params: Sequence[Params], scores: Sequence[float]) -> Mapping[str, float]:
    """Optuna's, without what it says while it computes them."""
    # they load scikit-learn where that is installed: a quarter of the time that the API takes to start, for a report alone
    import optuna

    from nas.statistics.importances import optuna_importances

    with _QUIET, warnings.catch_warnings():
        # it warns of few trials, of which the report says how many there are
        warnings.simplefilter("ignore", UserWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna_importances(space, params, scores)


def _rung(own: list[TrialEvidence]) -> int | None:
    """The highest that enough of the search's trials have; where brackets leave no such rung, the one that most have."""
    counts = Counter(rung for trial in own for rung in trial.rungs)
    enough = [rung for rung, count in counts.items() if count >= ENOUGH * len(own)]
    return max(enough, default=max(counts, key=lambda rung: (counts[rung], -rung), default=None))


def _gene(effect: MainEffect, theirs: Mapping[str, float]) -> GeneEffect:
    return GeneEffect(
        gene=effect.gene,
        share=Estimate(value=effect.share, low=effect.share_low, high=effect.share_high),
        p_value=effect.p_value,
        levels=tuple(
            GeneLevel(
                value=str(level.value),
                n_trials=level.n_trials,
                mean=Estimate(value=level.mean, low=level.low, high=level.high),
            )
            for level in effect.levels
        ),
        optuna=theirs.get(effect.gene),
    )


def _pair(pair: Interaction) -> GenePair:
    best = max(pair.cells, key=lambda cell: cell.effect, default=None)
    return GenePair(
        genes=pair.genes,
        share=Estimate(value=pair.share, low=pair.share_low, high=pair.share_high),
        p_value=pair.p_value,
        best=None if best is None else (str(best.values[0]), str(best.values[1])),
        effect=None if best is None else Estimate(value=best.effect, low=best.low, high=best.high),
    )
