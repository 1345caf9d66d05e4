"""What a whole model's options cost: one plain model, and the same with one option each, as documents people could write."""

from collections.abc import Iterator, Mapping
from typing import Any

from search_spaces.architecture import Architecture
from search_spaces.reference.examples import D_MODEL, EXAMPLES

_PLAIN = {"mixers": [EXAMPLES["attention"].to_data()], "channel": EXAMPLES["swiglu"].to_data()}

_LOOPED: Mapping[str, Any] = {"n_loops": 2}
_BYTES = {"kind": "byte_patch", "patch_size": 4, "d_byte": 32, "within": [{"channel": {"kind": "swiglu", "d_ff": 64}}]}
_BESIDE = {"mixers": [EXAMPLES["attention"].to_data(), EXAMPLES["rwkv6"].to_data()]}

OPTIONS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "attention beside rwkv6, added": (_BESIDE, {}),
    "the same, fusion norm_mean": ({**_BESIDE, "fusion": "norm_mean"}, {}),
    "the same, fusion gate": ({**_BESIDE, "fusion": "gate"}, {}),
    "the same, fusion route_soft": ({**_BESIDE, "fusion": "route_soft"}, {}),
    "the same, fusion route_top1": ({**_BESIDE, "fusion": "route_top1"}, {}),
    "capacity 0.5": ({"capacity": 0.5}, {}),
    "n_loops 2": ({}, _LOOPED),
    "n_loops 2, injection add": ({}, {**_LOOPED, "injection": "add"}),
    "n_loops 2, injection concat": ({}, {**_LOOPED, "injection": "concat"}),
    "n_loops 2, loop norm": ({}, {**_LOOPED, "loop": {"norm": True}}),
    "n_loops 2, loop step_embedding": ({}, {**_LOOPED, "loop": {"step_embedding": True}}),
    "n_loops 2, injection add, loop shift": ({}, {**_LOOPED, "injection": "add", "loop": {"shift": True}}),
    "n_loops 2, loop depth token_choice": ({}, {**_LOOPED, "loop": {"depth": "token_choice"}}),
    "n_loops 2, loop depth expert_choice": ({}, {**_LOOPED, "loop": {"depth": "expert_choice"}}),
    "n_loops 2, loop depth halting": ({}, {**_LOOPED, "loop": {"depth": "halting"}}),
    "n_loops 2, loop eval_loops 4": ({}, {**_LOOPED, "loop": {"eval_loops": 4}}),
    "norm layer": ({}, {"norm": "layer"}),
    "norm dyt": ({}, {"norm": "dyt"}),
    "n_streams 2": ({}, {"n_streams": 2}),
    "n_meta 16": ({}, {"n_meta": 16}),
    "input with rosa": ({}, {"input": {"rosa": True}}),
    "input of untied embeddings": ({}, {"input": {"tie_embeddings": False}}),
    "input byte_patch of 4, d_byte 32": ({}, {"input": _BYTES}),
    "input continuous, 8 channels": ({}, {"input": {"kind": "continuous", "n_channels": 8}}),
    "mtp": ({}, {"mtp": {}}),
    "next_latent, d_hidden 64": ({}, {"next_latent": {"d_hidden": 64}}),
}
"""For each name: what changes in both layers, and what in the model."""


def models() -> Iterator[tuple[str, Architecture]]:
    """The plain model, two layers of attention and a feed-forward over 256 tokens; then one with each option."""
    for name, (of_layer, of_model) in {"plain": ({}, {}), **OPTIONS}.items():
        core = [{**_PLAIN, **of_layer}] * 2
        yield name, Architecture.from_data({"d_model": D_MODEL, "core": core, **of_model})
