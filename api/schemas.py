"""Bodies and answers that belong to HTTP alone; everything else on the wire is a value of `nas.store.views`."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from nas.keys import Scope
from search_spaces.document import Document


class KeyRequest(Document):
    """Whose key, and what it may do."""

    owner: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=3)]
    label: Annotated[str, Field(max_length=200)] = ""


@dataclass(frozen=True, slots=True)
class NewKey:
    """The only time that a token is shown."""

    key_id: str
    token: str
