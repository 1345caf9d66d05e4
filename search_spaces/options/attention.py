"""Attention and its kin: the words for layers with attention, and their knobs."""

from typing import Any

from search_spaces.genes import Facts, Gene, GeneValue, Number, OneOf
from search_spaces.options.option import Assignment, MixerOption, given, whole
from search_spaces.primitives import Mixer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from search_spaces.primitives.linformer import Linformer
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.segment_attention import SegmentAttention

ROTARY_SHARES = {"all": 1.0, "half": 0.5, "quarter": 0.25}

PATTERNS: dict[str, tuple[str, ...]] = {
    "dense": ("plain",),
    "strided": ("stride",),
    "fixed": ("stride", "fixed"),
    "bigbird": ("bigbird",),
    "top_k": ("kept",),
}
"""Words of the gene `pattern`, with what they let later genes know."""


def _attention(assignment: Assignment, width: int) -> Mixer:
    return Attention.model_validate(
        {
            **_heads(assignment, width),
            **_pattern(assignment),
            "rotary_fraction": ROTARY_SHARES[str(assignment["rotary_share"])] if assignment["rope"] else 1.0,
            "soft_cap": float(assignment["soft_cap"]) or None,
            "sink": assignment["sink"],
            "output_gate": assignment["output_gate"],
            "sub_norm": assignment["norm"] == "sub",
            "kv_bits": assignment["kv_bits"],
        }
    )


def _heads(assignment: Assignment, width: int) -> dict[str, Any]:
    n_heads, n_kv_heads = whole(assignment, "n_heads"), assignment["n_kv_heads"]
    return {
        "n_heads": n_heads,
        "n_kv_heads": n_heads if n_kv_heads == "all" else int(n_kv_heads),
        "head_dim": width // n_heads,
        "rope": assignment["rope"],
        "qk_norm": assignment["qk_norm"],
    }


def _pattern(assignment: Assignment) -> dict[str, Any]:
    """What of the tokens before is visible."""
    match assignment["pattern"]:
        case "strided":
            return {"pattern": "strided", "stride": whole(assignment, "stride")}
        case "fixed":
            stride = whole(assignment, "stride")
            return {"pattern": "fixed", "stride": stride, "n_summary": min(stride, whole(assignment, "n_summary"))}
        case "bigbird":
            return {
                "pattern": "bigbird",
                "block_size": whole(assignment, "block_size"),
                "n_random": whole(assignment, "n_random"),
                "n_global": whole(assignment, "n_global_blocks"),
            }
        case "top_k":
            return {"top_k": whole(assignment, "kept_tokens"), "window": whole(assignment, "local_window")}
    window = given(assignment, "window")
    return {"window": window, "n_global": whole(assignment, "n_global") if window else 0}


def _mla(assignment: Assignment, _: int) -> Mixer:
    return MLA.model_validate(
        {
            "n_heads": whole(assignment, "n_heads"),
            "kv_rank": whole(assignment, "kv_rank"),
            "q_rank": given(assignment, "q_rank"),
            "nope_dim": whole(assignment, "nope_dim"),
            "rope_dim": whole(assignment, "rope_dim"),
            "value_dim": whole(assignment, "mla_value_dim"),
            "rope": assignment["rope"],
            "kv_bits": assignment["kv_bits"],
        }
    )


