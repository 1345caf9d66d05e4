"""From a proxy to a model of a given size by stated rules."""

from search_spaces.architecture import Architecture
from search_spaces.scaling.target import Scaled, ScaleTarget


def scale(architecture: Architecture, target: ScaleTarget) -> Scaled:
    """The same model larger (or smaller). Raises `ScalingError`, a ValueError, where no such model exists."""
    raise NotImplementedError("under way")
