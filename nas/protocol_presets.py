"""Named protocols: published benchmarks as published where a protocol can say it, and small ones for a laptop.

What a protocol cannot say: a grid of weight decays (here one, 0.1), training that stops at an accuracy, and other steps or
batches for one task than for another.
"""

from collections.abc import Callable, Sequence
from typing import Any

from nas.protocol import Explosion, Protocol, Recipe, Rung
from nas.tasks import (
    MQAR,
    Compression,
    FuzzyRecall,
    InContextRecall,
    Memorization,
    NoisyRecall,
    SelectiveCopying,
)
from nas.tasks.mqar import MQARSize
from nas.tasks.task import SampledRecall

PUBLISHED_N_TRAIN = 12_800


def mad() -> Protocol:
    """All of MAD (arXiv 2403.17844): each task's baseline, and its settings changed one at a time."""
    return _mad([task for sweep in SWEEPS.values() for task in sweep()])


def mad_in_context_recall() -> Protocol:
    """The part of MAD that is in-context recall."""
    return _mad(_in_context_recall())


def mad_fuzzy_recall() -> Protocol:
    """The part of MAD that is fuzzy in-context recall."""
    return _mad(_fuzzy_recall())


def mad_noisy_recall() -> Protocol:
    """The part of MAD that is noisy in-context recall."""
    return _mad(_noisy_recall())


def mad_selective_copying() -> Protocol:
    """The part of MAD that is selective copying."""
    return _mad(_selective_copying())


def mad_compression() -> Protocol:
    """The part of MAD that is compression."""
    return _mad(_compression())


def mad_memorization() -> Protocol:
    """The part of MAD that is memorization."""
    return _mad(_memorization())


def mad_mini() -> Protocol:
    """MAD's tasks at one setting each, small enough for one processor core, with fresh sequences for every step."""
    return Protocol(
        tasks=(
            InContextRecall(sequence_length=32),
            FuzzyRecall(sequence_length=48, key_length=2, value_length=2),
            NoisyRecall(vocab_size=24, noise_vocab_size=8, sequence_length=32),
            SelectiveCopying(sequence_length=32, n_copied=8),
            Compression(),
            Memorization(vocab_size=128),
        ),
        rungs=(Rung(steps=200), Rung(steps=600)),
        learning_rates=(1e-3, 3e-3, 1e-2),
        recipe=Recipe(batch_size=32, explosion=Explosion()),
    )


def recall_mini() -> Protocol:
    """Recall alone, small enough for one processor core: multi-query, longer than trained, and with noise."""
    return Protocol(
        tasks=(
            MQAR(vocab_size=64, sequence_length=32, n_pairs=4, further=(_size(64, 8), _size(128, 16))),
            InContextRecall(sequence_length=32),
            NoisyRecall(vocab_size=24, noise_vocab_size=8, sequence_length=32),
        ),
        rungs=(Rung(steps=300), Rung(steps=900)),
        learning_rates=(1e-3, 3e-3, 1e-2),
        recipe=Recipe(batch_size=64, explosion=Explosion()),
    )


def mqar_zoology() -> Protocol:
    """Figure 2 of Zoology (arXiv 2312.04927): four lengths and loads, 64 epochs of 100,000 sequences at a batch size of 256."""
    sizes = ((64, 4), (128, 8), (256, 16), (512, 64))
    return Protocol(
        tasks=tuple(
            MQAR(
                vocab_size=8192,
                sequence_length=length,
                n_pairs=n_pairs,
                random_non_queries=False,
                n_train=100_000,
                n_test=3000,
            )
            for length, n_pairs in sizes
        ),
        rungs=(Rung(steps=6250), Rung(steps=25_000)),
        learning_rates=(1e-4, 4.6e-4, 2.2e-3, 1e-2),
        recipe=Recipe(batch_size=256),
    )


