"""Weights of transformers' `kimi_linear` (KimiLinearDeltaAttention) and of the recurrence's member `kda`."""

from nas.export.huggingface.recurrences import require_member
from nas.export.huggingface.rules import Rule, changed, same, stacked
from search_spaces.primitives.recurrence import Recurrence

RENAMED = {
    "conv.weight": "conv1d.weight",
    "decay.step.down.weight": "forget_gate.f_a_proj.weight",
    "decay.step.up.weight": "forget_gate.f_b_proj.weight",
    "gate.down.weight": "g_a_proj.weight",
    "gate.up.weight": "g_b_proj.weight",
    "norm.weight": "o_norm.weight",
    "out_proj.weight": "o_proj.weight",
}


def linear_attention_rules(config: Recurrence) -> tuple[Rule, ...]:
    """For one Kimi Delta Attention. Raises ValueError unless keys, values and both ranks have one size and no head shares."""
    size = config.key_dim
    equal = {"value_dim": size, "decay_rank": size, "gate_rank": size}
    require_member(config, "kimi_linear", "kda", n_groups=config.n_heads, beta_scale=1, **equal)
    heads, keys = config.n_heads, config.keys_width
    names = [f"{name}_proj.weight" for name in "qkvb"]
    return (
        stacked("in_proj.weight", names, [keys, keys, config.inner_width, heads]),
        changed("decay.log_rate_G", "forget_gate.A_log", lambda x: x.reshape(heads), lambda x: x.reshape(1, 1, heads, 1)),
        changed("decay.step_bias_GK", "forget_gate.dt_bias", lambda x: x.reshape(heads, size), lambda x: x.reshape(keys)),
        *(same(ours, theirs) for ours, theirs in RENAMED.items()),
    )
