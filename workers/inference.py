"""A trained learner on fixed sequences: the task's metrics, and predictions to recognise the model by."""

import torch

from workers.batch import Batch
from workers.learner import Learner
from workers.model import Model, Output
from workers.tasks import Evaluation, Generator

PARITY_ROWS = 2
MAX_PARITY_LOGITS = 4_000_000


@torch.no_grad()
def evaluate(learner: Learner, generator: Generator, batch: Batch, chunk: int) -> Evaluation | None:
    """The metric of every sequence, `chunk` sequences at a time, on the CPU; None when a prediction is not finite."""
    learner.eval()
    device = next(learner.parameters()).device
    values, choices = [], []
    finite = torch.ones((), dtype=torch.bool, device=device)
    for start in range(0, len(batch), chunk):
        part = batch.rows(start, start + chunk).to(device)
        predictions = learner.predict(part)
        finite &= predictions.isfinite().all()
        values.append(generator.sequence_values(predictions, part.targets))
        if not part.targets.is_floating_point():
            choices.append(predictions.argmax(-1))
    if not finite.item():
        return None
    choices_BT = torch.cat(choices).cpu() if choices else None
    return Evaluation(learner, torch.cat(values).double().cpu(), choices_BT, batch.targets)


@torch.no_grad()
def logits(model: Model, inputs: torch.Tensor) -> torch.Tensor:
    """What the model predicts, float32 on the CPU: logits [B, T, V], or measurements [B, T, C]."""
    model.eval()
    output: Output = model(inputs.to(next(model.parameters()).device))
    return output.logits_BTV.float().cpu()


def parity(model: Model, batch: Batch, n_outputs: int) -> dict[str, torch.Tensor]:
    """The head of a few sequences (`input_ids`, or `inputs` where they are measurements) and the model's `logits` on them."""
    length = max(1, min(batch.inputs.shape[1], MAX_PARITY_LOGITS // (PARITY_ROWS * n_outputs)))
    inputs = batch.inputs[:PARITY_ROWS, :length].contiguous()
    return {"inputs" if inputs.is_floating_point() else "input_ids": inputs, "logits": logits(model, inputs)}
