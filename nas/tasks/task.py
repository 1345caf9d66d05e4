"""What every task document is: a data generator's settings and a metric, without the generator.

The generator is `workers/tasks/NAME.py`: a pure function of these settings and a seed.
"""

from abc import abstractmethod
from typing import ClassVar

from search_spaces.document import Document


class Task(Document):
    """Base of all tasks. Subclasses add `name: Literal[...] = ...`, `sequence_length` and their knobs."""

    title: ClassVar[str]
    source: ClassVar[str]
    metric: ClassVar[str]
    higher_is_better: ClassVar[bool]
    causal: ClassVar[bool] = True
    """Whether a token's target may be told from that token and those before it only: a later one would give it away."""

    sequence_length: int
    vocab_size: int

    @abstractmethod
    def chance(self) -> float:
        """The metric's value for a predictor that has learnt nothing."""

    @abstractmethod
    def score(self, value: float) -> float:
        """The metric on a scale where 1 is perfect, 0 is worthless and higher is better."""
