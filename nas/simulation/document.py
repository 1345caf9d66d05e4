"""A table as one JSON document that says everything needed to simulate on it, a member on each line.

Version control shows which members changed; six digits are kept of each number.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nas.protocol import Protocol
from nas.simulation.loading import VALIDATION, Row, table_of_rows
from nas.simulation.table import Table
from search_spaces.document import Document
from search_spaces.genes import GeneValue
from search_spaces.space import Space

Numbers = Annotated[tuple[Annotated[tuple[float, ...], Field(min_length=1)], ...], Field(min_length=1)]
"""[rung, seed]."""


class MemberResults(Document):
    """A member by its gene values, with its metrics on test and on validation data, and the seconds of each run."""

    genes: Mapping[str, GeneValue]
    test: Mapping[str, Numbers]
    validation: Mapping[str, Numbers] = Field(default_factory=dict)
    seconds: Numbers


class TableDocument(Document):
    """How the members were measured, and what came of it."""

    format: Literal["nas-table-1"] = "nas-table-1"
    name: Annotated[str, Field(min_length=1, max_length=100)]
    space: Space
    protocol: Protocol
    members: Annotated[tuple[MemberResults, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _alike(self) -> Self:
        """Every member has the same metrics, rungs and seeds."""
        shapes = {_shape(member) for member in self.members}
        if len(shapes) > 1 or not next(iter(shapes)):
            raise ValueError("every member needs the same metrics, and of each one number for every rung and seed")
        if len(self.members[0].seconds) != len(self.protocol.rungs):
            raise ValueError(f"the members have {len(self.members[0].seconds)} rungs, the protocol {len(self.protocol.rungs)}")
        return self

    def table(self) -> Table:
        """The same in arrays. Raises `nas.errors.Invalid` where a member is not one of the space, or is there twice."""
        return table_of_rows(self._rows(), self.space, self.protocol)

    def text(self) -> str:
        """As it is written to a file."""
        head = {"format": self.format, "name": self.name}
        head |= {"space": _own(self.space), "protocol": _own(self.protocol)}
        members = ",\n".join(json.dumps(_short(member)) for member in self.members)
        return f'{json.dumps(head)[:-1]},\n"members": [\n{members}\n]}}\n'

    def _rows(self) -> Iterator[Row]:
        genes = dict.fromkeys(name for member in self.members for name in member.genes)
        for member in self.members:
            metrics = {**member.test, **{VALIDATION + name: values for name, values in member.validation.items()}}
            for rung, seconds in enumerate(member.seconds):
                for seed, taken in enumerate(seconds):
                    row = {name: values[rung][seed] for name, values in metrics.items()}
                    yield {**genes, **member.genes, "rung": rung, "seed": seed, **row, "seconds": taken}


def _shape(member: MemberResults) -> tuple[Any, ...]:
    """Empty where its own numbers do not agree."""
    shapes = {tuple(map(len, numbers)) for numbers in (*member.test.values(), *member.validation.values(), member.seconds)}
    if len(shapes) > 1 or len(set(*shapes)) > 1:
        return ()
    return (tuple(sorted(member.test)), tuple(sorted(member.validation)), *shapes)


def _own(document: Document) -> Any:
    return json.loads(document.canonical_json())


def _short(member: MemberResults) -> dict[str, Any]:
    data = member.to_data()
    return {"genes": data["genes"], **{name: _rounded(data[name]) for name in ("test", "validation", "seconds")}}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.6g}")