def _segment_attention(assignment: Assignment, width: int) -> Mixer:
    n_heads = whole(assignment, "n_heads")
    segment, memory = whole(assignment, "segment"), whole(assignment, "segment_memory")
    return SegmentAttention(n_heads=n_heads, head_dim=width // n_heads, segment=segment, memory=memory)


def _bidirectional_attention(assignment: Assignment, width: int) -> Mixer:
    return BidirectionalAttention.model_validate(_heads(assignment, width))


def _linformer(assignment: Assignment, width: int) -> Mixer:
    n_heads, max_length = whole(assignment, "n_heads"), whole(assignment, "max_length")
    rank = min(max_length, whole(assignment, "linformer_rank"))
    return Linformer(n_heads=n_heads, head_dim=width // n_heads, rank=rank, max_length=max_length)


_KV = ("softmax", "kv_heads", "rotary")
_HEADS = ("n_heads", "n_kv_heads", "qk_norm")
OPTIONS: dict[str, MixerOption] = {
    option.name: option
    for option in (
        MixerOption(
            name="attention",
            build=_attention,
            facts=(*_KV, "cache"),
            knobs=("n_heads", "n_kv_heads"),
            extras=("qk_norm", "pattern", "sink", "output_gate", "norm"),
        ),
        MixerOption(
            name="mla",
            build=_mla,
            facts=("softmax", "rotary", "cache"),
            knobs=("n_heads", "kv_rank", "q_rank", "nope_dim", "rope_dim", "mla_value_dim"),
        ),
        MixerOption(name="segment_attention", build=_segment_attention, facts=("softmax",), knobs=("n_heads",)),
        MixerOption(name="bidirectional_attention", build=_bidirectional_attention, facts=_KV, knobs=_HEADS, causal=False),
        MixerOption(
            name="linformer",
            build=_linformer,
            facts=("softmax", "max_length"),
            knobs=("n_heads", "linformer_rank", "max_length"),
            causal=False,
        ),
    )
}


def _learn_pattern(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning(PATTERNS[str(value)])


def _learn_window(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"window"}) if int(value) else facts


def _learn_rope(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"turned"}) if value else facts


HEAD_GENES = (
    Gene(
        name="n_heads",
        title="Attention heads; their width is d_model / n_heads",
        limits=Number(1, 256),
        default=4,
        needs="softmax",
    ),
    Gene(
        name="n_kv_heads",
        title="Key/value heads shared by the attention heads",
        limits=Number(1, 256, words=("all",)),
        default="all",
        needs="kv_heads",
    ),
    Gene(
        name="rope",
        title="Rotary positions in attention",
        limits=OneOf((True, False)),
        default=True,
        needs="rotary",
        learn=_learn_rope,
    ),
    Gene(
        name="rotary_share",
        title="Share of attention's channels that rotary positions turn",
        limits=OneOf(tuple(ROTARY_SHARES)),
        default="all",
        needs="turned",
    ),
    Gene(
        name="qk_norm",
        title="RMSNorm on attention's queries and keys",
        limits=OneOf((False, True)),
        default=False,
        needs="kv_heads",
    ),
    Gene(
        name="soft_cap",
        title="Attention logits stay within plus and minus this; 0 for no limit",
        limits=Number(0, 10_000, whole=False),
        default=0.0,
        needs="attention",
    ),
    Gene(
        name="sink",
        title="A learned logit for each head that takes attention and has no value",
        limits=OneOf((False, True)),
        default=False,
        needs="attention",
    ),
    Gene(
        name="output_gate",
        title="A sigmoid gate on what attention reads",
        limits=OneOf((False, True)),
        default=False,
        needs="attention",
    ),
    Gene(
        name="kv_bits",
        title="Bits of a cached number; below 16 it is rounded outside training",
        limits=OneOf((16, 8, 4, 2)),
        default=16,
        needs="cache",
    ),
)

PATTERN_GENES = (
    Gene(
        name="pattern",
        title="Which earlier tokens attention sees: all or a window, a Sparse Transformer or BigBird pattern, or a window "
        "and those with the largest learned scores",
        limits=OneOf(tuple(PATTERNS)),
        default="dense",
        needs="attention",
        learn=_learn_pattern,
    ),
    Gene(
        name="window",
        title="Tokens attention sees, itself included; 0 for all",
        limits=Number(0, 1_000_000),
        default=0,
        needs="plain",
        learn=_learn_window,
        switch=True,
    ),
    Gene(
        name="n_global",
        title="First tokens that stay visible beyond the window",
        limits=Number(0, 4096),
        default=0,
        needs="window",
    ),
    Gene(
        name="stride",
        title="Stride of the strided pattern, block of the fixed one, in tokens",
        limits=Number(2, 1_000_000),
        default=16,
        needs="stride",
    ),
    Gene(
        name="n_summary",
        title="Last tokens of a block of the fixed pattern that later blocks see, at most all of them",
        limits=Number(1, 1_000_000),
        default=2,
        needs="fixed",
    ),
    Gene(
        name="block_size",
        title="Tokens of a block of the bigbird pattern",
        limits=Number(1, 1_000_000),
        default=16,
        needs="bigbird",
    ),
    Gene(
        name="n_random",
        title="Earlier blocks that a block of the bigbird pattern sees at random",
        limits=Number(0, 64),
        default=1,
        needs="bigbird",
    ),
    Gene(
        name="n_global_blocks",
        title="First blocks that all of the bigbird pattern see",
        limits=Number(0, 4096),
        default=1,
        needs="bigbird",
    ),
    Gene(
        name="kept_tokens",
        title="Tokens kept from before the window, those with the largest scores",
        limits=Number(1, 65_536),
        default=16,
        needs="kept",
    ),
    Gene(
        name="local_window",
        title="Window beside the kept tokens, in tokens",
        limits=Number(1, 1_000_000),
        default=32,
        needs="kept",
    ),
)

KIN_GENES = (
    Gene(
        name="kv_rank",
        title="Size of the latent that mla's keys and values are made of",
        limits=Number(1, 4096),
        default=32,
        needs="mla",
    ),
    Gene(
        name="q_rank",
        title="Size of the latent that mla's queries are made of; 0 for none",
        limits=Number(0, 4096),
        default=0,
        needs="mla",
    ),
    Gene(name="nope_dim", title="Key channels of an mla head without position", limits=Number(1, 512), default=16, needs="mla"),
    Gene(
        name="rope_dim",
        title="Key channels of mla with position, shared by heads",
        limits=Number(2, 512),
        default=8,
        needs="mla",
    ),
    Gene(name="mla_value_dim", title="Value channels of an mla head", limits=Number(1, 512), default=16, needs="mla"),
    Gene(
        name="segment",
        title="Tokens of a segment of segment_attention",
        limits=Number(1, 1_000_000),
        default=32,
        needs="segment_attention",
    ),
    Gene(
        name="segment_memory",
        title="Tokens before its segment that a token sees",
        limits=Number(0, 1_000_000),
        default=32,
        needs="segment_attention",
    ),
    Gene(
        name="linformer_rank",
        title="Mixtures of tokens that a query chooses from, at most max_length",
        limits=Number(1, 4096),
        default=16,
        needs="linformer",
    ),
)

KNOBS = (*HEAD_GENES, *PATTERN_GENES, *KIN_GENES)
