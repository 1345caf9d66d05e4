"""Who may see which study: the one place. A study of somebody else's does not exist."""

from sqlalchemy import ColumnElement, Connection, exists, select, true

from nas.errors import NotFound
from nas.keys import Principal
from nas.store.schema import study


def visible(principal: Principal) -> ColumnElement[bool]:
    """The condition on `nas_study` that every read and every change by a user carries."""
    return true() if principal.allows("admin") else study.c.owner == principal.owner


def is_visible(principal: Principal, study_id: str) -> ColumnElement[bool]:
    """The condition that a query for rows of one study carries."""
    return exists().where(study.c.id == study_id, visible(principal))


def require_study(connection: Connection, principal: Principal, study_id: str) -> None:
    """Raises `NotFound` when there is no such study, or it is not the principal's."""
    if not connection.execute(select(is_visible(principal, study_id))).scalar_one():
        raise no_study(study_id)


def no_study(study_id: str) -> NotFound:
    """The same words for what is not there and what is not yours."""
    return NotFound(f"there is no study {study_id!r}; list your studies to see their ids")
