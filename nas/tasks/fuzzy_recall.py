"""Fuzzy in-context recall (MAD, arXiv 2403.17844): keys and values of several tokens each."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import SampledRecall

MotifLength = Annotated[int, Field(ge=1, le=3)]


class FuzzyRecall(SampledRecall):
    """Accuracy on the tokens of values whose key was shown before, where keys and values are tuples of different tokens.

    The last token pads; of the others the lower half make keys, the upper half values. Lengths are drawn from 1 to
    `key_length` and `value_length`; in validation and test keys are as long as they may be. The last pair repeats one of those
    before, and padding on the left fills up. Training asks for every next token; validation and test ask only for values whose
    key was already shown.

    Differs from the published code: tuples are sampled, where theirs lists all permutations for every sequence (234,360 for 128
    tokens); and the pair that is asked for last is one of those shown, where theirs picks a place for it that the sequence may
    end before, which leaves a question without an answer.
    """

    title: ClassVar[str] = "Fuzzy in-context recall"
    source: ClassVar[str] = "MAD, arXiv 2403.17844"

    name: Literal["fuzzy_recall"] = "fuzzy_recall"
    vocab_size: Annotated[int, Field(ge=8, le=16_384)] = 16
    """Tokens: keys, values and the padding."""
    sequence_length: Annotated[int, Field(ge=8, le=65_536)] = 128
    """Tokens of a sequence with its padding."""
    key_length: MotifLength = 3
    """The most tokens of a key."""
    value_length: MotifLength = 3
    """The most tokens of a value."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        needed = 4 * (self.key_length + self.value_length)
        if self.sequence_length < needed:
            raise ValueError(
                f"sequence_length {self.sequence_length} is too short for pairs of up to {needed // 4} tokens; give {needed}"
            )
        return self

    @property
    def n_keys(self) -> int:
        """Tokens that keys are made of: the first ones."""
        return (self.vocab_size - 1) // 2

    @property
    def n_values(self) -> int:
        """Tokens that values are made of, after those of the keys."""
        return self.vocab_size - 1 - self.n_keys

    def chance(self) -> float:
        """Guessing among the tokens of values, or always the same one."""
        return 1 / self.n_values
