"""Every task that a protocol may name: those of the service, and those of installed packages.

It is a module of its own so that a package's task can import `nas.tasks` while it is itself being looked up.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Union

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from nas.tasks import BUILT_IN, Task
from nas.tasks.plugins import installed

CATALOGUE: dict[str, type[Task]] = BUILT_IN | installed(BUILT_IN)


@dataclass(frozen=True)
class _OneOfTheCatalogue:
    """Validates as the task that `name` says."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(Annotated[Union[tuple(CATALOGUE.values())], Field(discriminator="name")])  # noqa: UP007


AnyTask = Annotated[Task, _OneOfTheCatalogue()]
