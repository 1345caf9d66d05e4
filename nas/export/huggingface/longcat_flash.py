"""Weights of the experts of transformers' `longcat_flash`: some of them zero experts, which return their input.

Their router adds a bias to softmax scores; ours has a bias with sigmoid scores only, so theirs must be 0. Their layers hold two
attentions, two dense parts and a shortcut around them: there are no rules for a whole model.
"""

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.mixtral import ROUTED, require_normalised
from nas.export.huggingface.rules import Array, Rules, changed, same, zero
from search_spaces.primitives.moe import MoE


def moe_rules(config: MoE) -> Rules:
    """`MoE` balanced by a loss, with zero experts, as a LongcatFlashMoE. Raises ValueError for any other."""
    require(config, "longcat_flash", (*ROUTED, "n_zero", "scale"))
    require_normalised(config, "longcat_flash", False)

    def real_ones(theirs: Array) -> Array:
        return theirs[: config.n_experts].swapaxes(1, 2)

    def with_unused(ours: Array) -> Array:
        # theirs has rows for the zero experts too, and never reads them
        return np.pad(ours.swapaxes(1, 2), [(0, config.n_zero), (0, 0), (0, 0)])

    return (
        same("router.weight", "router.classifier.weight"),
        zero("routing_bias", "router.e_score_correction_bias"),
        changed("w_in", "experts.gate_up_proj", real_ones, with_unused),
        changed("w_out", "experts.down_proj", lambda theirs: theirs.swapaxes(1, 2), lambda ours: ours.swapaxes(1, 2)),
    )
