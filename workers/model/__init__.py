"""Architecture to torch module."""

from workers.model.model import DecodingState, Model, Output, build

__all__ = ["DecodingState", "Model", "Output", "build"]
