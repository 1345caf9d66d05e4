import json
import pickle
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Any

import optuna
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces.architecture import Architecture
from search_spaces.catalogue import ATTENTION_MIXERS, LINEAR_MIXERS
from search_spaces.cost import MAX_PARAMS, price
from search_spaces.options.attention import PATTERNS
from search_spaces.options.channels import OPTIONS as CHANNELS
from search_spaces.options.composition import FUSIONS, LAYER_FUSION
from search_spaces.presets import PRESETS
from search_spaces.primitives import CostContext
from search_spaces.space import OutsideSpace, Space

CONTEXT = CostContext(context_length=128)
MIXER_WORDS = [*ATTENTION_MIXERS, *LINEAR_MIXERS, *(f"attention+{name}" for name in LINEAR_MIXERS), "none"]

# values that often fit each other, and some that do not
POOL: dict[str, list[Any]] = {
    "d_model": [16, 32, 48, 64],
    "depth": [1, 2, 3, 4, 6],
    "fusion": list(FUSIONS),
    "n_heads": [1, 2, 4, 8],
    "n_kv_heads": [1, 2, 4, "all"],
    "pattern": list(PATTERNS),
    "rotary_share": ["all", "half", "quarter"],
    "soft_cap": [0, 30.0],
    "sink": [False, True],
    "output_gate": [False, True],
    "kv_bits": [16, 4],
    "stride": [2, 5],
    "n_global": [0, 2],
    "n_summary": [1, 9],
    "rope_dim": [3, 4, 8],
    "q_rank": [0, 24],
    "rec_decay": ["none", "slope", "step", "step_key", "sigmoid_key", "low_rank"],
    "rec_write": ["add", "delta", "delta2"],
    "rec_feature_map": ["none", "elu1", "relu"],
    "rec_normaliser": [False, True],
    "rec_rope": [False, True],
    "rec_gate": ["none", "swish", "sigmoid"],
    "rec_groups": ["all", "one"],
    "rec_conv_width": [0, 4],
    "n_features": [4, 16],
    "beta_scale": [1, 2],
    "lora_rank": [4, 8],
    "h3_head_dim": [1, 2, 3],
    "linformer_rank": [8, 2000],
    "n_slots": [2, 8],
    "allocation": [False, True],
    "window": [0, 4, 16],
    "rope": [True, False],
    "qk_norm": [True, False],
    "linear_heads": [1, 2, 4, 3],
    "state_size": [1, 3, 4, 8, 16],
    "expand": [1, 2, 3],
    "conv_width": [2, 4],
    "short_conv_width": [2, 3, 5],
    "ffn_ratio": [0.125, 0.5, 1, 2.7, 4.0],
    "n_experts": [2, 3, 4, 8],
    "top_k": [1, 2, 3],
    "granularity": [1, 2, 3],
    "n_shared": [1, 2, 3],
    "balance": ["loss", "bias"],
    "n_loops": [1, 2, 3],
    "n_prelude": [0, 1],
    "n_coda": [0, 1, 2],
    "injection": ["none", "add", "concat"],
    "loop_norm": [False, True],
    "step_embedding": [False, True],
    "loop_depth": ["fixed", "token_choice", "expert_choice", "halting"],
    "loop_shift": [False, True],
    "eval_loops": [0, 1, 2],
    "loop_kv": ["own", "first"],
    "loop_window": [0, 4],
    "token_capacity": [0.25, 0.5, 1],
    "capacity_period": [1, 2],
    "kv_share": [1, 2],
    "active_neurons": [0.1, 0.5, 1],
    "expert_capacity": [1, 1.25],
    "n_zero": [0, 1],
    "shared_gate": [False, True],
    "norm": ["rms", "layer", "dyt", "l1", "sub"],
    "weight_format": ["float", "int8", "ternary"],
    "activation_format": ["float", "int8"],
    "sparsity": ["none", "2:4"],
    "n_streams": [1, 2],
    "n_meta": [0, 3],
    "mtp": [0, 1, 2],
    "next_latent": [False, True],
}
INPUTS: list[dict[str, Any]] = [
    {},
    {"tie_embeddings": False, "rosa": True},
    {"kind": "continuous", "n_channels": 3},
    {"kind": "byte_patch", "patch_size": 4, "d_byte": 8, "within": [{"mixers": [{"kind": "rwkv4"}]}]},
]
MACRO_POOL = POOL | {
    "placement": ["interleaved", "bottom", "middle", "top", "explicit"],
    "attention_ratio": [0, 0.1, 0.25, 0.5, 0.75, 1],
    "attention_layers": ["", "0", "1", "0,2", "0,1,2,3"],
    "attention_mixer": list(ATTENTION_MIXERS),
    "linear_mixer": list(LINEAR_MIXERS),
    "channel": list(CHANNELS),
    "moe_period": [1, 2, 3],
}
MICRO_POOL = POOL | {
    "fusion": list(LAYER_FUSION),
    "layer*.mixer": MIXER_WORDS,
    "layer*.channel": list(CHANNELS),
    "layer0.mixer": MIXER_WORDS,
    "layer0.channel": list(CHANNELS),
}


