"""Valid spaces for property tests, drawn at random over the whole catalogue, and every member of a small one."""

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces.catalogue import ATTENTION_MIXERS, LINEAR_MIXERS
from search_spaces.options.attention import PATTERNS
from search_spaces.options.channels import OPTIONS as CHANNELS
from search_spaces.options.composition import FUSIONS, LAYER_FUSION
from search_spaces.space import Params, Space

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


@st.composite
def documents(draw, most_genes: int, most_values: int):
    """Genes and values without regard to what fits."""
    mode = draw(st.sampled_from(["macro", "micro"]))
    pool: dict[str, list[Any]] = MACRO_POOL if mode == "macro" else MICRO_POOL
    names = draw(st.sets(st.sampled_from(sorted(pool)), min_size=1, max_size=most_genes))
    lists = {
        name: draw(st.lists(st.sampled_from(pool[name]), min_size=1, max_size=most_values, unique=True))
        for name in sorted(names)
    }
    return {"name": "test", "mode": mode, "genes": lists, "input": draw(st.sampled_from(INPUTS))}


@st.composite
def spaces(draw, most_genes: int = 12, most_values: int = 3):
    """A valid space: of a drawn document, the genes that are not refused."""
    document = draw(documents(most_genes, most_values))
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


def enumerate_params(space: Space) -> Iterator[Params]:
    """Every member's params, by backtracking over the suggest calls."""
    script: list[int] | None = []
    while script is not None:
        trial = Scripted(script)
        yield space.suggest(trial)
        script = [*script, *[0] * (len(trial.arity) - len(script))]
        while script and script[-1] + 1 == trial.arity[len(script) - 1]:
            script.pop()
        script = [*script[:-1], script[-1] + 1] if script else None
