"""Multi-query associative recall (Zoology, arXiv 2312.04927): key-value pairs first, then every key is asked for once."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import RecallTask


class MQAR(RecallTask):
    """Accuracy on the values of `n_pairs` keys asked for again at power-law distances in `sequence_length` tokens.

    Keys come from the lower half of the vocabulary, values from the upper half. Positions that are neither pair nor query
    hold random tokens when `random_non_queries`, else token 0.
    """

    title: ClassVar[str] = "Multi-query associative recall"
    source: ClassVar[str] = "arXiv 2312.04927"

    name: Literal["mqar"] = "mqar"
    vocab_size: Annotated[int, Field(ge=8, le=1_000_000)] = 256
    sequence_length: Annotated[int, Field(ge=8, le=65_536)] = 64
    n_pairs: Annotated[int, Field(ge=1, le=16_384)] = 8
    power: Annotated[float, Field(gt=0, le=10)] = 0.01
    random_non_queries: bool = True
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 512
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 1024

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 4 * self.n_pairs > self.sequence_length:
            raise ValueError(f"n_pairs {self.n_pairs} needs sequence_length of at least {4 * self.n_pairs}")
        if self.n_pairs > self.vocab_size // 2 - 1:
            raise ValueError(f"n_pairs {self.n_pairs} needs vocab_size of at least {2 * self.n_pairs + 2}")
        return self

    def chance(self) -> float:
        """Guessing among the values that were shown."""
        return 1 / self.n_pairs
