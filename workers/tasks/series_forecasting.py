"""Forecasting of measurements from a file; `nas/data/series.py` says how the time is split: no window is in two parts."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from nas.data import series
from nas.seeds import derive
from nas.tasks import SeriesForecasting
from workers.batch import Batch
from workers.tasks.forecast import ForecastGenerator, windows


class SeriesForecastingGenerator(ForecastGenerator):
    """The windows of one `SeriesForecasting` document. Raises `Invalid` when the file cannot be used or has changed."""

    def __init__(self, task: SeriesForecasting, seed: int, data_root: Path | None, packs: Path | None = None) -> None:
        super().__init__(task)
        self._seed = seed
        self._window = task.sequence_length + 1
        self._series = series.load(task.file, data_root, window=self._window, columns=task.columns, digest=task.series_digest)
        self._series.check_windows(self._window, task.n_validation, task.n_test)
        self._n_validation, self._n_test = task.n_validation, task.n_test
        # equal data has one digest, whether it was asked for by its digest or not
        settings = task.model_copy(update={"series_digest": None}).canonical_json()
        self.digest = hashlib.sha256(f"{settings} {seed} {self._series.digest}".encode()).hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Windows at random places of the training part."""
        rng = np.random.default_rng(derive(self._seed, "train", replica, step))
        return self._at(self._series.train, rng.integers(len(self._series.train) - self._window + 1, size=batch_size))

    def validation(self) -> Batch:
        """`n_validation` windows at even distances."""
        return self._spread(self._series.validation, self._n_validation)

    def test(self) -> Batch:
        """`n_test` windows at even distances."""
        return self._spread(self._series.test, self._n_test)

    def _spread(self, values: series.FloatArray, n_windows: int) -> Batch:
        return self._at(values, np.linspace(0, len(values) - self._window, n_windows).round().astype(np.int64))

    def _at(self, values: series.FloatArray, starts: npt.NDArray[np.int64]) -> Batch:
        return windows(torch.from_numpy(values[starts[:, None] + np.arange(self._window)]))
