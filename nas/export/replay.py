"""The run that measures an exported trial again, alone and from nothing."""

from nas.run import Run
from nas.seeds import derive
from nas.store.views import StudyView, TrialView


def replay(study: StudyView, trial: TrialView) -> Run:
    """The same data, seeds and learning rates as the trial had, to the rung it reached, without its checkpoints."""
    spec, row = study.spec, trial.row
    return Run(
        study_id=study.row.id,
        number=row.number,
        rung=row.rung or 0,
        architecture=trial.architecture,
        protocol=spec.protocol,
        seed=derive(spec.seed, row.number),
        data_seed=derive(spec.seed, "data"),
        max_seconds=spec.budget.max_run_seconds,
    )