def read(genes, mode="macro", **fields) -> Space:
    return Space.from_data({"name": "test", "mode": mode, "genes": genes, **fields})


@st.composite
def documents(draw, most_genes: int = 8, most_values: int = 3):
    mode = draw(st.sampled_from(["macro", "micro"]))
    pool: dict[str, list[Any]] = MACRO_POOL if mode == "macro" else MICRO_POOL
    names = draw(st.sets(st.sampled_from(sorted(pool)), min_size=1, max_size=most_genes))
    lists = {
        name: draw(st.lists(st.sampled_from(pool[name]), min_size=1, max_size=most_values, unique=True))
        for name in sorted(names)
    }
    return {"name": "test", "mode": mode, "genes": lists, "input": draw(st.sampled_from(INPUTS))}


@st.composite
def spaces(draw):
    """A valid space: of a drawn document, the genes that are not refused."""
    document = draw(documents(most_genes=12))
    while document["genes"]:
        try:
            return Space.from_data(document)
        except ValidationError as error:
            refused = {str(problem["loc"][1]) for problem in error.errors()} & document["genes"].keys()
            assume(refused)
            document["genes"] = {name: values for name, values in document["genes"].items() if name not in refused}
    assume(False)


class Scripted:
    """Replays the first choices and takes the first value after them; keeps how many values each choice had."""

    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.arity: list[int] = []

    def choose(self, values: Sequence[Any]) -> Any:
        at = len(self.arity)
        self.arity.append(len(values))
        return values[self.script[at] if at < len(self.script) else 0]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self.choose(range(low, high + 1, step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.choose(choices)


def enumerate_params(space: Space):
    """Every member's params, by backtracking over the suggest calls."""
    script: list[int] | None = []
    while script is not None:
        trial = Scripted(script)
        yield space.suggest(trial)
        script = [*script, *[0] * (len(trial.arity) - len(script))]
        while script and script[-1] + 1 == trial.arity[len(script) - 1]:
            script.pop()
        script = [*script[:-1], script[-1] + 1] if script else None


@settings(max_examples=150, deadline=None)
@given(spaces(), st.randoms(use_true_random=False))
def test_space_every_sampled_member_builds_and_keeps_its_digest(space, rng):
    for _ in range(5):
        params = space.sample(rng)
        architecture = space.build(params)
        assert Architecture.from_json(architecture.to_json()).digest == architecture.digest
        assert price(architecture, CONTEXT).params <= space.params_bound() <= MAX_PARAMS
        assert space.contains(params)
        assert space.contains(json.loads(json.dumps(params)))
        assert space.params_of(space.assignment(params)) == params


def test_space_takes_an_assignment_of_a_space_that_settled_other_genes():
    here = Space(name="here", genes={"d_model": (32, 64), "depth": (2,), "attention_ratio": (0.0, 1.0)})
    there = Space(name="there", genes={"d_model": (64,), "depth": (2, 4), "attention_ratio": (0.0, 1.0)})
    assert here.params_of(there.assignment({"depth": 2, "attention_ratio": 0.0})) == {"d_model": 64, "attention_ratio": 0.0}
    with pytest.raises(OutsideSpace, match="depth: settled at 2 in this space, and not there"):
        here.params_of(there.assignment({"depth": 4, "attention_ratio": 0.0}))
    other_knob = Space(name="other", genes={"d_model": (64,), "depth": (2,), "attention_ratio": (1.0,), "n_heads": (2, 4)})
    with pytest.raises(OutsideSpace, match="n_heads: settled at 4"):
        here.params_of(other_knob.assignment({"n_heads": 2}))


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_space_small_spaces_are_counted_built_and_bounded_exactly(space):
    assume(space.size() <= 400)
    members = list(enumerate_params(space))
    assert space.size() == len(members)
    assert len({json.dumps(params, sort_keys=True) for params in members}) == len(members)
    free = {name for name, values in space.genes.items() if not isinstance(values, tuple) or len(values) > 1}
    assert {name for name in free if "*" not in name} <= {name for params in members for name in params}
    for params in members:
        assert space.contains(params)
        assert price(space.build(params), CONTEXT).params <= space.params_bound()


@settings(max_examples=80, deadline=None)
@given(spaces(), st.randoms(use_true_random=False), st.data())
def test_space_perturbed_params_are_outside(space, rng, data):
    params = space.sample(rng)
    assert not space.contains(params | {"no_such_gene": 1})
    assume(params)
    name = data.draw(st.sampled_from(sorted(params)))
    assert not space.contains({key: value for key, value in params.items() if key != name})
    wrongs: list[Any] = ["no such word", 10**9, -1, None, [], {}, float("nan")]
    for wrong in wrongs:
        assert not space.contains(params | {name: wrong}), wrong
        with pytest.raises(OutsideSpace, match=name):
            space.build(params | {name: wrong})


@settings(max_examples=80, deadline=None)
@given(spaces())
def test_space_document_round_trips(space):
    again = Space.from_json(space.to_json())
    assert again == space
    assert again.digest == space.digest
    assert pickle.loads(pickle.dumps(space)) == space


def test_space_size_counts_conditions_by_hand():
    genes = {"attention_ratio": [0, 1], "n_heads": [1, 2, 4], "linear_mixer": ["mamba2", "short_conv"]}
    # no attention: 2 mixers; all attention: 3 head counts
    assert read(genes).size() == 5
    # the default placement is interleaved; explicit has its own gene instead of the ratio
    assert read(genes | {"placement": ["top", "explicit"], "attention_layers": ["", "0"]}).size() == 5 + (2 + 3 * 2)
    assert read({"channel": ["none", "dense", "moe", "moe_fine"], "granularity": [2, 4]}).size() == 5
    assert read({"n_loops": {"low": 1, "high": 3}, "injection": ["add", "none"]}).size() == 5


def test_space_size_is_exact_for_micro_spaces_of_32_layers():
    genes = {"depth": [32], "layer*.mixer": ["attention", "mamba2", "short_conv"], "layer*.channel": ["none", "dense"]}
    assert read(genes, "micro").size() == 6**32
    free_knobs = read(genes | {"short_conv_width": [3, 5]}, "micro")
    assert free_knobs.size() == 2**32 * (2 * 3**32 - 2**32)


def test_space_size_of_micro_mode_follows_depth():
    genes = {"depth": [1, 3], "layer*.mixer": ["attention", "gla"], "layer0.mixer": ["gla"], "layer*.channel": ["none"]}
    assert read(genes, "micro").size() == 1 + 2**2


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler, optuna.samplers.TPESampler])
def test_space_suggests_through_optuna(name, sampler):
    space, study = PRESETS[name](), optuna.create_study(sampler=sampler(seed=0))
    for number in range(15):
        trial = study.ask()
        params = space.suggest(trial)
        assert trial.params == params
        assert space.contains(params)
        study.tell(trial, float(number % 4))


