"""What a simulated search would have taken home, and how far that is from the best there is, which no real study knows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nas.simulation.simulate import Record
from nas.simulation.store import Evaluation
from nas.simulation.table import Table


def incumbents(record: Record) -> Iterator[Evaluation | None]:
    """After each evaluation the one that is taken home then, which need not be the true best; None while there is none.

    It is the best by validation score at the highest rung that anybody has reached, the first of equal ones. Who breaks a
    constraint is out from then on. Fresh seeds come after the search and choose nobody.
    """
    best: Evaluation | None = None
    feasible: list[Evaluation] = []
    for evaluation in record.evaluations:
        if not evaluation.kept:
            feasible = [each for each in feasible if each.number != evaluation.number]
            best = max(feasible, key=_order, default=None)
        elif evaluation.rung <= record.spec.protocol.last_rung:
            feasible.append(evaluation)
            best = evaluation if best is None or _order(evaluation) > _order(best) else best
        yield best


def _order(evaluation: Evaluation) -> tuple[int, float]:
    return evaluation.rung, evaluation.validation


def regret(record: Record, table: Table) -> NDArray[np.float64]:
    """After each evaluation: the best true score of the table less that of the incumbent, or infinity while there is none."""
    table = table.with_rungs(record.spec.protocol)
    digests = {trial.number: trial.digest for trial in record.trials}
    truths = (None if each is None else table.truth(digests[each.number]) for each in incumbents(record))
    return np.array([np.inf if truth is None else table.best - truth for truth in truths], dtype=np.float64)
