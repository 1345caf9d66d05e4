"""What generated code leaves out, on small sources made for it: each rule where it holds, and where it would be wrong."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.export.code.analysis import Analysis
from nas.export.code.folding import Folding
from nas.export.code.inlining import inlined
from nas.export.code.program import Program
from nas.export.code.simplifying import Simplifying
from nas.export.code.sources import Key
from nas.export.code.values import NONE, SOMETHING, Code

Reader = Callable[[str], tuple[Folding, Key]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Reader:
    """Analyses a source whose function `run` is called with something, and with something or None."""
    name = f"source_{abs(hash(request.node.name))}"

    def analysed(source: str) -> tuple[Folding, Key]:
        (tmp_path / f"{name}").mkdir()
        (tmp_path / name / "__init__.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        analysis = Analysis(Program(frozenset()))
        analysis.call(Code((name, "run")), [SOMETHING, SOMETHING | NONE], {})
        analysis.run()
        return Folding(analysis), (name, "run")

    return analysed


def run_after_inlining(read: Reader, source: str) -> str:
    """What is left of `run`."""
    folding, key = read(source)
    return inlined(folding.program, folding, [key]).definition(key).text


HANDED_ON = """
def same(x): return x
def made(size, name): return Made(size, name)
def swapped(size, name): return Made(name, size)
def twice(x): return Made(x, x)
def first(x, y): return x
class Made:
    def __init__(self, size, name):
        self.size, self.name = size, name
    @property
    def length(self):
        return self.size
    def itself(self, x):
        return x
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("same(a)", "a"),
        ("same(same(a))", "a"),
        ("same(a + 1) * 2", "(a + 1) * 2"),
        ("made(a, b)", "Made(a, b)"),
        ("made(a.f(), b.g())", "Made(a.f(), b.g())"),
        ("swapped(a, b)", "Made(b, a)"),
        ("twice(a)", "Made(a, a)"),
        ("first(a, b)", "a"),
        ("Made(a, b).itself(a)", "Made(a, b).itself(a)"),
    ],
)
def test_calls_that_hand_on_go(read: Reader, before: str, after: str) -> None:
    assert f"return {after}\n" in run_after_inlining(read, f"{HANDED_ON}\ndef run(a, b):\n    return {before}\n")


@pytest.mark.parametrize(
    "kept",
    [
        "swapped(a.f(), b.g())",  # the other order
        "twice(a.f())",  # twice
        "twice(a.f)",  # a property may run
        "first(a, b.g())",  # never
        "first(y=b, x=a)",
        "same(*a)",
    ],
)
def test_what_is_evaluated_stays_what_it_was(read: Reader, kept: str) -> None:
    assert f"return {kept}\n" in run_after_inlining(read, f"{HANDED_ON}\ndef run(a, b):\n    return {kept}\n")


def test_a_property_that_hands_on_goes(read: Reader) -> None:
    run = "\ndef run(a, b):\n    it = Made(a, b)\n    return it.length\n"
    assert "return it.size" in run_after_inlining(read, HANDED_ON + run)


def test_a_method_that_a_subclass_changes_stays(read: Reader) -> None:
    source = """
class Base:
    def seen(self, x): return x
class Other(Base):
    def seen(self, x): return x + 1
def run(a, b):
    one = Base() if b is None else Other()
    base = Base()
    return base.seen(a), one.seen(a)
"""
    assert "return a, one.seen(a)" in run_after_inlining(read, source)


def test_a_name_that_means_something_else_here_keeps_the_call(read: Reader) -> None:
    run = "\ndef run(a, Made):\n    return made(a, a)\n"
    assert "return made(a, a)" in run_after_inlining(read, HANDED_ON + run)


def simplest(read: Reader, source: str) -> dict[str, str]:
    """What stands for each expression that `run` returns."""
    folding, key = read(source)
    function = folding.function(Code(key))
    assert function is not None
    simplifying = Simplifying(folding, key)
    found = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Tuple):
            for one in node.elts:
                simpler = simplifying.simpler(one)
                found[ast.unparse(one)] = ast.unparse(simpler) if isinstance(simpler, ast.expr) else simpler or ast.unparse(one)
    return found


def test_constants_are_written_as_such(read: Reader) -> None:
    source = """
def choice(flag): return flag
def run(a, b):
    always, sometimes, number = None is None, b is None, 4
    if b is None:
        changed = True
    else:
        changed = False
    return always, sometimes, changed, number * 1, a * 1, a.f() is None is None, 1 < number < 5, 1 < number < a
"""
    found = simplest(read, source)
    assert found["always"] == "True"
    assert found["number * 1"] == "number"
    assert found["1 < number < 5"] == "True"
    kept = ("sometimes", "changed", "a * 1", "1 < number < a", "a.f() is None is None")
    assert {name: found[name] for name in kept} == {name: name for name in kept}


def test_a_function_by_another_name_is_called_by_its_own(read: Reader) -> None:
    source = """
def one(x): return x
def two(x): return x
def run(a, b):
    always = one
    either = one if b is None else two
    return always(a), either(a)
"""
    folding, key = read(source)
    function = folding.function(Code(key))
    assert function is not None
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id in ("always", "either")]
    aliases = {node.id: Simplifying(folding, key).alias_of(node, Code(key)) for node in names if isinstance(node.ctx, ast.Load)}
    assert aliases == {"always": (key[0], "one"), "either": None}


def test_what_a_type_chooses_gets_what_is_of_that_type(read: Reader) -> None:
    """Of two classes with a field of one name, each function sees its own."""
    source = """
class First:
    def __init__(self): self.size = None
class Second:
    def __init__(self): self.size = 3
def of_first(x, y): return x.size is None
def of_second(x, y): return x.size is None
TABLE = {First: of_first, Second: of_second}
def run(a, b):
    x = First() if b is None else Second()
    return TABLE[type(x)](x, a)
"""
    folding, (module, _) = read(source)
    results = {name: folding.analysis.cells["result", Code((module, name))] for name in ("of_first", "of_second")}
    assert [{atom.value for atom in value} for value in results.values()] == [{True}, {False}]  # type: ignore[attr-defined]
