"""Which training programs can say which architecture: reviewed against their sources, and their models' sizes equal ours."""

import json
from random import Random

import pytest
import yaml

from nas.export.training import fla, litgpt, torchtitan
from nas.export.training.form import targets
from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.presets import PRESETS
from search_spaces.primitives import CostContext
from search_spaces.zoo import ZOO
from tests.nas.export.training import counts
from tests.nas.export.training.models import FLA_MODELS, LITGPT_MODELS, TORCHTITAN_MODELS, literals_of

MIXER, CHANNEL = "core[0].mixers[0]", "core[0].channel"
FIRST_IN_THE_WAY: dict[str, tuple[str | None, str | None, str | None]] = {
    "transformer": (None, None, None),
    "transformer_xl": (MIXER, MIXER, MIXER),
    "sparse_transformer": (f"{MIXER}.pattern", f"{MIXER}.pattern", f"{MIXER}.pattern"),
    "longformer": (f"{MIXER}.n_global", f"{MIXER}.n_global", f"{MIXER}.n_global"),
    "bigbird": (f"{MIXER}.n_global", f"{MIXER}.n_global", f"{MIXER}.n_global"),
    "linformer": (MIXER, MIXER, MIXER),
    "fnet": (MIXER, MIXER, MIXER),
    "performer": (f"{MIXER}.feature_map", MIXER, MIXER),
    "retnet": (None, MIXER, MIXER),
    "gla": (None, MIXER, MIXER),
    "hgrn2": (f"{MIXER}.decay", MIXER, MIXER),
    "deltanet": (None, MIXER, MIXER),
    "gated_deltanet": (None, MIXER, MIXER),
    "xlstm": (f"{MIXER}.decay", MIXER, MIXER),
    "rwkv4": (MIXER, MIXER, MIXER),
    "rwkv6": (MIXER, MIXER, MIXER),
    "rwkv7": (MIXER, MIXER, MIXER),
    "s4": (MIXER, MIXER, MIXER),
    "h3": (MIXER, MIXER, MIXER),
    "hyena": (MIXER, MIXER, MIXER),
    "mamba": (None, MIXER, MIXER),
    "mamba2": (None, MIXER, MIXER),
    "switch": ("core[1].channel", "core[1].channel.capacity", "core[1].channel.capacity"),
    "glam": ("core[1].channel", "core[2].channel", None),
    "mixtral": (CHANNEL, None, None),
    "deepseek_moe": ("core[1].channel", "core[1].channel.normalise", None),
    "deepseek_v3": ("mtp", "mtp", "mtp"),
    "conv_attention": (MIXER, MIXER, MIXER),
    "striped_hyena": (MIXER, MIXER, MIXER),
    "jamba": (f"{MIXER}.bcdt_norm", MIXER, MIXER),
    "samba": (f"{CHANNEL}.d_ff", MIXER, MIXER),
    "granite4_real": (CHANNEL, MIXER, MIXER),
    "granite4_seed": (CHANNEL, MIXER, MIXER),
    "hymba": ("n_meta", "n_meta", "n_meta"),
    "zamba": ("n_loops", "n_loops", "n_loops"),
    "nemotron_h": ("core[1].channel", MIXER, MIXER),
    "minimax": (f"{MIXER}.decay", MIXER, MIXER),
    "kimi_linear": (f"{MIXER}.gate_rank", MIXER, MIXER),
    "qwen3_next": ("mtp", "mtp", "mtp"),
    "griffin": (MIXER, MIXER, MIXER),
    "linear_bottom_attention_top": (None, MIXER, MIXER),
    "universal_transformer": ("n_loops", "n_loops", "n_loops"),
    "looped_transformer": ("n_loops", "n_loops", "n_loops"),
    "loopcoder_v2": ("n_loops", "n_loops", "n_loops"),
    "mixture_of_recursions": ("n_loops", "n_loops", "n_loops"),
    "mixture_of_depths": ("core[1].capacity", "core[1].capacity", "core[1].capacity"),
    "mixture_of_architectures": ("core[0].fusion", "core[0].fusion", "core[0].fusion"),
    "ntm": (MIXER, MIXER, MIXER),
    "dnc": (MIXER, MIXER, MIXER),
    "memory_network": ("n_loops", "n_loops", "n_loops"),
    "bitnet": ("numerics", "numerics", "numerics"),
    "byte_hierarchical": ("input.kind", "input.kind", "input.kind"),
}
"""Of each zoo entry, the field that keeps it from flash-linear-attention (and so from flame), litgpt and torchtitan."""


def _available(column: int) -> dict[str, Architecture]:
    return {name: ZOO[name].build() for name, fields in FIRST_IN_THE_WAY.items() if fields[column] is None}


FLA = {**_available(0), "samba, wide": ZOO["samba"].build(128), **FLA_MODELS}
LITGPT = {**_available(1), **LITGPT_MODELS}
TORCHTITAN = {**_available(2), **TORCHTITAN_MODELS}


@pytest.mark.parametrize("name", sorted({*ZOO, *FIRST_IN_THE_WAY}))
def test_every_zoo_entry_is_said_or_refused_by_the_field(name: str) -> None:
    found = {one.target: one.refusal for one in targets(ZOO[name].build())}
    fields = {target: refusal and refusal.field for target, refusal in found.items()}
    of_fla, of_litgpt, of_torchtitan = FIRST_IN_THE_WAY[name]
    assert fields == {"fla": of_fla, "flame": of_fla, "litgpt": of_litgpt, "torchtitan": of_torchtitan}
    assert all(refusal is None or refusal.reason.startswith(f"{refusal.field}: ") for refusal in found.values())


def _of_fla(architecture: Architecture) -> int:
    return counts.fla(json.loads(fla.files(architecture)["fla/config.json"]))


def _of_litgpt(architecture: Architecture) -> int:
    files = litgpt.files(architecture)
    config, training = (yaml.safe_load(files[f"litgpt/{file}.yaml"]) for file in ("model_config", "pretrain"))
    assert training["model_config"] == config
    return counts.litgpt(config, tied=training["train"]["tie_embeddings"])


def _of_torchtitan(architecture: Architecture) -> int:
    return counts.torchtitan(literals_of(torchtitan.files(architecture)["torchtitan/nas_architecture.py"]))


COUNTED = {"fla": _of_fla, "litgpt": _of_litgpt, "torchtitan": _of_torchtitan}


@pytest.mark.parametrize("name", FLA)
def test_models_of_fla_have_as_many_parameters(name: str) -> None:
    assert _of_fla(FLA[name]) == _parameters(FLA[name])


@pytest.mark.parametrize("name", LITGPT)
def test_models_of_litgpt_have_as_many_parameters(name: str) -> None:
    assert _of_litgpt(LITGPT[name]) == _parameters(LITGPT[name])


@pytest.mark.parametrize("name", TORCHTITAN)
def test_models_of_torchtitan_have_as_many_parameters(name: str) -> None:
    assert _of_torchtitan(TORCHTITAN[name]) == _parameters(TORCHTITAN[name])


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_search_finds_is_said_with_as_many_parameters_or_refused(preset: str) -> None:
    space, rng = PRESETS[preset](), Random(preset)
    for _ in range(100):
        architecture = space.build(space.sample(rng))
        for one in targets(architecture):
            if one.refusal is None and one.target in COUNTED:
                assert COUNTED[one.target](architecture) == _parameters(architecture)


def _parameters(architecture: Architecture) -> int:
    return price(architecture, CostContext(context_length=64)).params
