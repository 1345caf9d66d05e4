"""Presets of the recurrence family: a published member at a given size."""

from collections.abc import Mapping

from search_spaces.primitives.recurrence.config import Recurrence
from search_spaces.primitives.recurrence.members import MEMBERS


def linear_attention(d_model: int, *, n_heads: int, key_dim: int, expand: int = 1) -> Recurrence:
    """Linear attention: queries and keys through elu + 1, outputs divided by the sum of the weights (arXiv 2006.16236)."""
    return _member("linear", _heads(d_model, n_heads, key_dim, expand))


def performer(d_model: int, *, n_heads: int, key_dim: int, n_features: int = 64, expand: int = 1) -> Recurrence:
    """Performer: softmax weights estimated with `n_features` positive orthogonal random features (arXiv 2009.14794)."""
    return _member("performer", {**_heads(d_model, n_heads, key_dim, expand), "n_features": n_features})


def retnet(d_model: int, *, n_heads: int, key_dim: int, expand: int = 2) -> Recurrence:
    """RetNet: fixed decay per head, rotary queries and keys, per-head norm without weights, swish gate (2307.08621)."""
    if key_dim % 2:
        raise ValueError(f"key_dim {key_dim} must be even for rotary positions")
    return _member("retnet", _heads(d_model, n_heads, key_dim, expand))


def lightning(d_model: int, *, n_heads: int, head_dim: int | None = None, decay_scale: float = 1.0) -> Recurrence:
    """Lightning attention (MiniMax): fixed slopes, SiLU on queries, keys and values, norm of the whole width (2501.08313)."""
    size = _value_dim(d_model, 1, n_heads) if head_dim is None else head_dim
    heads = {"n_heads": n_heads, "n_groups": n_heads, "key_dim": size, "value_dim": size}
    return _member("lightning", {**heads, "decay_scale": decay_scale})


def mamba2(
    d_model: int, *, n_heads: int, state_size: int, expand: int = 2, n_groups: int = 1, conv_width: int = 4
) -> Recurrence:
    """Mamba-2: `expand * d_model` must be a multiple of `n_heads`; value_dim = expand * d_model / n_heads (2405.21060)."""
    sizes = _heads(d_model, n_heads, state_size, expand, n_groups)
    return _member("mamba2", {**sizes, "conv_width": conv_width})


def gla(d_model: int, *, n_heads: int, key_dim: int, expand: int = 1, decay_rank: int = 16) -> Recurrence:
    """Gated linear attention: data-dependent decay per key channel through a low-rank projection (arXiv 2312.06635)."""
    return _member("gla", {**_heads(d_model, n_heads, key_dim, expand), "decay_rank": decay_rank})


def hgrn2(d_model: int, *, n_heads: int, key_dim: int, expand: int = 1, decay_floor: float = 0.0) -> Recurrence:
    """HGRN2: a forget gate per key channel, at least `decay_floor`; what it forgets is the key (arXiv 2404.07904)."""
    return _member("hgrn2", {**_heads(d_model, n_heads, key_dim, expand), "decay_floor": decay_floor})


def deltanet(
    d_model: int, *, n_heads: int, key_dim: int, expand: int = 1, conv_width: int = 4, beta_scale: int = 1
) -> Recurrence:
    """DeltaNet: the delta rule without decay; `beta_scale` 2 allows negative eigenvalues (arXiv 2406.06484)."""
    sizes = _heads(d_model, n_heads, key_dim, expand)
    return _member("deltanet", {**sizes, "conv_width": conv_width, "beta_scale": beta_scale})


def gated_deltanet(
    d_model: int,
    *,
    n_heads: int,
    key_dim: int,
    expand: int = 1,
    conv_width: int = 4,
    n_groups: int | None = None,
    beta_scale: int = 1,
) -> Recurrence:
    """Gated DeltaNet: delta rule, a data-dependent decay per head, unit queries and keys, convolution (arXiv 2412.06464)."""
    sizes = _heads(d_model, n_heads, key_dim, expand, n_groups)
    return _member("gdn", {**sizes, "conv_width": conv_width, "beta_scale": beta_scale})


def kda(
    d_model: int, *, n_heads: int, key_dim: int, expand: int = 1, rank: int | None = None, conv_width: int = 4
) -> Recurrence:
    """Kimi Delta Attention: the delta rule with a decay per key channel; ranks default to `key_dim` (arXiv 2510.26692)."""
    ranks = {"decay_rank": rank or key_dim, "gate_rank": rank or key_dim}
    return _member("kda", {**_heads(d_model, n_heads, key_dim, expand), **ranks, "conv_width": conv_width})


def mlstm(d_model: int, *, n_heads: int, key_dim: int, expand: int = 1) -> Recurrence:
    """mLSTM of xLSTM: exponential input gate, sigmoid forget gate, normalised by max(|q.n|, 1) (arXiv 2405.04517)."""
    return _member("mlstm", _heads(d_model, n_heads, key_dim, expand))


def _member(name: str, sizes: Mapping[str, object]) -> Recurrence:
    return Recurrence.model_validate({**MEMBERS[name], **sizes})


def _heads(d_model: int, n_heads: int, key_dim: int, expand: int, n_groups: int | None = None) -> dict[str, object]:
    """Sizes of heads whose values fill the expanded width. Raises ValueError when groups do not divide the heads."""
    if n_groups is not None and n_heads % n_groups:
        raise ValueError(f"n_groups {n_groups} must divide n_heads {n_heads}")
    value_dim = _value_dim(d_model, expand, n_heads)
    return {"n_heads": n_heads, "n_groups": n_groups or n_heads, "key_dim": key_dim, "value_dim": value_dim}


def _value_dim(d_model: int, expand: int, n_heads: int) -> int:
    """Value width of one head. Raises ValueError when the heads do not divide the expanded width."""
    if n_heads < 1 or expand * d_model % n_heads:
        raise ValueError(f"n_heads {n_heads} must divide expand * d_model = {expand * d_model}")
    return expand * d_model // n_heads
