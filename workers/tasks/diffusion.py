"""Denoising diffusion on digits with the conditioning of DiT (arXiv 2212.09748), whatever the backbone.

    c = MLP(sines of t) + E[digit];   every sublayer f:  x + g f((1 + s) norm(x) + h)  with (s, h, g) = W silu(c) + b

and before the head (1 + s) norm(x) + h. W and b start at zero, so that every layer starts as the identity. Letters: B images,
T pixels, D the width of the model, E frequencies.
"""

import hashlib
import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas.seeds import derive
from nas.tasks import Diffusion
from workers.batch import Batch
from workers.learner import Learner
from workers.model import Model
from workers.model.layers import Modulation
from workers.model.residual import Sublayer
from workers.tasks import digits
from workers.tasks.generator import Generator

FloatArray = npt.NDArray[np.float64]

N_FREQUENCIES = 128
LEVELS_PER_UNIT = 1000.0
"""DiT embeds steps of a thousand."""
LONGEST_PERIOD = 10_000.0
INITIAL_STD = 0.02
COSINE_OFFSET = 0.008
FIRST_BETA, LAST_BETA = 1e-4, 0.02


class DiffusionGenerator(Generator):
    """The noisy images of one `Diffusion` document. A batch's condition [B, 2] has the level and the digit."""

    def __init__(self, task: Diffusion, seed: int) -> None:
        self._task = task
        self._seed = seed
        self._digits = digits.load()
        labels, per_class = self._digits.labels, task.n_held_out_per_class
        self._train, self._validation, self._test = digits.deal(labels, per_class, per_class, seed)
        self.digest = hashlib.sha256(f"{task.canonical_json()} {seed}".encode() + self._digits.content()).hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Images drawn anew for every step, with fresh levels and noise."""
        rng = np.random.default_rng(derive(self._seed, "train", replica, step))
        return self._noisy(rng.choice(self._train, batch_size), rng)

    def validation(self) -> Batch:
        """`n_validation` noisy images."""
        return self._held_out(self._validation, self._task.n_validation, "validation")

    def test(self) -> Batch:
        """`n_test` noisy images."""
        return self._held_out(self._test, self._task.n_test, "test")

    def learner(self, model: Model) -> Learner:
        """The model with DiT's conditioning."""
        return Denoiser(model)

    def sequence_values(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error of each image's noise."""
        return (predictions.double() - targets.double()).square().mean((1, 2))

    def _held_out(self, split: digits.IntArray, n_images: int, name: str) -> Batch:
        rng = np.random.default_rng(derive(self._seed, name))
        return self._noisy(np.resize(rng.permutation(split), n_images), rng)

    def _noisy(self, which: digits.IntArray, rng: np.random.Generator) -> Batch:
        """Levels are spread evenly: one in each of B equal parts of 0 to 1."""
        images, n_images = self._digits.chosen(which), len(which)
        pixels_BT = images.levels / 8 - 1
        levels_B = rng.permutation((np.arange(n_images) + rng.random(n_images)) / n_images)
        noise_BT = rng.standard_normal(pixels_BT.shape)
        signal_B = signal_power(levels_B, self._task.schedule)
        noisy_BT = np.sqrt(signal_B)[:, None] * pixels_BT + np.sqrt(1 - signal_B)[:, None] * noise_BT
        inputs, targets = (torch.from_numpy(values.astype(np.float32))[..., None] for values in (noisy_BT, noise_BT))
        return Batch(inputs, targets, torch.from_numpy(np.stack([levels_B, images.labels], axis=1).astype(np.float32)))


def signal_power(levels: FloatArray, schedule: str) -> FloatArray:
    """The share a^2 of the image's power at levels from 0 to 1."""
    if schedule == "cosine":
        angles = (levels + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2
        start = math.cos(COSINE_OFFSET / (1 + COSINE_OFFSET) * math.pi / 2)
        cosine: FloatArray = (np.cos(angles) / start) ** 2
        return cosine
    # the product of (1 - beta) over a thousand steps, as the exponential of an integral
    power: FloatArray = np.exp(-LEVELS_PER_UNIT * (FIRST_BETA * levels + (LAST_BETA - FIRST_BETA) * levels**2 / 2))
    return power


class Denoiser(Learner):
    """A model whose sublayers, loop after loop, are scaled, shifted and gated by the level and the digit."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        width = model.architecture.d_model
        self.sublayers = tuple(module for module in model.backbone.modules() if isinstance(module, Sublayer))
        self.level = nn.Sequential(nn.Linear(2 * N_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.digit = nn.Embedding(digits.N_CLASSES, width)
        self.adaptions = nn.ModuleList(nn.Linear(width, 3 * width) for _ in self.sublayers)
        self.last = nn.Linear(width, 2 * width)

    def initialise(self, generator: torch.Generator) -> None:
        """Normal weights, no bias; what modulates starts at zero."""
        for module in (*self.level, self.digit):
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=INITIAL_STD, generator=generator)
        for module in (*self.level, *self.adaptions, self.last):
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        for module in (*self.adaptions, self.last):
            nn.init.zeros_(module.get_parameter("weight"))

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean squared error of the noise."""
        predictions, auxiliary_loss = self._run(batch)
        return self.model.ends.loss(predictions, batch.targets), auxiliary_loss

    def predict(self, batch: Batch) -> Tensor:
        """The noise [B, T, 1]."""
        return self._run(batch)[0]

    def _run(self, batch: Batch) -> tuple[Tensor, Tensor]:
        assert batch.condition is not None
        levels_B, labels_B = batch.condition.unbind(1)
        condition_B1D = nn.functional.silu(self.level(level_features(levels_B)) + self.digit(labels_B.long()))[:, None]
        modulations: dict[nn.Module, Modulation] = {
            sublayer: Modulation(*adaption(condition_B1D).chunk(3, dim=-1))
            for sublayer, adaption in zip(self.sublayers, self.adaptions, strict=True)
        }
        hidden_BTD, auxiliary_loss = self.model.hidden(batch.inputs, modulations)
        scale_B1D, shift_B1D = self.last(condition_B1D).chunk(2, dim=-1)
        return self.model.ends.predict(hidden_BTD * (1 + scale_B1D) + shift_B1D), auxiliary_loss


def level_features(levels_B: Tensor) -> Tensor:
    """Cosines and sines of a thousand times the level, [B, 2 E], with periods from 2 pi to `LONGEST_PERIOD` 2 pi."""
    exponents_E = torch.arange(N_FREQUENCIES, device=levels_B.device) / N_FREQUENCIES
    angles_BE = LEVELS_PER_UNIT * levels_B[:, None] * LONGEST_PERIOD**-exponents_E
    return torch.cat([angles_BE.cos(), angles_BE.sin()], dim=1)
