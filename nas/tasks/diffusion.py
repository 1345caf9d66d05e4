"""Denoising diffusion on handwritten digits: the noise in an image, told how much there is and which digit it is."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nas.tasks.task import Task


class Diffusion(Task):
    """Mean squared error of the noise that was added to 8 x 8 digits, read as 64 pixels of one channel, row by row.

    An image x becomes a x + sqrt(1 - a^2) e: noise e, and a^2 the `schedule` at a level t from 0 to 1. Level and digit reach
    every layer as in DiT (arXiv 2212.09748): scale and shift behind each norm, a gate before each addition, which start at
    zero; they belong to the task. Validation and test have levels and noise that never change. The images are those of
    scikit-learn, as grey levels from -1 to 1, dealt out class by class by the data's seed.
    """

    title: ClassVar[str] = "Denoising diffusion on digits"
    source: ClassVar[str] = "arXiv 2212.09748; scikit-learn's digits"
    metric: ClassVar[str] = "denoising_loss"
    higher_is_better: ClassVar[bool] = False
    lowest: ClassVar[float] = 0
    name: Literal["diffusion"] = "diffusion"
    sequence_length: Literal[64] = 64
    """Pixels of an image."""
    schedule: Literal["cosine", "linear"] = "cosine"
    """a^2 at level t: cosine (arXiv 2102.09672), or DDPM's betas from 1e-4 to 0.02 a thousandth (2006.11239) in the limit of
    small steps."""
    n_held_out_per_class: Annotated[int, Field(ge=2, le=60)] = 27
    """Digits of each class for validation, and as many for test; the others are trained on."""
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 512
    """Noisy images that choose the learning rate; the images repeat, their levels and noise do not."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 1024
    """Noisy images that the reported value is taken on."""

    @property
    def causal(self) -> bool:
        """All pixels are denoised at once, and a pixel's own noise is in no other."""
        return False

    @property
    def channels(self) -> int:
        """The brightness."""
        return 1

    def chance(self) -> float:
        """No noise is foretold: its variance."""
        return 1.0

    def score(self, value: float) -> float:
        """1 minus the loss, 0 for no better than chance."""
        return min(1.0, max(0.0, 1 - value))