def test_space_suggests_ranges_as_integers_with_a_step():
    space, study = read({"depth": {"low": 2, "high": 8, "step": 3}}), optuna.create_study()
    trial = study.ask()
    assert space.suggest(trial)["depth"] in (2, 5, 8)
    assert trial.distributions["depth"] == optuna.distributions.IntDistribution(2, 8, step=3)


def test_space_samples_are_decided_by_the_seed():
    space = PRESETS["hybrid_ratio"]()
    draws = [[space.sample(rng) for _ in range(20)] for rng in (Random(1), Random(1), Random(2))]
    assert draws[0] == draws[1] != draws[2]


def test_space_params_leave_settled_genes_out():
    space = read({"d_model": [32], "depth": [2, 3]})
    assert space.sample(Random(0)).keys() == {"depth"}
    assert space.build({"depth": 2}).d_model == 32
    (problem,) = space.problems({"depth": 2, "d_model": 32})
    assert (problem.field, problem.reason) == ("d_model", "settled at 32 in this space; leave it out")


@pytest.mark.parametrize(
    ("params", "field", "reason"),
    [
        ({}, "attention_ratio", "missing; allowed: 0.0, 1.0"),
        ({"attention_ratio": 0.5}, "attention_ratio", "0.5 is not allowed here; allowed: 0.0, 1.0"),
        ({"attention_ratio": True, "n_heads": 1}, "attention_ratio", "true is not a number from 0 to 1"),
        ({"attention_ratio": 1.0, "n_heads": True}, "n_heads", "true is not an integer from 1 to 256"),
        ({"attention_ratio": 1.0, "n_heads": 1.0}, "n_heads", "1.0 is not an integer from 1 to 256"),
        ({"attention_ratio": 0.0, "n_heads": 1}, "n_heads", "not active here"),
        ({"attention_ratio": 0.0, "width": 1}, "width", "no such gene"),
    ],
)
def test_space_says_why_params_are_outside(params, field, reason):
    (problem,) = read({"attention_ratio": [0, 1], "n_heads": [1, 2]}).problems(params)
    assert problem.field == field
    assert problem.reason.startswith(reason)


