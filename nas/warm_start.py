"""What a study tries before its sampler is asked: members of its space, in order, as trials of the search like any other.

A user names members, or says where to find some: among the best of another study, or near to published architectures. They
are found when the study is submitted, so that what is stored hangs on nothing else and can be submitted again as it is.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import Field, WrapValidator, model_validator

from search_spaces.allowed import plain
from search_spaces.document import Document
from search_spaces.genes import GeneValue
from search_spaces.space import MAX_GENES

MAX_STARTS: Final = 1000
MAX_ZOO: Final = 16
"""A nearest member takes up to a few seconds to find."""
TOP: Final = 10

StartParams = Annotated[Mapping[str, Annotated[GeneValue, WrapValidator(plain)]], Field(max_length=MAX_GENES)]


class WarmStart(Document):
    """Members that are proposed first, by their gene values. notes: where they come from, in words."""

    params: Annotated[tuple[StartParams, ...], Field(max_length=MAX_STARTS)] = ()
    notes: Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Field(max_length=100)] = ()


class Sources(WarmStart):
    """The same as it is submitted, with where to find more members.

    study: another study, by id or by name; its `top` best trials that are members of the space. zoo: names of published
    architectures, each standing for the member that is nearest to it in structure.
    """

    study: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    top: Annotated[int, Field(ge=1, le=MAX_STARTS)] = TOP
    zoo: Annotated[tuple[str, ...], Field(max_length=MAX_ZOO)] = ()

    @property
    def elsewhere(self) -> bool:
        """Whether there is anything to find."""
        return self.study is not None or bool(self.zoo)

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.study is None and "top" in self.model_fields_set:
            raise ValueError("top counts trials of a study; name it in study")
        return self


def given(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a submitted `warm_start` says itself."""
    return {name: value for name, value in document.items() if name in WarmStart.model_fields}
