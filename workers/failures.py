"""What went wrong in a run, as data: from exceptions to kinds, and a hint for each kind. No torch: the driver uses it too."""

import traceback

from nas.errors import Invalid
from nas.run import Failure, FailureKind

MAX_MESSAGE = 4000

HINTS: dict[FailureKind, str] = {
    "oom": "Lower batch_size, sequence_length, d_model or the number of layers, or give workers more memory.",
    "nan": "Add smaller learning rates to the grid, or a longer warm-up.",
    "timeout": "Raise the run's time limit, or lower steps, batch_size or the size of the architecture.",
    "crash": "Run it alone with `python -m workers.evaluate run.json`; a fault of the machine is healed by another attempt.",
    "invalid": "Correct the document or the data it names; another attempt would fail the same way.",
}

OUT_OF_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")


class Diverged(Exception):
    """No learning rate of the grid gave a finite model."""


class DeadlineExceeded(Exception):
    """The run took longer than it may."""


def failure(kind: FailureKind, message: str) -> Failure:
    """A failure with the hint of its kind; a message that is too long keeps its end."""
    return Failure(kind=kind, message=message[-MAX_MESSAGE:], hint=HINTS[kind])


def classify(error: BaseException) -> Failure:
    """The failure that an exception of a run stands for."""
    kind = _kind(error)
    if kind == "crash":
        return failure(kind, "".join(traceback.format_exception(error)))
    return failure(kind, str(error) or type(error).__name__)


def _kind(error: BaseException) -> FailureKind:
    if isinstance(error, Diverged):
        return "nan"
    if isinstance(error, DeadlineExceeded):
        return "timeout"
    if isinstance(error, Invalid):
        return "invalid"
    if isinstance(error, MemoryError) or _speaks_of_memory(error):
        return "oom"
    return "crash"


def _speaks_of_memory(error: BaseException) -> bool:
    """The CPU allocator raises a plain RuntimeError, a GPU's one of its own, and a system call an OSError."""
    return isinstance(error, RuntimeError | OSError) and any(words in str(error).lower() for words in OUT_OF_MEMORY_WORDS)
