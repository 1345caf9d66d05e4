import pytest

from search_spaces.architecture import Architecture, Layer, Loop
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.summary import shares, summarise

ATTENTION = Attention(n_heads=4, n_kv_heads=2, head_dim=16)
CONV = Layer(mixers=(ShortConv(),), channel=SwiGLU(d_ff=128))
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
