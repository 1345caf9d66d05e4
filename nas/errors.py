"""The domain errors. The API maps each to one HTTP status in one table; the CLI to one exit code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field: a JSON pointer to it (RFC 6901) and what would be allowed."""

    pointer: str
    reason: str


def json_pointer(*steps: str | int) -> str:
    """A JSON pointer (RFC 6901); the whole document is the empty one."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


class NasError(Exception):
    """Base of all domain errors. The message says what to do next."""


class Invalid(NasError):
    """The request can never work as it stands; `problems` name the fields."""

    def __init__(self, message: str, problems: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class NotFound(NasError):
    """There is no such thing, or it belongs to someone else."""


class Conflict(NasError):
    """The thing is in a state that does not allow this, or the name is taken."""


class Denied(NasError):
    """The key is missing, unknown, revoked, or lacks the scope."""


class StaleFence(NasError):
    """Another driver owns the study now: drop everything about it and claim again."""


class StoreUnavailable(NasError):
    """The database cannot be reached right now; the same call may succeed later."""
