"""The form `config`: always there, a folder for each program that can say the architecture, reasons for the others."""

from pathlib import Path

from nas.export.form import Subject
from nas.export.forms import FORMS
from nas.export.training.form import CONFIG, targets
from search_spaces.architecture import Architecture
from search_spaces.zoo import ZOO


def subject(architecture: Architecture) -> Subject:
    return Subject(architecture=architecture, title="test")


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_is_in_the_catalogue_and_carries_no_weights() -> None:
    assert FORMS["config"] is CONFIG
    assert not CONFIG.has_weights
    assert not CONFIG.needs_weights


def test_a_transformer_is_said_by_all(tmp_path: Path) -> None:
    written = CONFIG.write(subject(ZOO["transformer"].build()), tmp_path)
    assert files_in(tmp_path) == {
        "fla/config.json",
        "flame/train.toml",
        "litgpt/model_config.yaml",
        "litgpt/pretrain.yaml",
        "torchtitan/nas_architecture.py",
    }
    assert written.loads_as == "flash-linear-attention 0.6.0, flame e11e7be, litgpt 0.5.13, torchtitan 0.3.0"
    assert written.refusals == ()


def test_others_are_refused_with_the_field(tmp_path: Path) -> None:
    written = CONFIG.write(subject(ZOO["mixtral"].build()), tmp_path)
    assert files_in(tmp_path) == {"litgpt/model_config.yaml", "litgpt/pretrain.yaml", "torchtitan/nas_architecture.py"}
    assert written.loads_as == "litgpt 0.5.13, torchtitan 0.3.0"
    assert [(refusal.target, refusal.field) for refusal in written.refusals] == [
        ("fla", "core[0].channel"),
        ("flame", "core[0].channel"),
    ]
    assert written.refusals[0].reason == "core[0].channel: moe; fla has swiglu there"


def test_what_none_can_say_is_still_a_form(tmp_path: Path) -> None:
    architecture = ZOO["byte_hierarchical"].build()
    assert CONFIG.refusals(architecture) == ()
    written = CONFIG.write(subject(architecture), tmp_path)
    assert files_in(tmp_path) == set()
    assert written.loads_as == "architecture.json"
    assert "architecture.json says all of it" in written.why
    assert {refusal.target for refusal in written.refusals} == {one.target for one in targets(architecture)}


def test_targets_are_named_with_their_versions() -> None:
    titles = {one.target: one.title for one in targets(ZOO["transformer"].build())}
    assert {name: title.split(":")[0] for name, title in titles.items()} == {
        "fla": "flash-linear-attention 0.6.0",
        "flame": "flame e11e7be",
        "litgpt": "litgpt 0.5.13",
        "torchtitan": "torchtitan 0.3.0",
    }
