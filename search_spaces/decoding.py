"""From an assignment (a value for every active gene) to the architecture it stands for.

Both modes say one pair of words per layer, such as ("attention+mamba2", "moe"): macro mode derives them from ratio and
placement, micro mode chooses them. The rest is shared.
"""

from collections.abc import Callable, Mapping

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.catalogue import attention_count
from search_spaces.genes import GeneValue, Mode, layer_list
from search_spaces.primitives import Channel, Mixer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import gated_deltanet, gla, mamba2, retnet
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU

Assignment = Mapping[str, GeneValue]
LayerWords = tuple[str, str]


def decode(assignment: Assignment, mode: Mode, tokens: TokenInput) -> Architecture:
    """Build the architecture. The assignment must come from a valid space; nothing is checked twice here."""
    words = macro_words(assignment) if mode == "macro" else micro_words(assignment)
    built = {pair: layer(pair, assignment) for pair in set(words)}
    layers = tuple(built[pair] for pair in words)
    start = int(assignment.get("n_prelude", 0))
    end = len(layers) - int(assignment.get("n_coda", 0))
    return Architecture(
        d_model=int(assignment["d_model"]),
        input=tokens,
        prelude=layers[:start],
        core=layers[start:end],
        n_loops=int(assignment["n_loops"]),
        injection="add" if assignment.get("injection") == "add" else "none",
        coda=layers[end:],
    )


def micro_words(assignment: Assignment) -> list[LayerWords]:
    """The words each position chose."""
    positions = range(int(assignment["depth"]))
    return [(str(assignment[f"layer{at}.mixer"]), str(assignment[f"layer{at}.channel"])) for at in positions]


def macro_words(assignment: Assignment) -> list[LayerWords]:
    """The words that ratio, placement, fusion and MoE period come to."""
    with_attention = attention_layers(assignment)
    linear, serial = str(assignment.get("linear_mixer")), assignment.get("fusion") == "serial"
    mixer = {False: linear, True: "attention" if serial else f"attention+{linear}"}
    positions = range(int(assignment["depth"]))
    return [(mixer[at in with_attention], _channel_word(assignment, at)) for at in positions]


def _channel_word(assignment: Assignment, at: int) -> str:
    """MoE closes every period, as in Jamba: period 2 is dense, moe, dense, moe."""
    word = str(assignment["channel"])
    return "dense" if word.startswith("moe") and (at + 1) % int(assignment["moe_period"]) else word


def attention_layers(assignment: Assignment) -> frozenset[int]:
    """Positions of the layers with attention."""
    placement, depth = assignment["placement"], int(assignment["depth"])
    if placement == "explicit":
        return frozenset(layer_list(assignment["attention_layers"]))
    count = attention_count(depth, assignment["attention_ratio"])
    if placement == "interleaved":
        # the middle of each of `count` equal stretches: 1 of 8 is position 4, where Jamba has it
        return frozenset((2 * index + 1) * depth // (2 * count) for index in range(count))
    start = {"bottom": 0, "middle": (depth - count) // 2, "top": depth - count}[str(placement)]
    return frozenset(range(start, start + count))


def layer(words: LayerWords, assignment: Assignment) -> Layer:
    """One layer with the shared knobs."""
    mixers = tuple(MIXERS[name](assignment) for name in words[0].split("+") if name != "none")
    averaged = len(mixers) > 1 and assignment["fusion"] == "parallel_norm_mean"
    return Layer(mixers=mixers, fusion="norm_mean" if averaged else "add", channel=CHANNELS[words[1]](assignment))


def _attention(assignment: Assignment) -> Mixer:
    n_heads, n_kv_heads = int(assignment["n_heads"]), assignment["n_kv_heads"]
    return Attention(
        n_heads=n_heads,
        n_kv_heads=n_heads if n_kv_heads == "all" else int(n_kv_heads),
        head_dim=int(assignment["d_model"]) // n_heads,
        window=int(assignment["window"]) or None,
        rope=bool(assignment["rope"]),
        qk_norm=bool(assignment["qk_norm"]),
    )


def _mamba2(assignment: Assignment) -> Mixer:
    return mamba2(
        int(assignment["d_model"]),
        n_heads=int(assignment["linear_heads"]),
        state_size=int(assignment["state_size"]),
        expand=int(assignment["expand"]),
        conv_width=int(assignment["conv_width"]),
    )


def _gated_deltanet(assignment: Assignment) -> Mixer:
    return gated_deltanet(
        int(assignment["d_model"]),
        n_heads=int(assignment["linear_heads"]),
        key_dim=int(assignment["state_size"]),
        expand=int(assignment["expand"]),
        conv_width=int(assignment["conv_width"]),
    )


def _retnet(assignment: Assignment) -> Mixer:
    return retnet(
        int(assignment["d_model"]),
        n_heads=int(assignment["linear_heads"]),
        key_dim=int(assignment["state_size"]),
        expand=int(assignment["expand"]),
    )


def _gla(assignment: Assignment) -> Mixer:
    return gla(
        int(assignment["d_model"]),
        n_heads=int(assignment["linear_heads"]),
        key_dim=int(assignment["state_size"]),
        expand=int(assignment["expand"]),
    )


def _short_conv(assignment: Assignment) -> Mixer:
    return ShortConv(width=int(assignment["short_conv_width"]))


def _no_channel(_: Assignment) -> None:
    return None


def _dense(assignment: Assignment) -> Channel:
    return SwiGLU(d_ff=ffn_width(int(assignment["d_model"]), float(assignment["ffn_ratio"])))


def _moe(assignment: Assignment) -> Channel:
    return _experts(assignment, 1, 0)


def _moe_fine(assignment: Assignment) -> Channel:
    return _experts(assignment, int(assignment["granularity"]), 0)


def _moe_shared(assignment: Assignment) -> Channel:
    return _experts(assignment, int(assignment["granularity"]), int(assignment["n_shared"]))


def _experts(assignment: Assignment, parts: int, n_shared: int) -> Channel:
    """DeepSeekMoE's accounting: splitting or sharing experts changes neither all of them nor those a token uses."""
    active = int(assignment["top_k"]) * parts
    width = ffn_width(int(assignment["d_model"]), float(assignment["ffn_ratio"]))
    return MoE(
        n_experts=int(assignment["n_experts"]) * parts - n_shared,
        top_k=active - n_shared,
        d_expert=-(-width // active),
        n_shared=n_shared,
        balance="bias" if assignment["balance"] == "bias" else "loss",
    )


def ffn_width(d_model: int, ratio: float) -> int:
    """Hidden width of a channel part: the nearest multiple of 8, at least 8."""
    return max(8, 8 * int(ratio * d_model / 8 + 0.5))


MIXERS: dict[str, Callable[[Assignment], Mixer]] = {
    "attention": _attention,
    "mamba2": _mamba2,
    "retnet": _retnet,
    "gla": _gla,
    "gated_deltanet": _gated_deltanet,
    "short_conv": _short_conv,
}
CHANNELS: dict[str, Callable[[Assignment], Channel | None]] = {
    "none": _no_channel,
    "dense": _dense,
    "moe": _moe,
    "moe_fine": _moe_fine,
    "moe_shared": _moe_shared,
}
