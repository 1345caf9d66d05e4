"""The tasks that come with the service: one line here, one file beside it, one generator in `workers/tasks/`.

`nas.tasks.catalogue` adds those of installed packages.
"""

from nas.tasks.bytes_lm import BytesLM
from nas.tasks.fuzzy_recall import FuzzyRecall
from nas.tasks.in_context_recall import InContextRecall
from nas.tasks.memorization import Memorization
from nas.tasks.mqar import MQAR
from nas.tasks.noisy_recall import NoisyRecall
from nas.tasks.selective_copying import SelectiveCopying
from nas.tasks.task import Task, TaskMetric

BUILT_IN: dict[str, type[Task]] = {
    "in_context_recall": InContextRecall,
    "fuzzy_recall": FuzzyRecall,
    "noisy_recall": NoisyRecall,
    "selective_copying": SelectiveCopying,
    "memorization": Memorization,
    "mqar": MQAR,
    "bytes_lm": BytesLM,
}

__all__ = [
    "BUILT_IN",
    "MQAR",
    "BytesLM",
    "FuzzyRecall",
    "InContextRecall",
    "Memorization",
    "NoisyRecall",
    "SelectiveCopying",
    "Task",
    "TaskMetric",
]
