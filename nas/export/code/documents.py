"""Our documents as frozen dataclasses: the fields of an architecture and what follows from them, without pydantic.

The text of a class is made from the class itself: its fields from what pydantic knows of them, its properties and methods from
its source. What the model's code never asks for is left out later, like any code that nothing uses.
"""

import ast
import types
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from nas.export.code.sources import Definition, Key, read_module
from search_spaces.document import Document

Kinds = frozenset[type[Document]]
"""The document classes that there are objects of."""
BASES = ("Document", "BaseModel")
PYDANTIC = ("model_validator", "field_validator", "classmethod", "abstractmethod")
"""Decorators of methods that check documents, or that only subclasses have."""
COPIES = "block_of"
"""A property that calls it makes documents out of documents: the value leaves as a field."""


@cache
def document_class(key: Key) -> type[Document] | None:
    """The document class of this name; None when it is something else."""
    if not key[0].startswith("search_spaces"):
        return None
    found = getattr(import_module(key[0]), key[1], None)
    return found if isinstance(found, type) and issubclass(found, Document) else None


def key_of(kind: type[Document]) -> Key:
    """Where a document class is defined."""
    return kind.__module__, kind.__name__


def occurring(document: Document) -> set[type[Document]]:
    """The classes of a document and of all that it consists of."""
    found: set[type[Document]] = {type(document)}
    for name in (*type(document).model_fields, *computed(type(document))):
        value = getattr(document, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Document):
                found |= occurring(one)
    return found


def definition_of(kind: type[Document], kinds: Kinds) -> Definition:
    """The dataclass that stands for a document class; for a base, what its subclasses among `kinds` are together."""
    if kind not in kinds and any(issubclass(one, kind) for one in kinds):
        found = sorted((one for one in kinds if issubclass(one, kind)), key=lambda one: one.__name__)
        text = f"{kind.__name__} = {' | '.join(one.__name__ for one in found)}\n"
        return Definition(key_of(kind), text, {one.__name__: key_of(one) for one in found})
    title = (kind.__doc__ or "").strip().split("\n")[0].split(". ")[0].rstrip(".").replace('"', "'")
    head = f'@dataclass(frozen=True, kw_only=True)\nclass {kind.__name__}:\n    """{title}."""\n'
    parts = [*_fields(kind, kinds), *_variables(kind)]
    borrowed = {one.__name__: key_of(one) for one in kinds}
    return Definition(key_of(kind), "\n".join((head, *parts, *_methods(kind))).rstrip("\n") + "\n", borrowed)


def _fields(kind: type[Document], kinds: Kinds) -> Iterator[str]:
    """A line for each field, and its documentation."""
    for name, field in kind.model_fields.items():
        default = "" if field.is_required() or not _is_known(field.default, kinds) else f" = {expression(field.default)}"
        yield f"    {name}: {type_text(field.annotation, kinds)}{default}\n{_documented(field)}"
    for name in computed(kind):
        yield f"    {name}: {type_text(_returned(kind, name), kinds)} = ()\n"


def _is_known(value: Any, kinds: Kinds) -> bool:
    return not isinstance(value, Document) or type(value) in kinds


def _documented(field: FieldInfo) -> str:
    sentence = (field.description or "").replace("\n", " ").split(". ")[0].split(": ")[0].rstrip(".:").replace('"', "'")
    line = f'    """{sentence}."""\n'
    return line if sentence and len(line) <= 128 else ""


@cache
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
        if name not in left_out:
            yield function.text


def _is_pydantic(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(named, ast.Name) and named.id in PYDANTIC


def type_text(annotation: Any, kinds: Kinds) -> str:
    """A type as Python writes it; of literals the type that their values have, of documents those of `kinds`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        return "None"
    if origin is Annotated:
        return type_text(arguments[0], kinds)
    if origin is Literal:
        return " | ".join(dict.fromkeys(type_text(type(value), kinds) for value in arguments))
    if origin in (Union, types.UnionType):
        texts = dict.fromkeys(type_text(one, kinds) for one in arguments)
        return " | ".join(text for text in texts if text) or "None"
    if origin is tuple:
        items = [text for one in arguments if one is not ... and (text := type_text(one, kinds))]
        return f"tuple[{', '.join(items)}{', ...' if ... in arguments else ''}]" if items else "tuple[()]"
    left_out = isinstance(annotation, type) and issubclass(annotation, Document) and annotation not in kinds
    return "" if left_out else str(annotation.__name__)


def expression(value: Any) -> str:
    """A value as the Python expression that makes it."""
    if isinstance(value, Document):
        inner = ", ".join(f"{name}={expression(one)}" for name, one in stated(value).items())
        return f"{type(value).__name__}({inner})"
    if isinstance(value, tuple):
        return f"({', '.join(map(expression, value))}{',' if len(value) == 1 else ''})"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def stated(document: Document) -> Mapping[str, Any]:
    """The fields that are not the default, in order, and the computed ones."""
    kind = type(document)
    values = {name: getattr(document, name) for name in (*kind.model_fields, *computed(kind))}
    defaults = {name: field.default for name, field in kind.model_fields.items() if not field.is_required()}
    defaults |= dict.fromkeys(computed(kind), ())
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}
