"""Bodies that belong to HTTP alone; what a study is submitted as stands in `nas.study`, and answers in `nas.store.views`."""

from typing import Annotated

from pydantic import Field

from nas.keys import Scope
from search_spaces.document import Document


class KeyRequest(Document):
    """Whose key, and what it may do."""

    owner: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=3)]
    label: Annotated[str, Field(max_length=200)] = ""
