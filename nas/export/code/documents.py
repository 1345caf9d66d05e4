"""Our documents as frozen dataclasses: the fields of an architecture and what follows from them, without pydantic.

The text of a class is made from the class itself: its fields from what pydantic knows of them, its properties and methods from
its source. What the model's code never asks for is left out later, like any code that nothing uses.
"""

import ast
import types
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from nas.export.code.sources import Definition, Key, read_module
from search_spaces.document import Document

BASES = ("Document", "BaseModel")
PYDANTIC = ("model_validator", "field_validator", "classmethod", "abstractmethod")
"""Decorators of methods that check documents, or that only subclasses have."""
COPIES = "block_of"
"""A property that calls it makes documents out of documents: the value leaves as a field."""


def document_class(key: Key) -> type[Document] | None:
    """The document class of this name; None when it is something else."""
    if not key[0].startswith("search_spaces"):
        return None
    found = getattr(import_module(key[0]), key[1], None)
    return found if isinstance(found, type) and issubclass(found, Document) else None


def key_of(kind: type[Document]) -> Key:
    """Where a document class is defined."""
    return kind.__module__, kind.__name__


def definition_of(kind: type[Document]) -> Definition:
    """The dataclass that stands for a document class."""
    title = (kind.__doc__ or "").strip().split("\n")[0].split(". ")[0].rstrip(".").replace('"', "'")
    head = f'@dataclass(frozen=True, kw_only=True)\nclass {kind.__name__}:\n    """{title}."""\n'
    parts = [*fields_of(kind), *_variables(kind)]
    return Definition(key_of(kind), "\n".join((head, *parts, *_methods(kind))).rstrip("\n") + "\n")


def fields_of(kind: type[Document]) -> Iterator[str]:
    """A line for each field, and its documentation."""
    for name, field in kind.model_fields.items():
        default = "" if field.is_required() else f" = {expression(field.default)}"
        yield f"    {name}: {type_text(field.annotation)}{default}\n{_documented(field)}"
    for name in computed(kind):
        yield f"    {name}: {type_text(_returned(kind, name))} = ()\n"


def _documented(field: FieldInfo) -> str:
    sentence = (field.description or "").replace("\n", " ").split(". ")[0].split(": ")[0].rstrip(".:").replace('"', "'")
    line = f'    """{sentence}."""\n'
    return line if sentence and len(line) <= 128 else ""


def computed(kind: type[Document]) -> tuple[str, ...]:
    """Properties whose values leave as fields."""
    found = (name for name, function in _functions(kind) if any(_calls(function.node, COPIES)))
    return tuple(found)


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _returned(kind: type[Document], name: str) -> Any:
    found = getattr(kind, name)
    return found.fget.__annotations__["return"]


def _variables(kind: type[Document]) -> Iterator[str]:
    """Class variables whose values code may ask for: flags and names."""
    for name in {name: None for base in reversed(kind.__mro__) for name in getattr(base, "__annotations__", {})}:
        value = kind.__dict__.get(name, getattr(kind, name, None)) if name not in kind.model_fields else None
        if name in kind.__class_vars__ and isinstance(value, bool | str):
            yield f"    {name}: ClassVar[{type(value).__name__}] = {value!r}\n"


class _Function:
    """A method of a document with its text."""

    def __init__(self, text: str, node: ast.FunctionDef) -> None:
        self.text = text
        self.node = node


def _functions(kind: type[Document]) -> Iterator[tuple[str, _Function]]:
    """The methods of a class and of its bases, each once, with their source."""
    seen: set[str] = set()
    for base in kind.__mro__:
        if base.__name__ in BASES or not issubclass(base, Document):
            continue
        definition = read_module(base.__module__).definitions[base.__name__]
        lines = definition.text.splitlines(keepends=True)
        for node in definition.node.body if isinstance(definition.node, ast.ClassDef) else ():
            if not isinstance(node, ast.FunctionDef) or node.name in seen or any(map(_is_pydantic, node.decorator_list)):
                continue
            seen.add(node.name)
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield node.name, _Function("".join(lines[first - 1 : node.end_lineno]), node)


def _methods(kind: type[Document]) -> Iterator[str]:
    left_out = computed(kind)
    for name, function in _functions(kind):
        if name not in left_out and name not in ("cost", "problems", "plain", "encoder_mixers", "member"):
            yield function.text


def _is_pydantic(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(named, ast.Name) and named.id in PYDANTIC


def type_text(annotation: Any) -> str:
    """A type as Python writes it; of literals the type that their values have."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        return "None"
    if origin is Annotated:
        return type_text(arguments[0])
    if origin is Literal:
        return " | ".join(dict.fromkeys(type_text(type(value)) for value in arguments))
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(type_text(one) for one in arguments))
    if origin is tuple:
        return f"tuple[{', '.join('...' if one is ... else type_text(one) for one in arguments)}]"
    if origin is ClassVar:
        return f"ClassVar[{type_text(arguments[0])}]"
    return str(annotation.__name__)


def expression(value: Any) -> str:
    """A value as the Python expression that makes it."""
    if isinstance(value, Document):
        inner = ", ".join(f"{name}={expression(one)}" for name, one in stated(value).items())
        return f"{type(value).__name__}({inner})"
    if isinstance(value, tuple):
        return f"({', '.join(map(expression, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def stated(document: Document) -> Mapping[str, Any]:
    """The fields that are not the default, in order, and the computed ones."""
    kind = type(document)
    values = {name: getattr(document, name) for name in (*kind.model_fields, *computed(kind))}
    defaults = {name: field.default for name, field in kind.model_fields.items() if not field.is_required()}
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}
