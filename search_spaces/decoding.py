"""From a full assignment of genes to the architecture it stands for.

Both modes reduce to one pair of words per layer, (mixer, channel): macro mode derives them from ratio and placement, micro
mode chooses them. The rest is shared.
"""

from collections.abc import Sequence

from search_spaces.architecture import Architecture, Input, Layer
from search_spaces.catalogue import MIXERS
from search_spaces.genes import Mode
from search_spaces.options.channels import OPTIONS as CHANNELS
from search_spaces.options.channels import ROUTED
from search_spaces.options.composition import LAYER_FUSION
from search_spaces.options.layout import attention_layers
from search_spaces.options.loops import loops
from search_spaces.options.numerics import numerics
from search_spaces.options.option import Assignment, whole
from search_spaces.options.sharing import share_keys

LayerWords = tuple[str, str]


def decode(assignment: Assignment, mode: Mode, source: Input) -> Architecture:
    """Build the architecture. The assignment must come from a valid space; nothing is checked twice here."""
    words = macro_words(assignment) if mode == "macro" else micro_words(assignment)
    layers = _layers(words, assignment)
    start = int(assignment.get("n_prelude", 0))
    end = len(layers) - int(assignment.get("n_coda", 0))
    prelude, core, coda = share_keys((layers[:start], layers[start:end], layers[end:]), assignment)
    sections = {"prelude": prelude, "core": core, "coda": coda}
    fields = {"d_model": assignment["d_model"], **loops(assignment), **numerics(assignment)}
    return Architecture.model_validate({"input": source, **sections, **fields})


def _layers(words: Sequence[LayerWords], assignment: Assignment) -> tuple[Layer, ...]:
    """The layers of the positions, each different one built once."""
    kinds = [(*pair, _skips(at, assignment)) for at, pair in enumerate(words)]
    built = {kind: layer(kind[:2], assignment, skips=kind[2]) for kind in set(kinds)}
    return tuple(built[kind] for kind in kinds)


def _skips(at: int, assignment: Assignment) -> bool:
    """Whether tokens may skip the layer: it closes a period of Mixture-of-Depths."""
    return "capacity_period" in assignment and (at + 1) % whole(assignment, "capacity_period") == 0


def micro_words(assignment: Assignment) -> list[LayerWords]:
    """The words each position chose."""
    positions = range(whole(assignment, "depth"))
    return [(str(assignment[f"layer{at}.mixer"]), str(assignment[f"layer{at}.channel"])) for at in positions]


def macro_words(assignment: Assignment) -> list[LayerWords]:
    """The words that ratio, placement, fusion and MoE period come to."""
    with_attention = attention_layers(assignment)
    linear, attention = str(assignment.get("linear_mixer")), str(assignment.get("attention_mixer"))
    serial = assignment.get("fusion") == "serial"
    mixer = {False: linear, True: attention if serial else f"{attention}+{linear}"}
    positions = range(whole(assignment, "depth"))
    return [(mixer[at in with_attention], _channel_word(assignment, at)) for at in positions]


def _channel_word(assignment: Assignment, at: int) -> str:
    """Experts close every period, as in Jamba: period 2 is dense, moe, dense, moe."""
    word = str(assignment["channel"])
    return "dense" if word in ROUTED and (at + 1) % whole(assignment, "moe_period") else word


def layer(words: LayerWords, assignment: Assignment, *, skips: bool = False) -> Layer:
    """One layer with the shared knobs."""
    names = [name for name in words[0].split("+") if name != "none"]
    fusion, d_model = str(assignment.get("fusion")), whole(assignment, "d_model")
    widths = (d_model // 2, d_model - d_model // 2) if len(names) > 1 and fusion == "parallel_split" else None
    mixers = [
        MIXERS[name].build(assignment, width) for name, width in zip(names, widths or len(names) * (d_model,), strict=True)
    ]
    return Layer.model_validate(
        {
            "mixers": tuple(mixers),
            "fusion": LAYER_FUSION[fusion] if len(names) > 1 else "add",
            "widths": widths,
            "channel": CHANNELS[words[1]].build(assignment),
            "capacity": assignment["token_capacity"] if skips else None,
        }
    )
