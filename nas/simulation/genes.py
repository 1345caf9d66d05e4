"""Gene values as files write them: text in CSV, floats for whole numbers in Parquet. Settled genes may be left out."""

import math
from collections.abc import Mapping
from typing import Any

from search_spaces.allowed import allowed_values
from search_spaces.genes import GeneValue, listed
from search_spaces.space import Params, Space

Key = str | float


class GeneColumns:
    """The genes of a space by name, and what each cell of theirs may hold."""

    def __init__(self, space: Space) -> None:
        self._values = {gene.name: values for gene, values in allowed_values(space.mode, space.genes).items()}
        self._known = {name: {_key(value): value for value in values} for name, values in self._values.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Those that leave a choice."""
        return tuple(name for name, values in self._values.items() if len(values) > 1)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def params(self, cells: Mapping[str, Any]) -> Params:
        """Gene values from cells by name, without the genes that are settled or not active. Raises ValueError."""
        found = {name: self._read(name, cell) for name, cell in cells.items()}
        return {name: value for name, value in found.items() if value is not None and len(self._values[name]) > 1}

    def _read(self, name: str, cell: Any) -> GeneValue | None:
        known = self._known[name]
        if _is_empty(cell):
            return known.get("")
        for key in _keys(cell):
            if key in known:
                return known[key]
        raise ValueError(f"{name} is {cell!r:.60}, which the space does not allow; it has {listed(self._values[name])}")


def _key(value: GeneValue) -> Key:
    """Whole numbers and floats that are equal are the same; true and false are words."""
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else float(value)


def _keys(cell: Any) -> tuple[Key, ...]:
    """What a cell may stand for: nothing, for an array, an object or a number beyond all floats."""
    if not isinstance(cell, str):
        try:
            return (_key(cell),)
        except (TypeError, ValueError, OverflowError):
            return ()
    try:
        return cell, float(cell)
    except ValueError:
        return cell, cell.lower()


def _is_empty(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))