def mqar_based() -> Protocol:
    """The recall-memory trade-off of Based (arXiv 2402.18668): a mixture to train on, up to 256 pairs in 1,024 tokens to test.

    The published training set is fixed (100,000 sequences of the first size, 20,000 of each other, 32 epochs); here every step
    has fresh ones in the same shares.
    """
    return Protocol(
        tasks=(
            MQAR(
                vocab_size=8192,
                n_pairs=4,
                mixture=(_size(128, 8), _size(256, 16), _size(256, 32), _size(256, 64)),
                mixture_share=0.2,
                further=(_size(64, 8), _size(64, 16), _size(128, 32), _size(256, 64), _size(512, 128), _size(1024, 256)),
                n_test=1000,
            ),
        ),
        rungs=(Rung(steps=5625), Rung(steps=22_500)),
        learning_rates=(1e-3, 3.2e-3, 1e-2, 3.2e-2),
        recipe=Recipe(batch_size=256),
    )


def _mad(tasks: Sequence[SampledRecall]) -> Protocol:
    """200 epochs of 12,800 sequences at a batch size of 128, as published; smaller training sets come more often."""
    return Protocol(
        tasks=tuple(tasks),
        rungs=(Rung(steps=5000), Rung(steps=20_000)),
        learning_rates=(1e-4, 5e-4, 1e-3),
        recipe=Recipe(batch_size=128, beta2=0.999, warmup_fraction=0.0, final_fraction=0.001),
    )


def _in_context_recall() -> list[SampledRecall]:
    return _sweep(InContextRecall(n_train=PUBLISHED_N_TRAIN), **_LENGTHS, vocab_size=(32, 64, 128), n_train=_FEWER)


def _fuzzy_recall() -> list[SampledRecall]:
    return _sweep(FuzzyRecall(n_train=PUBLISHED_N_TRAIN), **_LENGTHS, vocab_size=(32, 64, 128), n_train=_FEWER)


def _noisy_recall() -> list[SampledRecall]:
    baseline = NoisyRecall(n_train=PUBLISHED_N_TRAIN)
    # of each vocabulary 16 tokens are noise
    return _sweep(baseline, **_LENGTHS, vocab_size=(48, 80, 144), n_train=_FEWER, noise_share=(0.4, 0.6, 0.8))


def _selective_copying() -> list[SampledRecall]:
    baseline = SelectiveCopying(n_train=PUBLISHED_N_TRAIN)
    return _sweep(baseline, vocab_size=(32, 64, 128), sequence_length=(512, 1024), n_train=_FEWER, n_copied=(32, 64, 96))


def _compression() -> list[SampledRecall]:
    baseline = Compression(n_train=PUBLISHED_N_TRAIN)
    return _sweep(baseline, vocab_size=(32, 64, 128), sequence_length=(64, 128, 256), n_train=_FEWER)


def _memorization() -> list[SampledRecall]:
    return _sweep(Memorization(n_train=256), vocab_size=(512, 1024, 2048, 4096, 8192))


def _sweep(baseline: SampledRecall, **changes: tuple[Any, ...]) -> list[SampledRecall]:
    """The baseline, and one setting after another at each of its other values."""
    changed = [{name: value} for name, values in changes.items() for value in values]
    return [baseline, *(type(baseline).from_data(baseline.to_data() | change) for change in changed)]


def _size(sequence_length: int, n_pairs: int) -> MQARSize:
    return MQARSize(sequence_length=sequence_length, n_pairs=n_pairs)


_FEWER = (6400, 3200, 1600, 800)
_LENGTHS = {"sequence_length": (256, 512, 1024)}

SWEEPS: dict[str, Callable[[], list[SampledRecall]]] = {
    "in_context_recall": _in_context_recall,
    "fuzzy_recall": _fuzzy_recall,
    "noisy_recall": _noisy_recall,
    "selective_copying": _selective_copying,
    "compression": _compression,
    "memorization": _memorization,
}

PRESETS: dict[str, Callable[[], Protocol]] = {
    "mad": mad,
    "mad_in_context_recall": mad_in_context_recall,
    "mad_fuzzy_recall": mad_fuzzy_recall,
    "mad_noisy_recall": mad_noisy_recall,
    "mad_selective_copying": mad_selective_copying,
    "mad_compression": mad_compression,
    "mad_memorization": mad_memorization,
    "mad_mini": mad_mini,
    "recall_mini": recall_mini,
    "mqar_zoology": mqar_zoology,
    "mqar_based": mqar_based,
}
