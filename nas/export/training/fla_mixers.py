"""The linear mixers of flash-linear-attention 0.6.0: which of our recurrences each of them is, and its fields.

Every function raises `Refused` for a recurrence that its layer does not compute, also where a config has the field and the
model does not hand it on.
"""

from math import nextafter

from nas.export.training.target import Refused, require
from nas.export.training.text import Table
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.recurrence import Recurrence

HEADS = ("kind", "n_heads", "n_groups", "key_dim", "value_dim")
GLA_RANK = 16
"""Of gla's decays: its model hands none on, so that its layer's default holds."""
MAX_RETNET_KEY = 256


def retnet(mixer: Recurrence, at: str, d_model: int) -> Table:
    """Multi-scale retention, which the model builds without a convolution."""
    always = {"decay": ("fixed",), "rope": (True,), "out_norm": ("head", "head_plain")}
    require(mixer, at, "fla's retnet", (*HEADS, "gate"), always)
    _heads_alike(mixer, at, "retnet")
    if mixer.key_dim > MAX_RETNET_KEY:
        raise Refused(f"{at}key_dim", f"{mixer.key_dim}; fla's retnet has at most {MAX_RETNET_KEY}")
    return {
        **_expanded(mixer, d_model),
        "use_short_conv": False,
        "feature_map": None,
        "use_output_gate": mixer.gate,
        "elementwise_affine": mixer.out_norm == "head",
    }


def gla(mixer: Recurrence, at: str, d_model: int) -> Table:
    """Gated linear attention: sigmoid decays to the power 1/16, of rank 16."""
    always = {"decay": ("low_rank",), "decay_rank": (GLA_RANK,), "out_norm": ("head", "head_plain")}
    require(mixer, at, "fla's gla", (*HEADS, "gate", "conv_width"), {**always, "feature_map": ("none", "relu", "silu")})
    _heads_alike(mixer, at, "gla")
    return {
        **_expanded(mixer, d_model),
        **_convolution(mixer),
        "feature_map": None if mixer.feature_map == "none" else mixer.feature_map,
        "use_output_gate": mixer.gate,
        "clamp_min": None,
        "elementwise_affine": mixer.out_norm == "head",
    }


def delta_net(mixer: Recurrence, at: str, d_model: int) -> Table:
    """The delta rule without decay."""
    has = (*HEADS, "gate", "conv_width", "beta_scale", "feature_map", "value_silu")
    require(mixer, at, "fla's delta_net", has, {"decay": ("none",), "write": ("delta",), "qk_norm": (True,)})
    _heads_alike(mixer, at, "delta_net")
    _silu_everywhere(mixer, at, "delta_net")
    return {
        **_expanded(mixer, d_model),
        **_convolution(mixer),
        "use_gate": mixer.gate,
        "use_beta": True,
        "allow_neg_eigval": mixer.beta_scale == 2,
        "qk_norm": "l2",
        "qk_activation": "silu",
    }


def gated_deltanet(mixer: Recurrence, at: str, _: int) -> Table:
    """The delta rule with a decay for each value head; value heads may share keys."""
    has = (*HEADS, "gate", "gate_activation", "conv_width", "beta_scale", "feature_map", "value_silu")
    always = {"write": ("delta",), "decay": ("step",), "qk_norm": (True,)}
    require(mixer, at, "fla's gated_deltanet", has, always)
    _silu_everywhere(mixer, at, "gated_deltanet")
    return {
        "num_heads": mixer.n_groups,
        "num_v_heads": mixer.n_heads,
        "head_dim": mixer.key_dim,
        "expand_v": _ratio(mixer.value_dim, mixer.key_dim),
        **_convolution(mixer),
        "use_gate": mixer.gate,
        "output_gate_activation": mixer.gate_activation,
        "allow_neg_eigval": mixer.beta_scale == 2,
    }


