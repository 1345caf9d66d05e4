"""Exit codes, and which error becomes which: one table."""

from nas.cli.typed import typed
from nas.errors import Conflict, Denied, Invalid, NasError, NotFound, StoreUnavailable
from nas.problem import (
    InvalidRequest,
    KeyRefused,
    NothingThere,
    ServerFault,
    StateConflict,
    TooManyRequests,
    Unreachable,
)

OK, FAILED, USAGE, AUTH, MISSING, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EXIT_CODES = {
    OK: "ok",
    FAILED: "the study, a check or a verification failed",
    USAGE: "wrong usage or invalid input",
    AUTH: "the key is missing or refused",
    MISSING: "no such thing",
    UNREACHABLE: "no server answers",
    INTERRUPTED: "Ctrl-C (the study goes on)",
}

_CODES: tuple[tuple[type[NasError], int], ...] = (
    (Invalid, USAGE),
    (InvalidRequest, USAGE),
    (Conflict, USAGE),
    (StateConflict, USAGE),
    (Denied, AUTH),
    (KeyRefused, AUTH),
    (NotFound, MISSING),
    (NothingThere, MISSING),
    (Unreachable, UNREACHABLE),
    (ServerFault, UNREACHABLE),
    (TooManyRequests, UNREACHABLE),
    (StoreUnavailable, UNREACHABLE),
)


class CheckFailed(NasError):
    """The command did its work and the answer is no: a failed study, a bundle that does not verify."""


def cure_of(error: NasError) -> str:
    """What the command line can add to an error that the client does not know: how it was called."""
    return f"; start one with: {typed('up')}" if isinstance(error, Unreachable) else ""


def exit_code_of(error: NasError) -> int:
    """The documented exit code; 1 for anything not in the table."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
