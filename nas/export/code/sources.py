"""Our own source files as text: what each module defines, and where each name that it uses comes from.

Nothing is imported, only parsed, so that code of torch can be written by a process that has no torch.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from nas.export.code.scopes import global_names

Key = tuple[str, str]
"""The module and the name of a definition."""


@dataclass(frozen=True)
class External:
    """A name of torch or of the standard library."""

    bound: str
    """What our code calls it."""
    module: str
    name: str | None
    """None when the module itself is meant."""

    @property
    def dotted(self) -> str:
        """Its whole name, such as `torch.nn.functional`."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Definition:
    """A class, function or constant of a module: its text, with comments above it and a string below it."""

    key: Key
    text: str
    borrowed: "Mapping[str, Key | External]" = field(default_factory=dict)
    """Names that the text took over from other modules."""

    @cached_property
    def node(self) -> ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign:
        """Its syntax tree; positions count in `text`."""
        node = ast.parse(self.text).body[0]
        assert isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign)
        return node

    @cached_property
    def global_names(self) -> tuple[ast.Name, ...]:
        """Uses of names that are not bound within it."""
        return tuple(global_names(self.node))


@dataclass(frozen=True)
class Module:
    """One file."""

    name: str
    title: str
    """The first paragraph of its docstring."""
    definitions: Mapping[str, Definition]
    imports: Mapping[str, Key | External]


def find(key: Key) -> Key | External:
    """Where the name that a module calls so is defined: names are imported from modules that import them again."""
    module = read_module(key[0])
    while key[1] not in module.definitions:
        found = module.imports[key[1]]
        if isinstance(found, External):
            return found
        key = found
        module = read_module(key[0])
    return key


def known(module: str, name: str) -> bool:
    """Whether a module has a global of this name."""
    read = read_module(module)
    return name in read.definitions or name in read.imports


def imported_modules(name: str) -> Iterator[str]:
    """Ours that a module imports, in order."""
    for found in read_module(name).imports.values():
        if not isinstance(found, External):
            yield found[0]


@cache
def read_module(name: str) -> Module:
    """Parse the file of a module of ours. Raises `FileNotFoundError` when it is not installed."""
    path = _path(name)
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    imports: dict[str, Key | External] = {}
    for statement in tree.body:
        imports.update(_bound(statement))
    title = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
    definitions = {one.key[1]: one for one in _definitions(name, text.splitlines(keepends=True), tree.body)}
    return Module(name, title, definitions, imports)


def _path(name: str) -> Path:
    top, _, rest = name.partition(".")
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package {top!r} is not installed beside this one; install the whole project")
    base = Path(spec.origin).parent.joinpath(*rest.split(".")) if rest else Path(spec.origin).parent
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _bound(statement: ast.stmt) -> Iterator[tuple[str, Key | External]]:
    """The names that an import binds."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            bound = alias.asname or alias.name
            yield bound, External(bound, alias.name, None)
    elif isinstance(statement, ast.ImportFrom):
        module = statement.module or ""
        for alias in statement.names:
            bound = alias.asname or alias.name
            yield bound, (module, alias.name) if is_ours(module) else External(bound, module, alias.name)


def is_ours(module: str) -> bool:
    """Whether a module is one that the generated code cannot import."""
    return module.partition(".")[0] in ("kernels", "workers", "search_spaces", "nas")


def is_standard(module: str) -> bool:
    """Whether a module comes with Python."""
    return module.partition(".")[0] in sys.stdlib_module_names


def _definitions(module: str, lines: list[str], body: list[ast.stmt]) -> Iterator[Definition]:
    for statement, following in zip(body, [*body[1:], None], strict=True):
        name = _name(statement)
        if name is None or name == "__all__":
            continue
        first = _first_line(statement)
        while first > 1 and lines[first - 2].startswith("#"):
            first -= 1
        last = statement.end_lineno or first
        if isinstance(statement, ast.Assign | ast.AnnAssign) and is_string(following):
            assert following is not None
            last = following.end_lineno or last
        yield Definition((module, name), "".join(lines[first - 1 : last]))


def _first_line(statement: ast.stmt) -> int:
    decorators = statement.decorator_list if isinstance(statement, ast.ClassDef | ast.FunctionDef) else []
    return min(statement.lineno, *(decorator.lineno for decorator in decorators), statement.lineno)


def _name(statement: ast.stmt) -> str | None:
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def is_string(statement: ast.stmt | None) -> bool:
    """Whether a statement is a lone string: the documentation of what stands before it."""
    return (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    )
