"""What took long to find out, kept until what it is about has changed."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

Known = TypeVar("Known")

Moment = tuple[int, ...]
"""The numbers of the newest events that an answer knows of; they only rise."""


@dataclass(slots=True)
class _Answer(Generic[Known]):
    """What was known at a moment, and when it was found out. Whoever asks meanwhile waits for the lock."""

    lock: Lock = field(default_factory=Lock)
    moment: Moment | None = None
    known: Known | None = None
    found: float = 0.0


class Kept(Generic[Known]):
    """The newest answer about each of the last few studies; one thread finds it out, others who ask about that study wait.

    It is given again until something happens in the study, and for `seconds` after it was found whatever happens.
    """

    def __init__(self, most: int, seconds: float = 0.0) -> None:
        self._most, self._seconds = most, seconds
        self._lock = Lock()
        self._answers: OrderedDict[str, _Answer[Known]] = OrderedDict()

    def get(self, study_id: str, moment: Moment, find: Callable[[], Known]) -> Known:
        """What is known at a moment of the study. What `find` raises is raised, and nothing kept."""
        answer = self._answer(study_id)
        with answer.lock:
            fresh = answer.moment is not None and (answer.moment >= moment or time.monotonic() - answer.found < self._seconds)
            if not fresh or answer.known is None:
                answer.known = find()
                answer.moment, answer.found = moment, time.monotonic()
            return answer.known

    def _answer(self, study_id: str) -> _Answer[Known]:
        with self._lock:
            answer = self._answers.setdefault(study_id, _Answer())
            self._answers.move_to_end(study_id)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
            return answer
