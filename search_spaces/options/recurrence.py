"""The linear recurrence family: its published members as words, and `recurrence`, whose every knob is open."""

from typing import Any

from search_spaces.genes import Facts, Gene, GeneValue, Number, OneOf
from search_spaces.options.option import Assignment, MixerOption, whole
from search_spaces.primitives import Mixer
from search_spaces.primitives.recurrence import (
    Recurrence,
    deltanet,
    gated_deltanet,
    gla,
    hgrn2,
    kda,
    lightning,
    linear_attention,
    mamba2,
    mlstm,
    performer,
    retnet,
)

DECAYS = (
    "none", "fixed", "slope", "learned", "learned_key", "step", "step_key", "sigmoid", "sigmoid_key", "low_rank",
)  # fmt: skip
"""Words of the gene `rec_decay`; those that end in `_key` and low_rank are for each key channel."""

DECAY_RANK = 16


def _sizes(assignment: Assignment) -> dict[str, int]:
    """Sizes that most members share."""
    genes = {"n_heads": "linear_heads", "key_dim": "state_size", "expand": "expand"}
    return {field: whole(assignment, gene) for field, gene in genes.items()}


def _mamba2(assignment: Assignment, width: int) -> Mixer:
    return mamba2(
        width,
        n_heads=whole(assignment, "linear_heads"),
        state_size=whole(assignment, "state_size"),
        expand=whole(assignment, "expand"),
        conv_width=whole(assignment, "conv_width"),
    )


def _retnet(assignment: Assignment, width: int) -> Mixer:
    return retnet(width, **_sizes(assignment))


def _gla(assignment: Assignment, width: int) -> Mixer:
    return gla(width, **_sizes(assignment))


def _linear_attention(assignment: Assignment, width: int) -> Mixer:
    return linear_attention(width, **_sizes(assignment))


def _performer(assignment: Assignment, width: int) -> Mixer:
    return performer(width, n_features=whole(assignment, "n_features"), **_sizes(assignment))


def _lightning(assignment: Assignment, width: int) -> Mixer:
    return lightning(width, n_heads=whole(assignment, "linear_heads"), head_dim=whole(assignment, "state_size"))


def _hgrn2(assignment: Assignment, width: int) -> Mixer:
    return hgrn2(width, **_sizes(assignment))


def _mlstm(assignment: Assignment, width: int) -> Mixer:
    return mlstm(width, **_sizes(assignment))


def _deltanet(assignment: Assignment, width: int) -> Mixer:
    conv_width, beta_scale = whole(assignment, "conv_width"), whole(assignment, "beta_scale")
    return deltanet(width, conv_width=conv_width, beta_scale=beta_scale, **_sizes(assignment))


def _gated_deltanet(assignment: Assignment, width: int) -> Mixer:
    conv_width, beta_scale = whole(assignment, "conv_width"), whole(assignment, "beta_scale")
    return gated_deltanet(width, conv_width=conv_width, beta_scale=beta_scale, **_sizes(assignment))


def _kda(assignment: Assignment, width: int) -> Mixer:
    return kda(width, conv_width=whole(assignment, "conv_width"), **_sizes(assignment))


def _recurrence(assignment: Assignment, width: int) -> Mixer:
    """The open member: knobs that cannot be together are decided by those above them."""
    sizes, adds = _sizes(assignment), assignment["rec_write"] == "add"
    feature_map = assignment.get("rec_feature_map", "none") if adds else "none"
    normalised = feature_map != "none" and bool(assignment.get("rec_normaliser"))
    return Recurrence.model_validate(
        {
            "n_heads": sizes["n_heads"],
            "n_groups": sizes["n_heads"] if assignment["rec_groups"] == "all" else 1,
            "key_dim": sizes["key_dim"],
            "value_dim": sizes["expand"] * width // sizes["n_heads"],
            **_decay(str(assignment["rec_decay"])),
            **_write(str(assignment["rec_write"])),
            "qk_norm": not adds or assignment["rec_qk_norm"],
            "feature_map": feature_map,
            "normaliser": "sum" if normalised else "none",
            "rope": bool(assignment["rec_rope"]) and not normalised,
            "conv_width": whole(assignment, "rec_conv_width"),
            "token_shift": assignment["rec_token_shift"],
            "skip": assignment["rec_skip"],
            "out_norm": assignment["rec_norm"],
            **_gate(str(assignment["rec_gate"])),
        }
    )


def _decay(word: str) -> dict[str, Any]:
    ranked = word in ("low_rank", "step_key")
    return {
        "decay": word.removesuffix("_key"),
        "decay_dim": "key" if word.endswith("_key") else "head",
        "decay_rank": DECAY_RANK if ranked else None,
    }


def _write(word: str) -> dict[str, Any]:
    return {"write": "add"} if word == "add" else {"write": "delta", "beta_scale": 2 if word == "delta2" else 1}


def _gate(word: str) -> dict[str, Any]:
    return {"gate": False} if word == "none" else {"gate": True, "gate_activation": word}


_STATE = ("heads", "state", "expand")
_CONV = (*_STATE, "conv")
_DELTA = (*_CONV, "delta")
STATE_KNOBS = ("linear_heads", "state_size", "expand")
CONV_KNOBS = (*STATE_KNOBS, "conv_width")
OPEN_KNOBS = (
    "rec_groups", "rec_decay", "rec_write", "rec_conv_width", "rec_token_shift", "rec_skip", "rec_norm", "rec_gate",
)  # fmt: skip

