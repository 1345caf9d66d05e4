"""In-context recall (MAD, arXiv 2403.17844): keys come with values, and come back to be answered."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from nas.tasks.task import SampledRecall, SequenceLength, VocabSize


class InContextRecall(SampledRecall):
    """Accuracy on the values of keys that were shown before, in sequences of key-value pairs.

    Keys are the lower half of the vocabulary, values the upper half; each sequence maps keys to values anew. Keys are drawn
    with repetition; the last pair repeats a key that was shown. Training asks for every next token; validation and test ask
    only for values whose key was already shown.

    Differs from the published code: the learning rate is chosen on validation sequences and not on the test set, and `accuracy`
    counts tokens; `macro_accuracy` beside it is what the published code calls accuracy.
    """

    title: ClassVar[str] = "In-context recall"
    source: ClassVar[str] = "MAD, arXiv 2403.17844"

    name: Literal["in_context_recall"] = "in_context_recall"
    vocab_size: VocabSize = 16
    """Tokens: half of them keys, half values."""
    sequence_length: SequenceLength = 128
    """Tokens of a sequence, two for each pair."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sequence_length % 2:
            raise ValueError(f"sequence_length {self.sequence_length} must be even: every pair has two tokens")
        return self

    def chance(self) -> float:
        """Guessing among the values, or always the same one."""
        return 1 / (self.vocab_size - self.vocab_size // 2)
