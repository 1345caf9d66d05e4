"""Parameters that several operations share, spelled once."""

from typing import Annotated

from fastapi import Path, Query

from nas.store.reads import MAX_PAGE

StudyId = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9_-]+$", description="The study's id")]
TrialNumber = Annotated[int, Path(ge=0, lt=2**31, description="The trial's number within its study")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows per page")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")]
