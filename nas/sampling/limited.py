"""A study of which a sampler of Optuna's is shown some trials only: what it takes for a proposal rises with what it sees."""

from collections.abc import Container, Sequence

from optuna import Study
from optuna.trial import FrozenTrial, TrialState


class Limited(Study):
    """The same study with fewer trials."""

    def __init__(self, study: Study, trials: Sequence[FrozenTrial]) -> None:
        super().__init__(study_name=study.study_name, storage=study._storage)
        self._trials = trials

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]