def test_space_equal_spaces_have_equal_digests():
    spaces_ = [read({"n_kv_heads": values, "attention_ratio": [0.5, 1]}) for values in ([1, "all"], ["all", 1])]
    spaces_.append(read({"attention_ratio": [1, 0.5], "n_kv_heads": ["all", 1]}))
    assert len({space.digest for space in spaces_}) == 1


def digest_of(genes, mode="macro") -> str:
    space = read(genes, mode)
    assert space.size() == 1
    return space.build({}).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"attention_ratio": [0], "placement": ["top"]}, {"attention_ratio": [0], "placement": ["middle"]}),
        ({"attention_ratio": [0]}, {"placement": ["explicit"], "attention_layers": [""]}),
        ({"attention_ratio": [0], "fusion": ["parallel_add"]}, {"attention_ratio": [0]}),
        ({"attention_ratio": [0.5]}, {"placement": ["explicit"], "attention_layers": ["1,3"]}),
        ({"n_kv_heads": ["all"]}, {"n_kv_heads": [4]}),
        ({"n_loops": [1], "n_prelude": [1]}, {"n_coda": [1]}),
        ({"channel": ["moe_fine"], "granularity": [1]}, {"channel": ["moe"]}),
    ],
)
def test_space_equal_architectures_from_different_genes_have_equal_digests(one, other):
    assert digest_of(one) == digest_of(other)


def test_space_macro_and_micro_describe_the_same_architecture():
    macro = {"depth": [3], "placement": ["top"], "attention_ratio": [0.34], "linear_mixer": ["gla"]}
    micro = {"depth": [3], "layer*.mixer": ["gla"], "layer2.mixer": ["attention"]}
    assert digest_of(macro) == digest_of(micro, "micro")
    parallel = {"depth": [2], "attention_ratio": [1], "fusion": ["parallel_norm_mean"]}
    side_by_side = {"depth": [2], "layer*.mixer": ["attention+mamba2"], "fusion": ["parallel_norm_mean"]}
    assert digest_of(parallel) == digest_of(side_by_side, "micro")


def test_space_different_genes_make_different_architectures():
    space = read({"placement": ["top", "bottom"], "n_kv_heads": [1, 2], "state_size": [8, 16], "channel": ["dense", "none"]})
    assert len({space.build(params).digest for params in enumerate_params(space)}) == 16


def test_space_params_bound_is_reached_where_knobs_are_settled():
    space = PRESETS["recall_demo"]()
    assert max(price(space.build(params), CONTEXT).params for params in enumerate_params(space)) == space.params_bound()


def test_space_asks_only_active_genes_in_catalogue_order():
    space = read({"depth": [2, 3], "attention_ratio": [1], "n_heads": [1, 2], "channel": ["dense", "none"]})
    numbers = count()
    asked = {}

    class Recorder(Scripted):
        def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
            asked[name] = next(numbers)
            return super().suggest_categorical(name, choices)

    space.suggest(Recorder([]))
    assert list(asked) == ["depth", "n_heads", "channel"]
