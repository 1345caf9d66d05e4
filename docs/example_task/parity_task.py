"""What the service reads: settings, metric, chance. Without torch."""

from typing import ClassVar, Literal

from nas.tasks.task import SampledRecall


class Parity(SampledRecall):
    """Accuracy on whether the ones so far are odd, at every bit of a random string."""

    title: ClassVar[str] = "Parity"
    source: ClassVar[str] = "arXiv 2207.02098"
    generator: ClassVar[str] = "parity_generator:ParityGenerator"

    name: Literal["parity"] = "parity"
    vocab_size: Literal[2] = 2
    sequence_length: int = 32

    def chance(self) -> float:
        """Guessing."""
        return 0.5
