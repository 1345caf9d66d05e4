"""Readable PyTorch code of one architecture, which needs nothing of ours."""

from nas.export.code.module import NOTE, ModelCode, model_code

__all__ = ["NOTE", "ModelCode", "model_code"]
