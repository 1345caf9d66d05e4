"""In-context recall (MAD, arXiv 2403.17844): pairs without noise."""

from nas.tasks import InContextRecall
from workers.batch import Batch
from workers.tasks.pairs import Pairs
from workers.tasks.streams import StreamGenerator


class InContextRecallGenerator(StreamGenerator):
    """The sequences of one `InContextRecall` document."""

    def __init__(self, task: InContextRecall, seed: int) -> None:
        super().__init__(task, seed)
        n_keys = task.vocab_size // 2
        self._pairs = Pairs(n_keys, task.vocab_size - n_keys, task.sequence_length)

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """Every next token to train on; values whose key was shown to measure."""
        return self._pairs.sequences(n_sequences, seed, training=training)
