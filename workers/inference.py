"""A trained model on fixed sequences: the task's metric per sequence, and logits to recognise the model by."""

import torch

from workers.model import Model, Output
from workers.tasks import Batch, Generator

PARITY_ROWS = 2
MAX_PARITY_LOGITS = 4_000_000


@torch.no_grad()
def sequence_values(model: Model, generator: Generator, batch: Batch, chunk: int) -> torch.Tensor | None:
    """The metric of every sequence as float64 of shape (B,), `chunk` sequences at a time; None when a logit is not finite."""
    model.eval()
    device = next(model.parameters()).device
    values, finite = [], torch.ones((), dtype=torch.bool, device=device)
    for start in range(0, len(batch), chunk):
        tokens_BT, targets_BT = batch.tokens_BT[start : start + chunk], batch.targets_BT[start : start + chunk]
        logits_BTV = model(tokens_BT.to(device)).logits_BTV
        finite &= logits_BTV.isfinite().all()
        values.append(generator.sequence_values(logits_BTV, targets_BT.to(device)))
    return torch.cat(values).cpu() if finite.item() else None


@torch.no_grad()
def logits(model: Model, tokens_BT: torch.Tensor) -> torch.Tensor:
    """Float32 logits [B, T, V] on the CPU."""
    model.eval()
    output: Output = model(tokens_BT.to(next(model.parameters()).device))
    return output.logits_BTV.float().cpu()


def parity(model: Model, batch: Batch, n_outputs: int) -> dict[str, torch.Tensor]:
    """`input_ids` (the head of a few sequences) and the model's `logits` on them."""
    length = max(1, min(batch.tokens_BT.shape[1], MAX_PARITY_LOGITS // (PARITY_ROWS * n_outputs)))
    tokens_BT = batch.tokens_BT[:PARITY_ROWS, :length]
    return {"input_ids": tokens_BT, "logits": logits(model, tokens_BT)}
