"""Continual learning: keys and values of one task, then of another, and elastic weight consolidation (arXiv 1612.00796).

    k5 INSERT k2 INSERT ...    and at every INSERT the value of the key before it is asked for

The splits are apart by their seeds; the maps are the same in all of them, since they are what is to be kept in mind. One
learning-rate schedule and one optimiser state go through both tasks.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector

from nas.seeds import derive
from nas.tasks import Continual
from workers.batch import IGNORED, Batch
from workers.learner import Learner
from workers.model import Model
from workers.tasks.generator import Evaluation
from workers.tasks.recall import RecallGenerator

N_AT_SWITCH = 128
"""Sequences of the first task that its accuracy is measured on at the switch, and its Fisher information."""


class ContinualGenerator(RecallGenerator):
    """The sequences of one `Continual` document; `values` has the value of each key."""

    def __init__(self, task: Continual, seed: int) -> None:
        self._task = task
        self._seed = seed
        self.values = task.n_keys + np.random.default_rng(derive(seed, "map")).permutation(task.n_keys)
        self.digest = hashlib.sha256(f"{task.canonical_json()} {seed}".encode()).hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Fresh sequences for every step, of the first task before `switch_step`."""
        return self._of_task(int(step >= self._task.switch_step), batch_size, derive(self._seed, "train", replica, step))

    def validation(self) -> Batch:
        """`n_validation` sequences, the first half of the first task."""
        return self._of_both(self._task.n_validation, "validation")

    def test(self) -> Batch:
        """`n_test` sequences, the first half of the first task."""
        return self._of_both(self._task.n_test, "test")

    def learner(self, model: Model) -> Learner:
        """The model, with what it must remember of the switch."""
        return ContinualLearner(model, self._task, self._of_task(0, N_AT_SWITCH, derive(self._seed, "switch")))

    def further_metrics(self, evaluation: Evaluation) -> Mapping[str, float]:
        """Macro accuracy, and each task by itself."""
        assert isinstance(evaluation.learner, ContinualLearner)
        first, second = (values_B.mean().item() for values_B in evaluation.values_B.chunk(2))
        before = evaluation.learner.get_buffer("accuracy_before").item()
        return {
            **super().further_metrics(evaluation),
            "accuracy_first_before": before,
            "accuracy_first_after": first,
            "accuracy_second": second,
            "forgetting": before - first,
        }

    def _of_both(self, n_sequences: int, split: str) -> Batch:
        first, second = (self._of_task(which, n_sequences // 2, derive(self._seed, split, which)) for which in (0, 1))
        return Batch(torch.cat([first.inputs, second.inputs]), torch.cat([first.targets, second.targets]))

    def _of_task(self, which: int, n_sequences: int, seed: int) -> Batch:
        task, n_keys = self._task, self._task.n_keys // 2
        keys = which * n_keys + np.random.default_rng(seed).integers(n_keys, size=(n_sequences, task.sequence_length // 2))
        tokens = np.full((n_sequences, task.sequence_length), task.vocab_size - 1)
        tokens[:, 0::2] = keys
        targets = np.full_like(tokens, IGNORED)
        targets[:, 1::2] = self.values[keys]
        return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))


class ContinualLearner(Learner):
    """A model that is held near its weights at the switch, where the first task's Fisher information is large.

    What was found at the switch is kept in buffers, so that it is saved and restored with the training.
    """

    def __init__(self, model: Model, task: Continual, at_switch: Batch) -> None:
        super().__init__(model)
        self.switch_step, self.ewc = task.switch_step, task.ewc
        self._at_switch = at_switch
        n_kept = sum(parameter.numel() for parameter in model.parameters()) if task.ewc else 0
        self.register_buffer("accuracy_before", torch.zeros((), dtype=torch.float64))
        self.register_buffer("fisher", torch.zeros(n_kept))
        self.register_buffer("anchor", torch.zeros(n_kept))

    def before_step(self, step: int) -> None:
        """At the switch: measure, and keep the weights and how much the first task depends on each."""
        if step != self.switch_step:
            return
        self.eval()
        batch = self._at_switch.to(next(self.parameters()).device)
        with torch.no_grad():
            asked_BT = batch.targets != IGNORED
            right_BT = (self.predict(batch).argmax(-1) == batch.targets) & asked_BT
        self.get_buffer("accuracy_before").copy_(right_BT.sum() / asked_BT.sum())
        if self.ewc:
            self.get_buffer("fisher").copy_(fisher_information(self.model, batch))
            self.get_buffer("anchor").copy_(parameters_to_vector(self.model.parameters()).detach())
        self.train()

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The penalty is added; the loss of the curve is that of the task."""
        loss, auxiliary_loss = super().losses(batch)
        return loss, auxiliary_loss + self.penalty() if self.ewc else auxiliary_loss

    def penalty(self) -> Tensor:
        """ewc / 2 sum F (w - w*)^2; 0 before the switch, where F is 0."""
        away_N = parameters_to_vector(self.model.parameters()) - self.get_buffer("anchor")
        penalty: Tensor = self.ewc / 2 * (self.get_buffer("fisher") * away_N.square()).sum()
        return penalty


def fisher_information(model: nn.Module, batch: Batch) -> Tensor:
    """The diagonal of the empirical Fisher information for one target, [N], in the order of the parameters.

    Targets of a sequence are independent given the weights, so the squared gradient of a whole sequence's log-likelihood has
    the sum of theirs as its mean.
    """
    parameters = list(model.parameters())
    total_N = torch.zeros_like(parameters_to_vector(parameters)).detach()
    for inputs_T, targets_T in zip(batch.inputs, batch.targets, strict=True):
        nats = F.cross_entropy(model(inputs_T[None]).logits_BTV[0], targets_T, ignore_index=IGNORED, reduction="sum")
        gradients = torch.autograd.grad(nats, parameters, allow_unused=True, materialize_grads=True)
        total_N += torch.cat([gradient.flatten() for gradient in gradients]).square()
    return total_N / (batch.targets != IGNORED).sum()
