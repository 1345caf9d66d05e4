"""Selective copying (MAD, arXiv 2403.17844): tell what was there in its order, and leave out the blanks between."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import SampledRecall, SequenceLength, VocabSize


class SelectiveCopying(SampledRecall):
    """Accuracy on `n_copied` random tokens, told in order after blanks stood between them at random.

    The last token of the vocabulary says copy, the one before is the blank. The blanks fall into the places before, between and
    behind the tokens independently of each other; then come the copy token and `n_copied` blanks, at which the tokens are
    asked for. Training asks for the same and nothing else.

    Differs from the published code: blanks come from the given seed, where theirs come from a global state that no seed
    reaches, and they may follow the last token, which theirs never do.
    """

    title: ClassVar[str] = "Selective copying"
    source: ClassVar[str] = "MAD, arXiv 2403.17844"

    name: Literal["selective_copying"] = "selective_copying"
    vocab_size: VocabSize = 16
    """Tokens: two of them are the blank and the copy token."""
    sequence_length: SequenceLength = 256
    """Tokens of a sequence."""
    n_copied: Annotated[int, Field(ge=1, le=16_384)] = 16
    """Tokens to copy."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        needed = 2 * self.n_copied + 2
        if self.sequence_length < needed:
            raise ValueError(f"n_copied {self.n_copied} needs sequence_length of at least {needed}, for one blank")
        return self

    def chance(self) -> float:
        """Guessing among the tokens that are copied, or always the same one."""
        return 1 / (self.vocab_size - 2)