def linear_attn(mixer: Recurrence, at: str, d_model: int) -> Table:
    """Linear attention, whose model always norms what each head reads."""
    maps = {"elu1": "elu", "relu": "relu", "none": "identity"}
    has = (*HEADS, "normaliser")
    always = {"decay": ("none",), "feature_map": tuple(maps), "gate": (False,), "out_norm": ("head", "head_plain")}
    require(mixer, at, "fla's linear_attn", has, always)
    _heads_alike(mixer, at, "linear_attn")
    return {
        **_expanded(mixer, d_model),
        "feature_map": maps[mixer.feature_map],
        "tie_feature_map_qk": False,
        "norm_q": False,
        "norm_k": False,
        "norm_feature_map": mixer.normaliser == "sum",
        "elementwise_affine": mixer.out_norm == "head",
    }


def mamba2(mixer: Recurrence, at: str, d_model: int) -> Table:
    """Mamba-2; its gate comes before the norm of each group."""
    always = {"decay": ("step",), "write": ("step",), "skip": (True,), "out_norm": ("gated",)}
    require(mixer, at, "fla's mamba2", (*HEADS, "conv_width", "conv_bias"), always)
    if not mixer.conv_width:
        raise Refused(f"{at}conv_width", "0; fla's mamba2 has a convolution")
    if mixer.n_groups not in (1, mixer.n_heads):
        # without mamba_ssm it repeats the groups in turn, where ours and the kernels keep a group's heads together
        raise Refused(f"{at}n_groups", f"{mixer.n_groups}; which heads share a group in fla's mamba2 depends on its kernels")
    return {
        "head_dim": mixer.value_dim,
        "state_size": mixer.key_dim,
        "n_groups": mixer.n_groups,
        "expand": _ratio(mixer.inner_width, d_model),
        "conv_kernel": mixer.conv_width,
        "use_conv_bias": mixer.conv_bias,
        "use_bias": False,
        "rmsnorm": True,
        "norm_before_gate": False,
        "D_has_hdim": False,
    }


def mamba_sizes(mixer: Mamba, at: str) -> Table:
    """Mamba-1, under the names that fla's mamba and samba share."""
    require(mixer, at, "fla's mamba", ("kind", "expand", "state_size", "conv_width", "dt_rank"))
    return {
        "state_size": mixer.state_size,
        "expand": mixer.expand,
        "conv_kernel": mixer.conv_width,
        "use_conv_bias": True,
        "use_bias": False,
    }


def _heads_alike(mixer: Recurrence, at: str, model_type: str) -> None:
    if mixer.n_groups != mixer.n_heads:
        raise Refused(
            f"{at}n_groups", f"{mixer.n_groups} of {mixer.n_heads} heads; fla's {model_type} shares no queries between heads"
        )


def _silu_everywhere(mixer: Recurrence, at: str, model_type: str) -> None:
    """SiLU follows the convolution; without one fla has it all the same."""
    if mixer.conv_width == 0 and mixer.feature_map != "silu":
        raise Refused(f"{at}feature_map", f"{mixer.feature_map!r}; fla's {model_type} has 'silu' without a convolution")
    if mixer.conv_width == 0 and not mixer.value_silu:
        raise Refused(f"{at}value_silu", f"False; fla's {model_type} has SiLU on the values without a convolution")
    if mixer.conv_width and mixer.feature_map != "none":
        raise Refused(f"{at}feature_map", f"{mixer.feature_map!r}; fla's {model_type} has only the convolution's SiLU")


def _expanded(mixer: Recurrence, d_model: int) -> Table:
    """Heads by number, and both widths as multiples of d_model, which fla rounds to integers."""
    return {
        "num_heads": mixer.n_heads,
        "expand_k": _ratio(mixer.keys_width, d_model),
        "expand_v": _ratio(mixer.inner_width, d_model),
    }


def _convolution(mixer: Recurrence) -> Table:
    if not mixer.conv_width:
        return {"use_short_conv": False}
    return {"use_short_conv": True, "conv_size": mixer.conv_width}


def _ratio(size: int, base: int) -> int | float:
    """The factor that `int(factor * base)` makes `size` of."""
    if size % base == 0:
        return size // base
    factor = size / base
    return factor if int(factor * base) == size else nextafter(factor, factor + 1)
