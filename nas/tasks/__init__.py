"""The tasks that come with the service: one line here, one file beside it, one generator in `workers/tasks/`.

`nas.tasks.catalogue` adds those of installed packages.
"""

from nas.tasks.bytes_lm import BytesLM
from nas.tasks.compression import Compression
from nas.tasks.continual import Continual
from nas.tasks.diffusion import Diffusion
from nas.tasks.forecasting import Forecasting
from nas.tasks.fuzzy_recall import FuzzyRecall
from nas.tasks.image_classification import ImageClassification
from nas.tasks.in_context_recall import InContextRecall
from nas.tasks.k_hop import KHop
from nas.tasks.memorization import Memorization
from nas.tasks.mqar import MQAR
from nas.tasks.needle import Needle
from nas.tasks.noisy_recall import NoisyRecall
from nas.tasks.selective_copying import SelectiveCopying
from nas.tasks.series_forecasting import SeriesForecasting
from nas.tasks.state_tracking import StateTracking
from nas.tasks.task import Task, TaskMetric

BUILT_IN: dict[str, type[Task]] = {
    "in_context_recall": InContextRecall,
    "fuzzy_recall": FuzzyRecall,
    "noisy_recall": NoisyRecall,
    "selective_copying": SelectiveCopying,
    "memorization": Memorization,
    "mqar": MQAR,
    "needle": Needle,
    "k_hop": KHop,
    "state_tracking": StateTracking,
    "image_classification": ImageClassification,
    "bytes_lm": BytesLM,
    "compression": Compression,
    "continual": Continual,
    "diffusion": Diffusion,
    "forecasting": Forecasting,
    "series_forecasting": SeriesForecasting,
}

__all__ = [
    "BUILT_IN",
    "MQAR",
    "BytesLM",
    "Compression",
    "Continual",
    "Diffusion",
    "Forecasting",
    "FuzzyRecall",
    "ImageClassification",
    "InContextRecall",
    "KHop",
    "Memorization",
    "Needle",
    "NoisyRecall",
    "SelectiveCopying",
    "SeriesForecasting",
    "StateTracking",
    "Task",
    "TaskMetric",
]
