"""A program as text: imports, the dataclasses of an architecture, then kernels, layers and the model."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby

from nas.export.code.documents import document_class
from nas.export.code.program import Program
from nas.export.code.sources import Definition, External, Key, is_standard, read_module

OUR_MODULE = re.compile(r"`(?:search_spaces|workers|kernels)\.(?:\w+\.)*(\w+)`")


def imports_text(externals: Iterable[External]) -> str:
    """Import statements: the standard library, then the others, each in order."""
    standard: list[str] = []
    others: list[str] = []
    for module, names in sorted(_by_module(externals).items()):
        (standard if is_standard(module) else others).extend(_import_lines(module, names))
    groups = [sorted(group, key=lambda line: (line.startswith("from"), line)) for group in (standard, others) if group]
    return "\n\n".join("\n".join(group) for group in groups) + "\n"


def _by_module(externals: Iterable[External]) -> dict[str, set[External]]:
    modules: dict[str, set[External]] = defaultdict(set)
    for external in externals:
        modules[external.module].add(external)
    return modules


def _import_lines(module: str, names: Iterable[External]) -> list[str]:
    whole = [one.bound for one in names if one.name is None]
    lines = [f"import {module}" if bound == module else f"import {module} as {bound}" for bound in sorted(whole)]
    parts = sorted((one for one in names if one.name is not None), key=lambda one: one.bound)
    if parts:
        written = (one.bound if one.bound == one.name else f"{one.name} as {one.bound}" for one in parts)
        lines.append(f"from {module} import {', '.join(written)}")
    return lines


def final_names(program: Program, keys: Iterable[Key]) -> dict[Key, str]:
    """What each definition is called in one file: its own name, behind its module's where two have the same."""
    names: dict[Key, str] = {}
    taken = {external.bound for external in program.externals(keys)}
    for key in keys:
        module, name = key
        stem = module.rpartition(".")[2]
        private, plain = ("_" if name.startswith("_") else ""), name.lstrip("_")
        other = private + (stem.upper() if plain.isupper() else stem.title().replace("_", "") if plain[0].isupper() else stem)
        joined = "" if plain[0].isupper() and not plain.isupper() else "_"
        names[key] = name if name not in taken else f"{other}{joined}{plain}"
        taken.add(names[key])
    return names


def definition_text(program: Program, key: Key, names: Mapping[Key, str]) -> str:
    """A definition with every name of another as it is called in the file."""
    definition = program.definition(key)
    edits = [(name.lineno, name.col_offset, name.end_col_offset or 0, names[found]) for name, found in _ours(program, key)]
    if names[key] != key[1]:
        edits += _own_uses(definition, key[1], names[key])
    lines = definition.text.splitlines(keepends=True)
    for line, start, end, new in sorted(set(edits), reverse=True):
        encoded = lines[line - 1].encode()
        lines[line - 1] = (encoded[:start] + new.encode() + encoded[end:]).decode()
    return "".join(lines).rstrip("\n") + "\n"


def _ours(program: Program, key: Key) -> list[tuple[ast.Name, Key]]:
    return [(name, found) for name, found in program.used(key) if not isinstance(found, External)]


def _own_uses(definition: Definition, old: str, new: str) -> list[tuple[int, int, int, str]]:
    """Where a definition has its own name: as a name, and behind `class` or `def`."""
    node = definition.node
    nodes = (one for one in ast.walk(node) if isinstance(one, ast.Name) and one.id == old)
    edits = [(one.lineno, one.col_offset, one.end_col_offset or 0, new) for one in nodes]
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        start = node.col_offset + len("class " if isinstance(node, ast.ClassDef) else "def ")
        edits.append((node.lineno, start, start + len(old), new))
    return edits


def section(program: Program, keys: Iterable[Key], names: Mapping[Key, str]) -> str:
    """Definitions, those of each module below a line that says what they are."""
    parts = []
    for module, group in groupby(keys, key=lambda key: key[0]):
        texts = [(key, definition_text(program, key, names)) for key in group]
        about = [] if all(document_class(key) for key, _ in texts) else [(None, f"# {_heading(module)}\n")]
        parts.append([*about, *texts])
    return "\n\n".join(_joined(part) for part in parts)


def _heading(module: str) -> str:
    """What a module says of itself; of modules that are not in the file only the last word of their names."""
    return OUR_MODULE.sub(r"\1", read_module(module).title)


def _joined(texts: list[tuple[Key | None, str]]) -> str:
    return "\n\n".join(text for _, text in texts)
