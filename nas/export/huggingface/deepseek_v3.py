"""DeepSeek-V3's tensors, and the multi-head latent attention that Kimi-Linear has under the same names."""

from collections.abc import Iterator

import numpy as np

from nas.export.huggingface.rules import Array, Rule, changed, same
from search_spaces.primitives.mla import MLA


def mla_rules(config: MLA) -> tuple[Rule, ...]:
    """For one attention layer. With rotary positions theirs is DeepSeek-V3's, without Kimi-Linear's."""
    return tuple(_mla_rules(config))


def _mla_rules(config: MLA) -> Iterator[Rule]:
    rotary = config.rope_dim if config.rope else 0
    queries = "q_b_proj.weight" if config.q_rank else "q_proj.weight"
    if config.q_rank:
        yield same("q_down.weight", "q_a_proj.weight")
        yield same("q_norm.weight", "q_a_layernorm.weight")
    yield _with_halves("q_up.weight", queries, config.query_dim, rotary)
    yield _with_halves("kv_down.weight", "kv_a_proj_with_mqa.weight", config.kv_rank + config.rope_dim, rotary)
    yield same("kv_norm.weight", "kv_a_layernorm.weight")
    yield same("kv_up.weight", "kv_b_proj.weight")
    yield same("out_proj.weight", "o_proj.weight")


def _with_halves(ours: str, theirs: str, width: int, rotary: int) -> Rule:
    """Blocks of `width` rows whose last `rotary` turn in pairs: theirs are neighbours, ours are (i, i + rotary / 2)."""
    plain = np.arange(width - rotary)
    pairs = np.arange(width - rotary, width)
    order = np.concatenate([plain, pairs[::2], pairs[1::2]])
    return changed(ours, theirs, lambda array: _rows(array, order), lambda array: _rows(array, np.argsort(order)))


def _rows(weight: Array, order: np.ndarray) -> Array:
    """Every block of rows in another order."""
    return weight.reshape(-1, len(order), weight.shape[1])[:, order].reshape(weight.shape)
