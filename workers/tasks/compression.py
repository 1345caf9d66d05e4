"""Compression (MAD, arXiv 2403.17844): the model's last vector, and nothing else, is decoded to all tokens before it.

    x_0 ... x_(T-2) uniform, then the compression token;   logits_t = W D(h + p_t),   h the vector of the last token

D is the published decoder: two layers of the vector's own width with GELU, a norm before each and before W; p_t are sine-cosine
positions. What was published and is mended here: the noise that never reached the targets is left out, the compression token
counts neither in the loss nor in the metric (it is always right), and the learning rate is chosen on validation data.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.tasks import Compression
from workers.batch import IGNORED, Batch
from workers.learner import Learner
from workers.model import Model
from workers.tasks.streams import StreamGenerator

INITIAL_STD = 0.02
LONGEST_PERIOD = 10_000.0


class CompressionGenerator(StreamGenerator):
    """The sequences of one `Compression` document."""

    def __init__(self, task: Compression, seed: int) -> None:
        super().__init__(task, seed)
        self._task = task

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """The same is asked for in training."""
        compression_token = self._task.vocab_size - 1
        tokens = np.random.default_rng(seed).integers(compression_token, size=(n_sequences, self._task.sequence_length))
        tokens[:, -1] = compression_token
        targets = tokens.copy()
        targets[:, -1] = IGNORED
        return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))

    def learner(self, model: Model) -> Learner:
        """The model as an encoder."""
        return Autoencoder(model, self._task)


class Autoencoder(Learner):
    """The model up to its last vector, then the decoder; the model's own head is not used."""

    def __init__(self, model: Model, task: Compression) -> None:
        super().__init__(model)
        width = model.d_hidden
        self.decoder = nn.Sequential(
            nn.RMSNorm(width), nn.Linear(width, width), nn.GELU(),
            nn.RMSNorm(width), nn.Linear(width, width), nn.GELU(),
            nn.RMSNorm(width), nn.Linear(width, task.vocab_size),
        )  # fmt: skip
        self.register_buffer("positions", sine_cosine_positions(task.sequence_length, width), persistent=False)

    def initialise(self, generator: torch.Generator) -> None:
        """Normal weights, no bias."""
        for module in self.decoder:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=INITIAL_STD, generator=generator)
                nn.init.zeros_(module.bias)

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of every token."""
        hidden_BTD, auxiliary_loss = self.model.hidden(batch.inputs)
        logits_BTV = self.decode(hidden_BTD[:, -1])
        return F.cross_entropy(logits_BTV.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED), auxiliary_loss

    def predict(self, batch: Batch) -> Tensor:
        """Logits [B, T, V] of the tokens themselves."""
        return self.decode(self.model.hidden(batch.inputs)[0][:, -1])

    def decode(self, code_BD: Tensor) -> Tensor:
        """Logits [B, T, V] from one vector for each sequence."""
        logits_BTV: Tensor = self.decoder(code_BD[:, None] + self.get_buffer("positions"))
        return logits_BTV


def sine_cosine_positions(length: int, width: int) -> Tensor:
    """Vectors [length, width] of positions: half of them sines, half cosines, of periods from 2 pi to `LONGEST_PERIOD` 2 pi."""
    n_periods = (width + 1) // 2
    rates = LONGEST_PERIOD ** -(torch.arange(n_periods) / max(1, n_periods - 1))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
