"""Classification of small grey images read pixel by pixel (sequential image classification, arXiv 2011.04006)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nas.tasks.task import RecallTask

N_LEVELS = 17
N_CLASSES = 10


class ImageClassification(RecallTask):
    """Accuracy of the class of handwritten digits of 8 by 8 pixels, read row by row and told at the last pixel.

    The 1,797 digits are those that ship with scikit-learn (UCI, Alpaydin and Kaynak 1998): 17 grey levels, which are tokens
    0 to 16; the classes are tokens 17 to 26. Which digits are for validation and for testing, as many of each class, is drawn
    from the data seed; the others are trained on again and again, in random batches.
    """

    title: ClassVar[str] = "Digits, pixel by pixel"
    source: ClassVar[str] = "scikit-learn digits; arXiv 2011.04006"

    name: Literal["image_classification"] = "image_classification"
    vocab_size: Literal[27] = 27
    """Grey levels and classes."""
    sequence_length: Literal[64] = 64
    """Pixels of an image."""
    bidirectional: bool = False
    """Whether models may read pixels ahead. Only then are mixers allowed that see later tokens; causal ones always are."""
    n_validation_per_class: Annotated[int, Field(ge=2, le=60)] = 20
    """Digits of each class that choose the learning rate."""
    n_test_per_class: Annotated[int, Field(ge=2, le=60)] = 40
    """Digits of each class that the reported value is taken on."""

    @property
    def causal(self) -> bool:
        """No later token may be seen, unless the task is bidirectional."""
        return not self.bidirectional

    def chance(self) -> float:
        """One class of ten."""
        return 1 / N_CLASSES