OPTIONS: dict[str, MixerOption] = {
    option.name: option
    for option in (
        MixerOption(name="mamba2", build=_mamba2, facts=_CONV, knobs=CONV_KNOBS),
        MixerOption(name="retnet", build=_retnet, facts=_STATE, knobs=STATE_KNOBS),
        MixerOption(name="gla", build=_gla, facts=_STATE, knobs=STATE_KNOBS),
        MixerOption(name="gated_deltanet", build=_gated_deltanet, facts=_DELTA, knobs=CONV_KNOBS),
        MixerOption(name="linear_attention", build=_linear_attention, facts=_STATE, knobs=STATE_KNOBS),
        MixerOption(name="performer", build=_performer, facts=_STATE, knobs=(*STATE_KNOBS, "n_features")),
        MixerOption(name="lightning", build=_lightning, facts=("heads", "state"), knobs=("linear_heads", "state_size")),
        MixerOption(name="hgrn2", build=_hgrn2, facts=_STATE, knobs=STATE_KNOBS),
        MixerOption(name="mlstm", build=_mlstm, facts=_STATE, knobs=STATE_KNOBS),
        MixerOption(name="deltanet", build=_deltanet, facts=_DELTA, knobs=CONV_KNOBS),
        MixerOption(name="kda", build=_kda, facts=_CONV, knobs=CONV_KNOBS),
        MixerOption(name="recurrence", build=_recurrence, facts=_STATE, knobs=STATE_KNOBS, extras=OPEN_KNOBS),
    )
}


def _learn_write(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"rec_add"}) if value == "add" else facts


def _learn_map(facts: Facts, value: GeneValue) -> Facts:
    return facts if value == "none" else facts.learning({"rec_positive"})


KNOBS = (
    Gene(
        name="linear_heads",
        title="Heads of a recurrence; blocks of rg_lru's gates",
        limits=Number(1, 256),
        default=4,
        needs="heads",
    ),
    Gene(
        name="state_size",
        title="Key width of one recurrence head: rows of its state; state size of a state-space mixer",
        limits=Number(1, 512),
        default=16,
        needs="state",
    ),
    Gene(
        name="expand",
        title="Inner width of mamba, and of a recurrence's values, in multiples of d_model",
        limits=Number(1, 8),
        default=2,
        needs="expand",
    ),
    Gene(
        name="conv_width",
        title="Tokens under the convolution in front of a recurrence or mamba, and that h3 shifts over",
        limits=Number(2, 16),
        default=4,
        needs="conv",
    ),
    Gene(
        name="beta_scale",
        title="Largest strength of a delta-rule write; 2 allows negative eigenvalues",
        limits=Number(1, 2),
        default=1,
        needs="delta",
    ),
    Gene(
        name="n_features",
        title="Random features of performer's softmax estimate",
        limits=Number(1, 1024),
        default=32,
        needs="performer",
    ),
    Gene(
        name="rec_decay",
        title="What the open recurrence keeps at a token: all, or a share, fixed, trained or data-dependent, for a head or a "
        "key channel",
        limits=OneOf(DECAYS),
        default="step",
        needs="recurrence",
    ),
    Gene(
        name="rec_write",
        title="What the open recurrence writes: the value, or by the delta rule with a strength of at most 1 or 2",
        limits=OneOf(("add", "delta", "delta2")),
        default="add",
        needs="recurrence",
        learn=_learn_write,
    ),
    Gene(
        name="rec_feature_map",
        title="Map of the open recurrence's queries and keys",
        limits=OneOf(("none", "elu1", "relu")),
        default="none",
        needs="rec_add",
        learn=_learn_map,
    ),
    Gene(
        name="rec_normaliser",
        title="Whether the open recurrence's outputs are divided by the sum of the weights",
        limits=OneOf((False, True)),
        default=False,
        needs="rec_positive",
    ),
    Gene(
        name="rec_groups",
        title="Query and key heads of the open recurrence: as many as value heads, or one for all",
        limits=OneOf(("all", "one")),
        default="all",
        needs="recurrence",
    ),
    Gene(
        name="rec_qk_norm",
        title="Whether the open recurrence's queries and keys have length 1; the delta rule always has it",
        limits=OneOf((False, True)),
        default=False,
        needs="recurrence",
    ),
    Gene(
        name="rec_rope",
        title="Rotary positions on the open recurrence's queries and keys, without normaliser",
        limits=OneOf((False, True)),
        default=False,
        needs="recurrence",
    ),
    Gene(
        name="rec_conv_width",
        title="Tokens under the open recurrence's convolution; 0 for none",
        limits=OneOf((0, 2, 3, 4, 8)),
        default=0,
        needs="recurrence",
    ),
    Gene(
        name="rec_token_shift",
        title="Whether the open recurrence's input is mixed with that of the token before",
        limits=OneOf((False, True)),
        default=False,
        needs="recurrence",
    ),
    Gene(
        name="rec_skip",
        title="Whether the values are added to the open recurrence's output",
        limits=OneOf((False, True)),
        default=False,
        needs="recurrence",
    ),
    Gene(
        name="rec_norm",
        title="Norm of the open recurrence's output",
        limits=OneOf(("head", "head_plain", "layer", "width", "none")),
        default="head",
        needs="recurrence",
    ),
    Gene(
        name="rec_gate",
        title="Activation of the open recurrence's output gate; none for no gate",
        limits=OneOf(("none", "swish", "sigmoid")),
        default="swish",
        needs="recurrence",
    ),
)
