"""Noisy in-context recall (MAD, arXiv 2403.17844): pairs, some of which are noise."""

from nas.tasks import NoisyRecall
from workers.batch import Batch
from workers.tasks.pairs import Pairs
from workers.tasks.streams import StreamGenerator


class NoisyRecallGenerator(StreamGenerator):
    """The sequences of one `NoisyRecall` document."""

    def __init__(self, task: NoisyRecall, seed: int) -> None:
        super().__init__(task, seed)
        n_keys = task.n_keys_and_values // 2
        n_values = task.n_keys_and_values - n_keys
        self._pairs = Pairs(n_keys, n_values, task.sequence_length, task.noise_vocab_size, task.noise_share)

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """Every next token to train on; values whose key was shown to measure."""
        return self._pairs.sequences(n_sequences, seed, training=training)
