"""The metrics of tasks that ask for tokens: accuracy over the targets, and its mean over different target tokens."""

from collections.abc import Mapping

import torch

from workers.batch import IGNORED
from workers.tasks.generator import Evaluation, Generator


class RecallGenerator(Generator):
    """Base of the generators of `nas.tasks.task.RecallTask`."""

    def sequence_values(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The share of a sequence's targets that have the largest logit; 0 for one without targets, whose weight is 0."""
        asked_BT = targets != IGNORED
        right_BT = (predictions.argmax(-1) == targets) & asked_BT
        return right_BT.sum(-1).double() / asked_BT.sum(-1).clamp(min=1)

    def sequence_weights(self, targets: torch.Tensor) -> torch.Tensor:
        """Every target counts the same, so a sequence counts as often as it has targets."""
        return (targets != IGNORED).sum(-1).double()

    def further_metrics(self, evaluation: Evaluation) -> Mapping[str, float]:
        """Macro accuracy."""
        assert evaluation.choices_BT is not None
        return {"macro_accuracy": macro_accuracy(evaluation.choices_BT, evaluation.targets)}


def macro_accuracy(choices_BT: torch.Tensor, targets_BT: torch.Tensor) -> float:
    """The mean, over tokens that are a target somewhere, of the share of those places where the token was chosen."""
    asked = targets_BT != IGNORED
    targets, right = targets_BT[asked], (choices_BT == targets_BT)[asked].double()
    n_asked = torch.bincount(targets)
    n_right = torch.bincount(targets, weights=right)
    return (n_right[n_asked > 0] / n_asked[n_asked > 0]).mean().item()
