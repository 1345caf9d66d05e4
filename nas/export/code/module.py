"""The code of one architecture, self-contained: what our own source says of it, and nothing else.

The sources of the model's layers and kernels are read as text and specialised: what the architecture decides is decided in the
code, so that what is left is the model alone, in the words of the library, and cannot differ from what was measured.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nas.export.code.classes import Classes
from nas.export.code.entry import MODEL
from nas.export.code.literals import data, literal, records
from nas.export.code.specialising import specialise
from nas.export.code.writing import final_names, imports_text, section
from search_spaces.architecture import Architecture

NOTE = """\
Generated for this architecture alone from the layers of a library: comments come from there, and may name options that
this model has not."""
"""What a reader of the code should know first."""


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


@lru_cache(maxsize=128)
def model_code(architecture: Architecture) -> ModelCode:
    """The code of an architecture; the same for the same architecture, which several forms ask for one after another."""
    program = specialise(architecture)
    keys = program.reachable([MODEL])
    names = final_names(program, keys)
    classes = Classes(program)
    asked = {names[key]: classes[key].fields for key in keys if classes.get(key) is not None}
    value = records(architecture, asked)
    of_data = [key for key in keys if key[0].startswith("search_spaces")]
    return ModelCode(
        imports=imports_text(program.externals(keys)),
        configs=section(program, of_data, names),
        modules=section(program, [key for key in keys if key not in of_data], names),
        literal=literal(value),
        values=data(value),
    )
