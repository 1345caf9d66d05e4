"""Scaling: a proxy grown to a target size by stated rules, ratios and placement kept. No torch."""

from search_spaces.scaling.size import format_size, parse_size
from search_spaces.scaling.solve import scale
from search_spaces.scaling.target import TOLERANCE, Growth, Kept, Scaled, ScaleTarget, ScalingError

__all__ = ["TOLERANCE", "Growth", "Kept", "ScaleTarget", "Scaled", "ScalingError", "format_size", "parse_size", "scale"]
