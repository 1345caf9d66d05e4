"""Noisy in-context recall (MAD, arXiv 2403.17844): in-context recall with noise in the place of some pairs."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import SampledRecall, SequenceLength, VocabSize


class NoisyRecall(SampledRecall):
    """Accuracy on the values of keys that were shown before, where noise has replaced a share of the pairs.

    The last `noise_vocab_size` tokens are noise; of the others the lower half are keys, the upper half values. The last pair
    repeats a key that was shown. Training asks for every next token, noise too; validation and test ask only for values whose
    key was already shown.

    Differs from the published code: one pair of the body is always kept from noise, so that there is a key to come back to
    (theirs may choose to keep the last pair, which is none of the body, and then fail).
    """

    title: ClassVar[str] = "Noisy in-context recall"
    source: ClassVar[str] = "MAD, arXiv 2403.17844"

    name: Literal["noisy_recall"] = "noisy_recall"
    vocab_size: VocabSize = 32
    """Tokens: keys, values and noise."""
    noise_vocab_size: Annotated[int, Field(ge=1, le=65_532)] = 16
    """How many of the tokens are noise."""
    noise_share: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """The chance of a pair to be replaced by two tokens of noise."""
    sequence_length: SequenceLength = 128
    """Tokens of a sequence, two for each pair."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sequence_length % 2:
            raise ValueError(f"sequence_length {self.sequence_length} must be even: every pair has two tokens")
        if self.vocab_size - self.noise_vocab_size < 4:
            needed = self.noise_vocab_size + 4
            raise ValueError(
                f"noise_vocab_size {self.noise_vocab_size} needs vocab_size of at least {needed}, for two keys and two values"
            )
        return self

    @property
    def n_keys_and_values(self) -> int:
        """Tokens that are not noise."""
        return self.vocab_size - self.noise_vocab_size

    def chance(self) -> float:
        """Guessing among the values, or always the same one."""
        return 1 / (self.n_keys_and_values - self.n_keys_and_values // 2)
