"""Data generators, one for each task of `nas.tasks`: a line in `build` and a file beside this one."""

from pathlib import Path

from nas.tasks import MQAR, AnyTask, ImageClassification, KHop, Needle, StateTracking
from workers.tasks.bytes_lm import BytesLMGenerator
from workers.tasks.generator import Evaluation, Generator
from workers.tasks.image_classification import ImageClassificationGenerator
from workers.tasks.k_hop import KHopGenerator
from workers.tasks.mqar import MQARGenerator
from workers.tasks.needle import NeedleGenerator
from workers.tasks.state_tracking import StateTrackingGenerator


def build(task: AnyTask, seed: int, data_root: Path | None, packs: Path | None = None) -> Generator:
    """The generator of a task's data. Raises `nas.errors.Invalid` when the data cannot be had.

    `packs`: the folder that keeps packed corpora for other processes.
    """
    if isinstance(task, MQAR):
        return MQARGenerator(task, seed)
    if isinstance(task, KHop):
        return KHopGenerator(task, seed)
    if isinstance(task, StateTracking):
        return StateTrackingGenerator(task, seed)
    if isinstance(task, Needle):
        return NeedleGenerator(task, seed)
    if isinstance(task, ImageClassification):
        return ImageClassificationGenerator(task, seed)
    return BytesLMGenerator(task, seed, data_root, packs)


__all__ = ["Evaluation", "Generator", "build"]
