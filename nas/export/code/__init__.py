"""Readable PyTorch code of one architecture, which needs nothing of ours."""

from nas.export.code.module import ModelCode, model_code

__all__ = ["ModelCode", "model_code"]
