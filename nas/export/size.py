"""The size that an export is asked for, in the words that the command line and the API share."""

from dataclasses import dataclass
from typing import Final

from search_spaces.scaling import Growth, ScaleTarget, parse_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A size as people ask for it; nothing asked is the size that it has."""

    scale_to: str | None = None
    """Parameters, such as `350M`."""
    width: int | None = None
    depth: int | None = None
    growth: Growth | None = None
    head_dim: int | None = None
    """Channels of every head; None: as many as it has."""
    vocab_size: int | None = None

    @property
    def is_asked(self) -> bool:
        """Whether anything is to change."""
        return self != OWN_SIZE

    def target(self) -> ScaleTarget:
        """What the scaling is asked for. Raises `ScalingError`, or ValueError for a number that is none."""
        return ScaleTarget(
            params=None if self.scale_to is None else parse_size(self.scale_to),
            width=self.width,
            depth=self.depth,
            growth=self.growth,
            head_dim=self.head_dim,
            vocab_size=self.vocab_size,
        )


OWN_SIZE: Final = Size()
