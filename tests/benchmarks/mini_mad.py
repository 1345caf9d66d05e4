"""What the protocol `mad_mini` costs: processor minutes for one architecture, and the share that making data takes."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from nas.protocol_presets import PRESETS
from nas.run import Run
from nas.seeds import derive
from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from tests.benchmarks.figure import Figure, Goal, figure
from workers import tasks
from workers.evaluate import evaluate

_CHANNEL = SwiGLU(d_ff=128)

HYBRID = Architecture(
    d_model=64,
    input=TokenInput(vocab_size=128),
    core=(
        Layer(mixers=(ShortConv(),), channel=_CHANNEL),
        Layer(mixers=(Attention(n_heads=4, n_kv_heads=4, head_dim=16),), channel=_CHANNEL),
    )
    * 2,
)
"""Four layers, convolutions and attention in turn, of 0.13 million parameters."""


def figures() -> Iterator[Figure]:
    """All tasks at all learning rates to the last rung, on one thread; processor time, so that other work does not count."""
    torch.set_num_threads(1)
    protocol = PRESETS["mad_mini"]()
    run = Run(
        study_id="mini", number=0, rung=len(protocol.rungs) - 1, architecture=HYBRID, protocol=protocol, seed=1, data_seed=2
    )
    started = time.process_time()
    with TemporaryDirectory() as folder:
        finished = evaluate(run, Path(folder), None)
    seconds = time.process_time() - started
    assert finished.result is not None, finished.failure
    yield figure("mad_mini_core_minutes", seconds / 60, "min", Goal(of="value", at="most", bound=12), better="lower")
    data = _data_seconds(run)
    yield figure("mad_mini_data_share", 100 * data / seconds, "%", Goal(of="value", at="most", bound=3), better="lower")


def _data_seconds(run: Run) -> float:
    """Processor seconds to make every training batch of the run again."""
    protocol = run.protocol
    started = time.process_time()
    for key, task in zip(protocol.task_keys(), protocol.tasks, strict=True):
        generator = tasks.build(task, derive(run.data_seed, key), None)
        for _ in protocol.learning_rates:
            for step in range(protocol.rungs[-1].steps):
                generator.train_batch(0, step, protocol.recipe.batch_size)
    return time.process_time() - started
