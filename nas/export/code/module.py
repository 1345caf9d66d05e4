"""The code of one architecture, self-contained: what our own source says of it, and nothing else.

The sources of the model's layers and kernels are read as text and specialised: what the architecture decides is decided in the
code, so that what is left is the model alone, in the words of the library, and cannot differ from what was measured.
"""

from dataclasses import dataclass
from typing import Any

from nas.export.code.documents import document_class
from nas.export.code.literals import data, literal
from nas.export.code.program import Program
from nas.export.code.sources import Key
from nas.export.code.writing import final_names, imports_text, section
from search_spaces.architecture import Architecture

MODEL: Key = ("workers.model.model", "Model")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCode:
    """Python source in parts, which together are a module."""

    imports: str
    """Lines that import torch and the standard library."""
    configs: str
    """Frozen dataclasses of an architecture's data."""
    modules: str
    """Kernels, layers and `Model`."""
    literal: str
    """The expression that makes the architecture's value."""
    values: dict[str, Any]
    """The same as JSON: objects with their dataclass under "class", arrays for tuples."""


def model_code(architecture: Architecture) -> ModelCode:
    """The code of an architecture; the same for the same architecture."""
    program = Program()
    keys = program.reachable([MODEL])
    names = final_names(program, keys)
    of_data = [key for key in keys if key[0].startswith("search_spaces")]
    return ModelCode(
        imports=imports_text(program.externals(keys)),
        configs=section(program, of_data, names),
        modules=section(program, [key for key in keys if key not in of_data], names),
        literal=literal(architecture),
        values=data(architecture),
    )


__all__ = ["ModelCode", "document_class", "model_code"]
