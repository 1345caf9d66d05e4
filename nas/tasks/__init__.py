"""The tasks that come with the service: one line here, one file beside it, one generator in `workers/tasks/`."""

from typing import Annotated

from pydantic import Field

from nas.tasks.bytes_lm import BytesLM
from nas.tasks.fuzzy_recall import FuzzyRecall
from nas.tasks.in_context_recall import InContextRecall
from nas.tasks.memorization import Memorization
from nas.tasks.mqar import MQAR
from nas.tasks.noisy_recall import NoisyRecall
from nas.tasks.selective_copying import SelectiveCopying
from nas.tasks.task import Task, TaskMetric

AnyTask = Annotated[
    MQAR | BytesLM | InContextRecall | FuzzyRecall | NoisyRecall | SelectiveCopying | Memorization, Field(discriminator="name")
]

CATALOGUE: dict[str, type[Task]] = {
    "mqar": MQAR,
    "bytes_lm": BytesLM,
    "in_context_recall": InContextRecall,
    "fuzzy_recall": FuzzyRecall,
    "noisy_recall": NoisyRecall,
    "selective_copying": SelectiveCopying,
    "memorization": Memorization,
}

__all__ = [
    "CATALOGUE",
    "MQAR",
    "AnyTask",
    "BytesLM",
    "FuzzyRecall",
    "InContextRecall",
    "Memorization",
    "NoisyRecall",
    "SelectiveCopying",
    "Task",
    "TaskMetric",
]
