"""Needle retrieval: one fact in a long text, asked for at its end (passkey, arXiv 2305.16300; RULER, 2404.06654)."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import RecallTask, TaskMetric, beyond_metrics


class Needle(RecallTask):
    """Accuracy on the tokens of a needle that lies anywhere in a haystack of random tokens, also in longer haystacks.

    A needle is a key and the `n_values` tokens after it. Keys are from the lower half of the vocabulary, values and hay from
    the upper. `n_needles` with different keys lie at random places; at the end stands one of the keys again, and its values
    are to be predicted one after another. The model is trained at `sequence_length` and tested there and at `test_lengths`,
    with as many needles.
    """

    title: ClassVar[str] = "Needle retrieval with length extrapolation"
    source: ClassVar[str] = "arXiv 2404.06654"

    name: Literal["needle"] = "needle"
    vocab_size: Annotated[int, Field(ge=8, le=1_000_000)] = 64
    """Different tokens: half of them keys, half of them values and hay."""
    sequence_length: Annotated[int, Field(ge=8, le=65_536)] = 64
    """Tokens that the model is trained on."""
    test_lengths: Annotated[tuple[Annotated[int, Field(ge=8, le=65_536)], ...], Field(max_length=8)] = (128, 256)
    """Further lengths at which the trained model is tested; twice and four times `sequence_length` are usual."""
    n_needles: Annotated[int, Field(ge=1, le=4096)] = 2
    """Needles in the haystack, of which one is asked for."""
    n_values: Annotated[int, Field(ge=1, le=64)] = 1
    """Tokens of a needle behind its key."""
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 512
    """Sequences that choose the learning rate."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 512
    """Sequences that the reported value is taken on, at every length."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        # the last value is predicted and not read
        least = (self.n_needles + 1) * (1 + self.n_values) - 1
        if min((self.sequence_length, *self.test_lengths)) < least:
            raise ValueError(f"{self.n_needles} needles of {1 + self.n_values} tokens need lengths of at least {least}")
        if self.n_needles > self.vocab_size // 2:
            raise ValueError(f"n_needles {self.n_needles} needs vocab_size of at least {2 * self.n_needles}")
        if len({self.sequence_length, *self.test_lengths}) <= len(self.test_lengths):
            raise ValueError("test_lengths must differ from each other and from sequence_length")
        return self

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """Accuracy at the other lengths, and what is lost on the longest."""
        names = [f"length={length}" for length in self.test_lengths]
        lengths = beyond_metrics(self.metric, self.higher_is_better, names, self.sequence_length)
        return (*super().further_metrics(), *lengths)

    def chance(self) -> float:
        """Any of the values."""
        return 1 / (self.vocab_size - self.vocab_size // 2)
