"""A model as a task trains and reads it. Most tasks train it as it is; some bring a module of their own beside it.

What a learner has beyond `model` belongs to the task: a decoder, a conditioning on noise levels, a penalty with its memory. It
is trained and saved with the model, counts in no cost of the architecture, and leaves with no export.
"""

import torch
from torch import Tensor, nn

from workers.batch import Batch
from workers.model import Model


class Learner(nn.Module):
    """Trains the model on what comes next. A task's own learner overrides what it does otherwise."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def initialise(self, generator: torch.Generator) -> None:
        """Draw what there is beyond the model; its weights are drawn already."""

    def own_state(self) -> dict[str, Tensor]:
        """What there is beyond the model, by name."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("model.")}

    def before_step(self, step: int) -> None:
        """Called before the 0-based optimiser step, in training mode, also after a training was resumed."""

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of the predictions, which the curve shows, and what is added to it in training; both scalars."""
        output = self.model(batch.inputs, batch.targets)
        return self.model.loss(output, batch.targets), output.auxiliary_loss

    def predict(self, batch: Batch) -> Tensor:
        """Logits [B, T, V], or measurements [B, T, C]; the targets are not looked at."""
        predictions: Tensor = self.model(batch.inputs).logits_BTV
        return predictions
