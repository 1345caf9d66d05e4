"""Generated code against our model: parameters, logits, decoding, losses and the first weights, where nothing of ours is.

`python -m tests.nas.export.code.everything` does the same for the whole zoo, every example and 500 random members of the
preset `everything`; the suite takes some of each, one fresh process for all.
"""

import ast
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from nas.export.code import model_code
from search_spaces.architecture import Architecture, Layer
from search_spaces.presets import PRESETS
from search_spaces.primitives.attention import Attention
from search_spaces.zoo import ZOO
from tests.nas.export.code.strangers import run_strangers, write_folder
from tests.search_spaces.examples import COMPOSITIONS

SOME_OF_THE_ZOO = ("transformer", "jamba", "deepseek_v3", "kimi_linear", "mixture_of_recursions", "bitnet", "fnet")
SOME_COMPOSITIONS = tuple(COMPOSITIONS)[::9]
RANDOM = range(0, 500, 100)
TOLERANCE = 1e-5


def some_architectures() -> dict[str, Architecture]:
    """A few of each kind."""
    space = PRESETS["everything"]()
    zoo = {name: ZOO[name].build(16, 64) for name in SOME_OF_THE_ZOO}
    composed = {name: COMPOSITIONS[name] for name in SOME_COMPOSITIONS}
    return zoo | composed | {f"random{seed}": space.build(space.sample(Random(seed))) for seed in RANDOM}


def test_code_without_our_packages_is_our_model(tmp_path: Path) -> None:
    architectures = some_architectures()
    for name, architecture in architectures.items():
        write_folder(architecture, tmp_path / name)
    found = run_strangers([tmp_path / name for name in architectures])
    wrong = {name: one for name, one in found.items() if "error" in one or max(one.values()) > TOLERANCE}
    assert not wrong
    assert found.keys() == architectures.keys()
    check = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F,E9", "--line-length", "128", str(tmp_path)]
    checked = subprocess.run(check, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def text_of(architecture: Architecture) -> str:
    code = model_code(architecture)
    return "\n".join((code.imports, code.configs, code.modules))


def attention(*windows: int | None) -> Architecture:
    """A layer of attention for each window."""
    mixers = (Attention(n_heads=2, n_kv_heads=1, head_dim=8, window=window) for window in windows)
    return Architecture(d_model=16, core=tuple(Layer(mixers=(mixer,)) for mixer in mixers))


def test_what_differs_between_layers_stays_code_and_what_does_not_goes() -> None:
    """A window in some layers is asked for; without any, nothing knows of windows' field."""
    assert "config.window" in text_of(attention(None, 4))
    assert "config.window" not in text_of(attention(None, None))


def test_other_primitives_and_options_leave_no_trace() -> None:
    text = text_of(attention(None))
    assert not [word for word in ("MoE", "Recurrence", "fake_quantise", "qk_norm", "sink_H", "pydantic") if word in text]
    assert len(text.splitlines()) < 850


def test_a_layer_of_several_kinds_is_read_with_its_own_options_only() -> None:
    """Attention has an option of the name that routers have for their number of experts."""
    text = text_of(ZOO["mixtral"].build(16, 64))
    assert "top_k" in text
    assert "sparse_k" not in text


def test_skeletons_of_what_is_gone_are_gone_too() -> None:
    text = text_of(attention(None))
    assert not [
        word
        for word in ("self.objectives", "LoopEntry", "None, None", "None or", "None is", "pass\n", "seen_input")
        if word in text
    ]
    # somebody reads this number: a sublayer has its state at it
    assert "for index, block in enumerate(" in text
    assert "for layer in layers" in text
    assert "# Torch layer of attention.\n" in text


def test_the_same_architecture_has_the_same_code() -> None:
    architecture = ZOO["transformer"].build(16, 64)
    command = (
        "import sys; from nas.export.code import model_code; from search_spaces.architecture import Architecture;"
        "code = model_code(Architecture.from_json(sys.stdin.read())); print(code.configs + code.modules)"
    )
    run = [sys.executable, "-c", command]
    done = subprocess.run(run, input=architecture.to_json(), capture_output=True, text=True, check=True)
    code = model_code(architecture)
    assert done.stdout == code.configs + code.modules + "\n"


def test_the_literal_and_the_data_are_one_value() -> None:
    code = model_code(ZOO["transformer"].build(16, 64))
    call = ast.parse(code.literal, mode="eval").body
    assert isinstance(call, ast.Call)
    assert {"class", *(one.arg for one in call.keywords)} == code.values.keys()
    assert code.values["class"] == "Architecture"


@pytest.mark.parametrize("forbidden", ["search_spaces", "workers", "kernels", "nas"])
def test_nothing_of_ours_is_imported(forbidden: str) -> None:
    assert f"import {forbidden}" not in model_code(attention(4)).imports
    assert f"from {forbidden}" not in model_code(attention(4)).imports
