"""The catalogue of tasks: one line here, one file beside it, one generator in `workers/tasks/`."""

from typing import Annotated

from pydantic import Field

from nas.tasks.bytes_lm import BytesLM
from nas.tasks.image_classification import ImageClassification
from nas.tasks.k_hop import KHop
from nas.tasks.mqar import MQAR
from nas.tasks.needle import Needle
from nas.tasks.state_tracking import StateTracking
from nas.tasks.task import Task, TaskMetric

AnyTask = Annotated[
    MQAR | BytesLM | KHop | StateTracking | Needle | ImageClassification,
    Field(discriminator="name"),
]

CATALOGUE: dict[str, type[Task]] = {
    "mqar": MQAR,
    "bytes_lm": BytesLM,
    "k_hop": KHop,
    "state_tracking": StateTracking,
    "needle": Needle,
    "image_classification": ImageClassification,
}

__all__ = [
    "CATALOGUE",
    "MQAR",
    "AnyTask",
    "BytesLM",
    "ImageClassification",
    "KHop",
    "Needle",
    "StateTracking",
    "Task",
    "TaskMetric",
]
