"""Tasks of installed packages: what is refused, and that the error names the package."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from nas.tasks import BUILT_IN
from nas.tasks.plugins import BrokenPlugin, collected

Install = Callable[..., list[EntryPoint]]

TASK = """
from typing import ClassVar, Literal
from nas.tasks.task import SampledRecall

class {cls}(SampledRecall):
    "A task."
    title: ClassVar[str] = "Title"
    source: ClassVar[str] = "nowhere"
    generator: ClassVar[str] = "{generator}"
    name: Literal["{name}"] = "{name}"
    vocab_size: int = 2
    sequence_length: int = 8

    def chance(self) -> float:
        return 0.5
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package with one entry point on the path; returns the entry points of all that are there."""

    def put(package: str, name: str, value: str, code: str) -> list[EntryPoint]:
        module = value.partition(":")[0]
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[nas.tasks]\n{name} = {value}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)
        return [point for found in distributions(path=[str(tmp_path)]) for point in found.entry_points]

    monkeypatch.syspath_prepend(str(tmp_path))
    return put


def code(name: str = "good", cls: str = "Good", generator: str = "plug_generator:G") -> str:
    return TASK.format(name=name, cls=cls, generator=generator)


def test_a_package_adds_its_task(install: Install):
    points = install("one", "good", "plug_one:Good", code())
    (task,) = collected(points, BUILT_IN).values()
    assert task.from_data({}).to_data()["name"] == "good"


@pytest.mark.parametrize(
    ("name", "value", "text", "reason"),
    [
        ("good", "plug_absent:Good", "import no_such_module", "plug_absent:Good cannot be imported (ModuleNotFoundError"),
        ("good", "plug_other:Bad", code(), "plug_other:Bad cannot be imported (AttributeError"),
        ("good", "plug_thing:Good", "Good = 3", "plug_thing:Good is no subclass of nas.tasks.Task"),
        ("fine", "plug_name:Good", code(), 'must have a field `name: Literal["fine"]'),
        ("good", "plug_place:Good", code(generator=""), "must say where its generator is"),
        ("good", "plug_title:Good", code().replace('    title: ClassVar[str] = "Title"\n', ""), "lacks title"),
        ("good", "plug_need:Good", code().replace("int = 8", "int"), "must have a default for every field"),
        ("mqar", "plug_taken:Good", code("mqar"), "the service has a task of that name; rename it"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("plug") else "",
)
def test_a_broken_package_is_named(install: Install, name: str, value: str, text: str, reason: str):
    points = install("wobbly", name, value, text)
    with pytest.raises(BrokenPlugin) as raised:
        collected(points, BUILT_IN)
    assert str(raised.value).startswith(f"the installed package 'wobbly' has a broken task {name!r}: ")
    assert reason in str(raised.value)


def test_two_packages_with_one_name_are_both_named(install: Install):
    install("first", "good", "plug_first:Good", code())
    points = install("second", "good", "plug_second:Good", code())
    with pytest.raises(BrokenPlugin, match="package 'second' has a broken task 'good': the package 'first' has a task of that"):
        collected(points, BUILT_IN)
