"""Data generators, one for each task of `nas.tasks`: a line here and a file beside this one."""

from pathlib import Path

from nas.tasks import MQAR, BytesLM, FuzzyRecall, InContextRecall, Memorization, NoisyRecall, SelectiveCopying, Task
from workers.tasks import plugins
from workers.tasks.bytes_lm import BytesLMGenerator
from workers.tasks.fuzzy_recall import FuzzyRecallGenerator
from workers.tasks.generator import Evaluation, Generator
from workers.tasks.in_context_recall import InContextRecallGenerator
from workers.tasks.memorization import MemorizationGenerator
from workers.tasks.mqar import MQARGenerator
from workers.tasks.noisy_recall import NoisyRecallGenerator
from workers.tasks.selective_copying import SelectiveCopyingGenerator


def build(task: Task, seed: int, data_root: Path | None, packs: Path | None = None) -> Generator:
    """The generator of a task's data. Raises `nas.errors.Invalid` when the data cannot be had.

    `packs`: the folder that keeps packed corpora for other processes.
    """
    match task:
        case MQAR():
            return MQARGenerator(task, seed)
        case InContextRecall():
            return InContextRecallGenerator(task, seed)
        case FuzzyRecall():
            return FuzzyRecallGenerator(task, seed)
        case NoisyRecall():
            return NoisyRecallGenerator(task, seed)
        case SelectiveCopying():
            return SelectiveCopyingGenerator(task, seed)
        case Memorization():
            return MemorizationGenerator(task, seed)
        case BytesLM():
            return BytesLMGenerator(task, seed, data_root, packs)
        case _:
            return plugins.build(task, seed, data_root)


__all__ = ["Evaluation", "Generator", "build"]
