"""The README of a bundle: what it is, how to load it, how to check it, how to repeat it."""

from nas.export.provenance import REPLAY, RESUBMIT
from nas.run import Result
from nas.store.views import TrialView
from nas.study import StudySpec

_TEXT = """\
# {title}

{summary}

Trial {number} of the study "{study}", measured to {steps} optimiser steps with {replicas} seed(s).
Score {score:.4f} (95 % interval {low:.4f} to {high:.4f}, over {interval}).

| task | learning rate | test metric |
|---|---|---|
{tasks}

| cost | |
|---|---|
| parameters | {cost.params:,} |
| parameters one token uses | {cost.active_params:,} |
| forward FLOPs per token | {cost.flops_per_token:,} |
| decode state per sequence | {cost.state_bytes:,} bytes |

## Check it
    nas verify .

rebuilds the model from `architecture.json`, loads the weights, and compares logits and scores with what was recorded. The
weights are the first seed's; the others' values cannot be checked without training them again.

## Load it
    from pathlib import Path
    from safetensors.torch import load_file
    from search_spaces.architecture import Architecture
    from workers.model import build

    model = build(Architecture.from_json(Path("architecture.json").read_text()))
    model.load_state_dict(load_file("{weights}"))

## Repeat it
    {replay}

trains it again from nothing, with the same data, seeds and learning rates.

    {resubmit}

runs the whole search again.

## What is here
* `architecture.json`: the model, complete. `result.json`: every number measured, the learning-rate grid and curves included.
* `run.json`: the evaluation as a document. `study.json`: the whole study as it was submitted, with its space and protocol.
* `ledger.json`: every run of this trial, each training with its learning rate, values and curve.
* `provenance.json`: digests of study, space, protocol and architecture; seeds, versions, hardware, and how to repeat it.
* `weights/`: the trained weights, one file per task. `parity/`: inputs with the logits they must give.
* `manifest.json`: the SHA-256 of every file.
"""


def readme(spec: StudySpec, trial: TrialView, result: Result) -> str:
    """The text, in Markdown."""
    row = trial.row
    confirmed = row.rung is not None and row.rung > spec.protocol.last_rung
    rung = spec.protocol.rungs[-1 if confirmed else row.rung or 0]
    scored = row if confirmed else result
    weights = next((artifact.path for artifact in result.artifacts if artifact.path.startswith("weights/")), "weights/…")
    return _TEXT.format(
        title=row.reference or f"Architecture {row.architecture_digest[:12]}",
        summary=row.summary,
        number=row.number,
        study=spec.name,
        steps=rung.steps,
        replicas=f"{row.n_replicas} fresh" if confirmed else rung.replicas,
        score=scored.score,
        low=scored.score_low,
        high=scored.score_high,
        interval=_covered(confirmed=confirmed, over_seeds=scored.interval == "replicas"),
        tasks="\n".join(_task_row(task.task, task.learning_rate, task.metric, task.values) for task in result.tasks),
        cost=row.cost,
        weights=weights,
        replay=REPLAY,
        resubmit=RESUBMIT,
    )


def _covered(*, confirmed: bool, over_seeds: bool) -> str:
    if not over_seeds:
        return "draws of the test set"
    return "fresh seeds" if confirmed else "seeds and draws of the test set"


def _task_row(task: str, learning_rate: float, metric: str, values: tuple[float, ...]) -> str:
    return f"| {task} | {learning_rate:g} | {metric} {sum(values) / len(values):.4f} |"
