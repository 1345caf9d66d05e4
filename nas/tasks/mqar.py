"""Multi-query associative recall (Zoology, arXiv 2312.04927): key-value pairs first, then every key is asked for once."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import SampledRecall, TaskMetric, beyond_metrics
from search_spaces.document import Document

Length = Annotated[int, Field(ge=8, le=65_536)]
NPairs = Annotated[int, Field(ge=1, le=16_384)]


class MQARSize(Document):
    """A length and a number of pairs, beside those of the task itself."""

    sequence_length: Length
    """Tokens of a sequence."""
    n_pairs: NPairs
    """Pairs in it, all of which are asked for."""

    @property
    def name(self) -> str:
        """As reports name it."""
        return f"length={self.sequence_length},pairs={self.n_pairs}"


class MQAR(SampledRecall):
    """Accuracy on the values of `n_pairs` keys asked for again at power-law distances in `sequence_length` tokens.

    Keys come from the lower half of the vocabulary, values from the upper half. Positions that are neither pair nor query
    hold random tokens when `random_non_queries`, else token 0.
    """

    title: ClassVar[str] = "Multi-query associative recall"
    source: ClassVar[str] = "Zoology, arXiv 2312.04927"

    name: Literal["mqar"] = "mqar"
    vocab_size: Annotated[int, Field(ge=8, le=1_000_000)] = 256
    """Tokens: keys and values."""
    sequence_length: Length = 64
    """Tokens of a sequence."""
    n_pairs: NPairs = 8
    """Pairs in a sequence, all of which are asked for."""
    power: Annotated[float, Field(gt=0, le=10)] = 0.01
    """Of the distribution of distances, p(i) ~ i^(power - 1); 1 is uniform."""
    random_non_queries: bool = True
    """Random tokens between the queries, in the place of zeros."""
    mixture: Annotated[tuple[MQARSize, ...], Field(max_length=16)] = ()
    """Further sizes to train on: each step has one of them or the task's own, drawn by their shares. Needs fresh sequences."""
    mixture_share: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Steps of each further size for one of the task's own."""
    further: Annotated[tuple[MQARSize, ...], Field(max_length=16)] = ()
    """Further sizes to test on: `accuracy@length=256,pairs=32`, and `extrapolation_gap` where one is longer."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 1024
    """Sequences that the reported value is taken on, and as many of each further size."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for size in (self.own_size, *self.mixture, *self.further):
            if 4 * size.n_pairs > size.sequence_length:
                raise ValueError(f"n_pairs {size.n_pairs} needs sequence_length of at least {4 * size.n_pairs}")
            if size.n_pairs > self.vocab_size // 2 - 1:
                raise ValueError(f"n_pairs {size.n_pairs} needs vocab_size of at least {2 * size.n_pairs + 2}")
        if len(set(self.further)) < len(self.further):
            raise ValueError("further names a size twice; leave one out")
        if self.mixture and self.n_train is not None:
            raise ValueError("a mixture draws fresh sequences for every step; leave out n_train")
        return self

    @property
    def own_size(self) -> MQARSize:
        """What it trains, validates and tests on, whatever comes beside it."""
        return MQARSize.model_construct(sequence_length=self.sequence_length, n_pairs=self.n_pairs)

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """Macro accuracy, and the accuracy on each further size."""
        names = [size.name for size in self.further]
        return (*super().further_metrics(), *beyond_metrics(self.metric, self.higher_is_better, names, self.sequence_length))

    def chance(self) -> float:
        """Guessing among the values that were shown."""
        return 1 / self.n_pairs
