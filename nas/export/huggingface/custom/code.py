"""The two Python files of a custom model: its configuration, and its layers with what transformers asks of a model.

Text only: the layers come from `nas.export.code`, the rest from the templates beside this file.
"""

import ast
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from nas.export.code import NOTE, ModelCode
from nas.export.code.scopes import global_names
from nas.export.code.sources import External
from nas.export.code.writing import imports_text
from search_spaces.architecture import Architecture, ContinuousInput, Input, TokenInput
from search_spaces.primitives.moe import MoE
from search_spaces.summary import summarise

WIDTH = 128
NAME_DIGITS = 10
"""Of the digest. transformers keeps the modules and classes that it has loaded, so every architecture has names of its own."""

OFFERED = """\
import torch
import torch.nn.functional as F
from dataclasses import dataclass
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast, MaskedLMOutput
from typing import Any, ClassVar
"""
"""What the templates may use."""


@dataclass(frozen=True, slots=True)
class Names:
    """What an architecture's files, and its type of model, are called."""

    model_type: str
    configuration: str
    modeling: str
    model_class: str
    auto_class: str
    """The class of transformers that finds it."""


def names(architecture: Architecture) -> Names:
    """The same for the same architecture. Models that see later tokens do not go on: they fill in tokens that are hidden."""
    model_type, kind = f"nas_{architecture.digest[:NAME_DIGITS]}", "CausalLM" if architecture.causal else "MaskedLM"
    return Names(
        model_type=model_type,
        configuration=f"configuration_{model_type}",
        modeling=f"modeling_{model_type}",
        model_class=f"NasFor{kind}",
        auto_class=f"AutoModelFor{kind}",
    )


def configuration(architecture: Architecture, code: ModelCode) -> str:
    """`configuration_*.py`."""
    classes = [f"        {name}," for name in _dataclasses(code.configs)]
    body = _template("configuration").substitute(
        dataclasses=code.configs.strip(),
        classes="\n".join(classes),
        model_type=names(architecture).model_type,
        causal=architecture.causal,
        tied=_is_tied(architecture.input),
    )
    return _module(architecture, "Sizes of a model", _imports(_used(body), code.imports), body)


def modeling(architecture: Architecture, code: ModelCode) -> str:
    """`modeling_*.py`."""
    body = "\n\n".join((code.modules.strip() + "\n", _pretrained(architecture), _for_its_task(architecture)))
    used = _used(body)
    ours = _relative_import(names(architecture).configuration, {*_defined(code.configs), "NasConfig", "read"} & used)
    return _module(architecture, "Layers of a model", f"{_imports(used, code.imports)}\n{ours}", body)


def _pretrained(architecture: Architecture) -> str:
    """The base of the model's class. A copy channel has a table of tokens of its own, a tied head has none."""
    source = architecture.input
    copies = isinstance(source, TokenInput) and source.rosa
    return _template("pretrained").substitute(
        copies=_template("copies").template if copies else "", head="None" if _is_tied(source) else "self.model.ends.head"
    )


def _is_tied(source: Input) -> bool:
    # the form refuses measurements
    assert not isinstance(source, ContinuousInput)
    return source.tie_embeddings


def _for_its_task(architecture: Architecture) -> str:
    """The model's class."""
    balanced = any(isinstance(part, MoE) and part.balance == "bias" for _, part in architecture.parts())
    template = _template("decoder" if architecture.causal else "encoder")
    return template.substitute(note=_template("balanced").template if balanced else "")


def _module(architecture: Architecture, what: str, imports: str, body: str) -> str:
    """A file. What people call the model is theirs, and no part of code."""
    docstring = f'"""{what}: {summarise(architecture)}\n\n{NOTE}\n"""'
    # imports keep two lines from code, and one from a comment
    return "\n".join((docstring, "", imports, *([] if body.startswith("#") else [""]), body))


def _imports(used: Set[str], offered: str) -> str:
    """Of the imports those that the code uses."""
    return imports_text({found for found in _externals(offered + OFFERED) if found.bound in used})


def _externals(imports: str) -> Iterator[External]:
    for node in ast.parse(imports).body:
        if isinstance(node, ast.Import):
            yield from (External(one.asname or one.name, one.name, None) for one in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (External(one.asname or one.name, node.module or "", one.name) for one in node.names)


def _relative_import(module: str, found: Iterable[str]) -> str:
    # constants, classes, functions
    found = sorted(found, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from .{module} import {', '.join(found)}\n"
    return line if len(line) <= WIDTH else f"from .{module} import (\n" + "".join(f"    {one},\n" for one in found) + ")\n"


def _used(code: str) -> set[str]:
    return {name.id for name in global_names(ast.parse(code))}


def _defined(code: str) -> Iterator[str]:
    for node in ast.parse(code).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _dataclasses(code: str) -> Iterator[str]:
    yield from (node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef) and node.decorator_list)


def _template(name: str) -> Template:
    return Template(files(__package__).joinpath("templates", f"{name}.txt").read_text(encoding="utf-8"))
