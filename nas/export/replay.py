"""The run that measures an exported trial again, alone and from nothing."""

from nas.run import Run
from nas.seeds import derive, fresh_seed
from nas.store.views import StudyView, TrialView


def replay(study: StudyView, trial: TrialView) -> Run:
    """The same data, seeds and learning rates as the trial had, to the rung it reached, without its checkpoints.

    Of a confirmed trial it is the run with the first fresh seed, whose weights are exported. A result taken from another study
    has that study's seeds.
    """
    spec, row = study.spec, trial.row
    confirmed = row.rung is not None and row.rung > spec.protocol.last_rung
    result = trial.result
    origin = result.origin if result else None
    return Run(
        study_id=study.row.id,
        number=row.number,
        rung=row.rung or 0,
        architecture=trial.architecture,
        protocol=spec.protocol,
        seed=origin.seed if origin else fresh_seed(spec.seed, row.number, 0) if confirmed else derive(spec.seed, row.number),
        data_seed=origin.data_seed if origin else derive(spec.seed, "data"),
        rates={task.task: task.learning_rate for task in result.tasks} if confirmed and result else {},
        max_seconds=spec.budget.max_run_seconds,
    )
