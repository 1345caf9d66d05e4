"""Selective copying (MAD, arXiv 2403.17844).

. a . . b c . COPY . . .    and at the last places a b c are asked for; . is the blank
"""

import numpy as np
import torch

from nas.tasks import SelectiveCopying
from workers.batch import IGNORED, Batch
from workers.tasks.streams import StreamGenerator


class SelectiveCopyingGenerator(StreamGenerator):
    """The sequences of one `SelectiveCopying` document."""

    def __init__(self, task: SelectiveCopying, seed: int) -> None:
        super().__init__(task, seed)
        self._task = task

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """The copied tokens are all that is asked for, in training as well."""
        task, rng = self._task, np.random.default_rng(seed)
        n_copied, blank = task.n_copied, task.vocab_size - 2
        copied = rng.integers(task.vocab_size - 2, size=(n_sequences, n_copied))
        # every blank falls into one of the gaps before, between and behind the tokens
        n_blanks = task.sequence_length - 2 * n_copied - 1
        blanks = rng.multinomial(n_blanks, np.full(n_copied + 1, 1 / (n_copied + 1)), size=n_sequences)
        places = blanks[:, :-1].cumsum(axis=1) + np.arange(n_copied)

        tokens = np.full((n_sequences, task.sequence_length), blank)
        np.put_along_axis(tokens, places, copied, axis=1)
        tokens[:, -n_copied - 1] = task.vocab_size - 1
        targets = np.full_like(tokens, IGNORED)
        targets[:, -n_copied:] = copied
        return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))
