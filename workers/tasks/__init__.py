"""Data generators, one for each task of `nas.tasks`: a line here and a file beside this one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas import tasks
from nas.tasks import Task
from workers.tasks import plugins
from workers.tasks.bytes_lm import BytesLMGenerator
from workers.tasks.compression import CompressionGenerator
from workers.tasks.continual import ContinualGenerator
from workers.tasks.diffusion import DiffusionGenerator
from workers.tasks.forecasting import ForecastingGenerator
from workers.tasks.fuzzy_recall import FuzzyRecallGenerator
from workers.tasks.generator import Evaluation, Generator
from workers.tasks.image_classification import ImageClassificationGenerator
from workers.tasks.in_context_recall import InContextRecallGenerator
from workers.tasks.k_hop import KHopGenerator
from workers.tasks.memorization import MemorizationGenerator
from workers.tasks.mqar import MQARGenerator
from workers.tasks.needle import NeedleGenerator
from workers.tasks.noisy_recall import NoisyRecallGenerator
from workers.tasks.selective_copying import SelectiveCopyingGenerator
from workers.tasks.series_forecasting import SeriesForecastingGenerator
from workers.tasks.state_tracking import StateTrackingGenerator

_MADE: dict[type[Task], Callable[[Any, int], Generator]] = {
    tasks.InContextRecall: InContextRecallGenerator,
    tasks.FuzzyRecall: FuzzyRecallGenerator,
    tasks.NoisyRecall: NoisyRecallGenerator,
    tasks.SelectiveCopying: SelectiveCopyingGenerator,
    tasks.Memorization: MemorizationGenerator,
    tasks.MQAR: MQARGenerator,
    tasks.Needle: NeedleGenerator,
    tasks.KHop: KHopGenerator,
    tasks.StateTracking: StateTrackingGenerator,
    tasks.ImageClassification: ImageClassificationGenerator,
    tasks.Compression: CompressionGenerator,
    tasks.Continual: ContinualGenerator,
    tasks.Diffusion: DiffusionGenerator,
    tasks.Forecasting: ForecastingGenerator,
}
"""Tasks whose data follow from a seed alone."""

_READ: dict[type[Task], Callable[[Any, int, Path | None, Path | None], Generator]] = {
    tasks.BytesLM: BytesLMGenerator,
    tasks.SeriesForecasting: SeriesForecastingGenerator,
}
"""Tasks that may read users' files."""


def build(task: Task, seed: int, data_root: Path | None, packs: Path | None = None) -> Generator:
    """The generator of a task's data. Raises `nas.errors.Invalid` when the data cannot be had.

    `packs`: the folder that keeps packed corpora for other processes.
    """
    kind = type(task)
    if kind in _MADE:
        return _MADE[kind](task, seed)
    if kind in _READ:
        return _READ[kind](task, seed, data_root, packs)
    return plugins.build(task, seed, data_root)


__all__ = ["Evaluation", "Generator", "build"]
