"""Attention and its kin: the words for layers with attention, and their knobs."""

from search_spaces.genes import Gene, Number, OneOf
from search_spaces.options.option import Assignment, MixerOption, given, whole
from search_spaces.primitives import Mixer
from search_spaces.primitives.attention import Attention

ATTENTION_KNOBS = ("n_heads", "n_kv_heads", "qk_norm")


def _attention(assignment: Assignment, width: int) -> Mixer:
    n_heads, n_kv_heads = whole(assignment, "n_heads"), assignment["n_kv_heads"]
    return Attention(
        n_heads=n_heads,
        n_kv_heads=n_heads if n_kv_heads == "all" else int(n_kv_heads),
        head_dim=width // n_heads,
        window=given(assignment, "window"),
        rope=bool(assignment["rope"]),
        qk_norm=bool(assignment["qk_norm"]),
    )


OPTIONS: dict[str, MixerOption] = {
    option.name: option for option in (MixerOption(name="attention", build=_attention, facts=(), knobs=ATTENTION_KNOBS),)
}

KNOBS = (
    Gene(
        name="n_heads",
        title="Attention heads; their width is d_model / n_heads",
        limits=Number(1, 256),
        default=4,
        needs="attention",
    ),
    Gene(
        name="n_kv_heads",
        title="Key/value heads shared by the attention heads",
        limits=Number(1, 256, words=("all",)),
        default="all",
        needs="attention",
    ),
    Gene(
        name="window",
        title="Tokens attention sees, itself included; 0 for all",
        limits=Number(0, 1_000_000),
        default=0,
        needs="attention",
    ),
    Gene(
        name="rope",
        title="Rotary positions in attention",
        limits=OneOf((True, False)),
        default=True,
        needs="attention",
    ),
    Gene(
        name="qk_norm",
        title="RMSNorm on attention's queries and keys",
        limits=OneOf((False, True)),
        default=False,
        needs="attention",
    ),
)
