"""Compression (MAD, arXiv 2403.17844): random tokens, then a token whose vector alone must let all of them be told."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nas.tasks.task import SampledRecall


class Compression(SampledRecall):
    """Accuracy on every token of `sequence_length - 1` random ones, decoded from the model's LAST vector.

    A small fixed decoder is trained beside the model: it belongs to the task. As published, except that the compression token
    itself, which is always the same, is no target, and that there is a validation split.
    """

    title: ClassVar[str] = "Compression (MAD)"
    source: ClassVar[str] = "arXiv 2403.17844"

    name: Literal["compression"] = "compression"
    vocab_size: Annotated[int, Field(ge=3, le=1_000_000)] = 16
    """The last one is the compression token."""
    sequence_length: Annotated[int, Field(ge=2, le=65_536)] = 32
    """Tokens of a sequence, with the compression token."""

    @property
    def causal(self) -> bool:
        """The decoder sees one vector, which has seen every token anyway."""
        return False

    def chance(self) -> float:
        """Guessing among all tokens but the compression token."""
        return 1 / (self.vocab_size - 1)
