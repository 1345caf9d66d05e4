"""Where a bundle's numbers come from: the identities of everything that decided them, and every run that led to them."""

from nas.export.replay import replay
from nas.export.versions import versions
from nas.run import Result
from nas.store.views import RunView, StudyView, TrialView

REPLAY = "python -m workers.evaluate run.json"
RESUBMIT = "nas submit study.json"


def provenance(study: StudyView, trial: TrialView, result: Result, created: str) -> dict[str, object]:
    """Digests, seeds, versions, hardware, and the commands that repeat it."""
    spec, row, measurement = study.spec, trial.row, result.measurement
    run = replay(study, trial)
    return {
        "created": created,
        "study": {"id": study.row.id, "name": spec.name, "spec_digest": spec.digest, "seed": spec.seed},
        "trial": {"number": row.number, "rung": row.rung, "params": trial.params, "reference": row.reference},
        "digests": {
            "architecture": row.architecture_digest,
            "space": spec.space.digest,
            "protocol": spec.protocol.digest,
        },
        "seeds": {"run": run.seed, "data": run.data_seed},
        "versions": measurement.versions,
        "exported_by": {"versions": versions()},
        "hardware": {"device": measurement.device, "host": measurement.host},
        "replay": REPLAY,
        "resubmit": RESUBMIT,
    }


def ledger(trial: TrialView) -> dict[str, object]:
    """Every run of the trial, failed ones included: each training with its learning rate, values and curve."""
    return {"format": "nas-ledger/1", "runs": [_run(run) for run in trial.runs]}


def _run(run: RunView) -> dict[str, object]:
    return {
        "rung": run.rung,
        "attempt": run.attempt,
        "state": run.state.value,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "reason": run.reason,
        "failure": run.failure.model_dump(mode="json") if run.failure else None,
        "score": run.result.score if run.result else None,
        "trainings": [entry.model_dump(mode="json") for entry in run.result.ledger] if run.result else [],
    }
