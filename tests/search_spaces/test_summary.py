import pytest

from search_spaces.architecture import (
    Architecture,
    BytePatchInput,
    ContinuousInput,
    Layer,
    Loop,
    Numerics,
    TokenInput,
)
from search_spaces.objectives import MultiTokenPrediction, NextLatent
from search_spaces.primitives import CATALOGUE
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.summary import shares, summarise

ATTENTION = Attention(n_heads=4, n_kv_heads=2, head_dim=16)
CONV = Layer(mixers=(ShortConv(),), channel=SwiGLU(d_ff=128))
BOTH = (ATTENTION, ShortConv())
TOP = Layer(mixers=(ATTENTION,), channel=MoE(n_experts=8, top_k=2, d_expert=64))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"core": (CONV, CONV, CONV, TOP)}, "d64 · [conv3 | ffn128]×3 → [attn4/2 | moe8k2x64]"),
        ({"core": (TOP, CONV, TOP)}, "d64 · [attn4/2 | moe8k2x64] → [conv3 | ffn128] → [attn4/2 | moe8k2x64]"),
        ({"core": (Layer(mixers=(ATTENTION,)), Layer(channel=SwiGLU(d_ff=8)))}, "d64 · [attn4/2] → [ffn8]"),
        (
            {"prelude": (CONV,), "core": (TOP, TOP), "n_loops": 3, "coda": (CONV,)},
            "d64 · [conv3 | ffn128] → loop([attn4/2 | moe8k2x64]×2)×3 → [conv3 | ffn128]",
        ),
        ({"core": (CONV,), "n_loops": 2, "injection": "add"}, "d64 · loop([conv3 | ffn128])×2+input"),
        (
            {"core": (CONV,), "n_loops": 2, "injection": "concat", "loop": Loop(norm=True, shift=True, eval_loops=4)},
            "d64 · loop([conv3 | ffn128])×2/4‖input·norm·shift",
        ),
        (
            {"core": (CONV,), "n_loops": 3, "loop": Loop(depth="expert_choice"), "n_meta": 8, "n_streams": 2},
            "d64 · 2 streams · meta8 → loop([conv3 | ffn128])×3·expert_choice",
        ),
        ({"core": (Layer(mixers=(ATTENTION, ShortConv())),)}, "d64 · [attn4/2+conv3]"),
        ({"core": (Layer(mixers=(ATTENTION, ShortConv()), fusion="norm_mean"),)}, "d64 · [⟨attn4/2+conv3⟩]"),
        ({"core": (Layer(mixers=BOTH, fusion="gate"),)}, "d64 · [gate(attn4/2+conv3)]"),
        ({"core": (Layer(mixers=BOTH, fusion="route_soft"),)}, "d64 · [soft(attn4/2+conv3)]"),
        ({"core": (Layer(mixers=BOTH, fusion="route_top1", capacity=0.5),)}, "d64 · [top1(attn4/2+conv3)]@0.5"),
        ({"core": (Layer(mixers=BOTH, widths=(24, 40)), CONV)}, "d64 · [attn4/2:24+conv3:40] → [conv3 | ffn128]"),
        ({"core": 3 * (CONV, CONV, TOP)}, "d64 · ([conv3 | ffn128]×2 → [attn4/2 | moe8k2x64])×3"),
        (
            {"core": (CONV,), "n_loops": 3, "loop": Loop(depth="token_choice", capacities=(0.5, 0.25))},
            "d64 · loop([conv3 | ffn128])×3·token_choice(0.5, 0.25)",
        ),
        (
            {"core": (CONV,), "n_loops": 3, "loop": Loop(depth="halting", step_embedding=True)},
            "d64 · loop([conv3 | ffn128])×3·steps·halting",
        ),
        (
            {"core": (CONV,), "norm": "layer", "numerics": Numerics(weights="ternary", activations="int8")},
            "d64 · layer norm · ternary×int8 · [conv3 | ffn128]",
        ),
        ({"core": (CONV,), "norm": "dyt", "numerics": Numerics(sparsity="2:4")}, "d64 · dyt · 2:4 · [conv3 | ffn128]"),
        ({"core": (CONV,), "norm": "l1", "numerics": Numerics(weights="int8")}, "d64 · l1 norm · int8 · [conv3 | ffn128]"),
        (
            {"core": (CONV,), "mtp": MultiTokenPrediction(n_tokens=2), "next_latent": NextLatent(d_hidden=32)},
            "d64 · [conv3 | ffn128] · mtp2 · latent32",
        ),
        ({"core": (CONV,), "input": TokenInput(rosa=True)}, "d64 · rosa · [conv3 | ffn128]"),
        ({"core": (CONV,), "input": ContinuousInput(n_channels=3)}, "d64 · 3 channels · [conv3 | ffn128]"),
        (
            {"core": (CONV,), "input": BytePatchInput(patch_size=4, d_byte=16, within=(Layer(mixers=(ShortConv(),)),) * 2)},
            "d64 · bytes4·d16([conv3]×2) · [conv3 | ffn128]",
        ),
    ],
)
def test_summarise_reads_in_one_line(fields, expected):
    assert summarise(Architecture(d_model=64, **fields)) == expected


def test_shares_have_both_denominators():
    found = shares(Architecture(d_model=64, core=(CONV, CONV, CONV, TOP)))
    assert (found.attention, found.mixers, found.parts) == (1, 4, 8)
    assert (found.of_mixers, found.of_parts) == (0.25, 0.125)


def test_shares_count_every_loop():
    found = shares(Architecture(d_model=64, prelude=(CONV,), core=(TOP,), n_loops=3))
    assert (found.attention, found.mixers, found.parts) == (3, 4, 8)


def test_shares_are_zero_without_mixers():
    assert shares(Architecture(d_model=64, core=(Layer(channel=SwiGLU(d_ff=8)),))).of_mixers == 0.0


def test_shares_count_every_softmax_over_tokens_as_attention():
    kinds = {kind for kind, part in CATALOGUE.items() if part.is_attention}
    assert kinds == {"attention", "mla", "segment_attention", "bidirectional_attention", "linformer"}
    layers = (Layer(mixers=(MLA(n_heads=2, kv_rank=8, nope_dim=8, rope_dim=4, value_dim=8),)), CONV)
    assert shares(Architecture(d_model=64, core=layers)).of_mixers == 0.5
