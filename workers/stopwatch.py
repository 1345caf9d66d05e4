"""Time that adds up over many stretches."""

import time
from types import TracebackType


class Stopwatch:
    """Runs while it is entered, also when what it times fails."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.seconds += time.monotonic() - self._since
