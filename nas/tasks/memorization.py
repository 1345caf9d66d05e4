"""Memorization (MAD, arXiv 2403.17844): facts that are in no sequence, only in the weights."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from nas.tasks.task import SampledRecall, SequenceLength, VocabSize


class Memorization(SampledRecall):
    """Accuracy on the values of a map from keys to values that is the same in every sequence.

    The last token says insert; of the others the lower half are keys, the upper half values, no two keys with one value. A
    sequence is keys drawn with repetition, each followed by the insert token, at which the key's value is asked for: it stands
    nowhere. The map is drawn from the data's seed and shared by training, validation and test.

    Differs from the published code: their map has one constant seed, so that no second one could be tried. A fixed training set
    need not show every key: the published 256 sequences of 32 tokens leave out about a third of the 4,095 keys at vocab_size
    8192, which bounds what can be reached; fresh sequences show them all.
    """

    title: ClassVar[str] = "Memorization"
    source: ClassVar[str] = "MAD, arXiv 2403.17844"

    name: Literal["memorization"] = "memorization"
    vocab_size: VocabSize = 256
    """Tokens: keys, values and the insert token."""
    sequence_length: SequenceLength = 32
    """Tokens of a sequence, two for each key."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sequence_length % 2:
            raise ValueError(f"sequence_length {self.sequence_length} must be even: every key is followed by the insert token")
        return self

    @property
    def n_keys(self) -> int:
        """Keys, which are the first tokens."""
        return (self.vocab_size - 1) // 2

    def chance(self) -> float:
        """One value of the map for every key."""
        return 1 / self.n_keys
