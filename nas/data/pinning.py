"""Files are read when a study is submitted: what cannot be used is refused then, and a digest of the rest goes into the study.

So a file that changes under a running study is noticed by whoever reads it next. Tasks that read files are in `READERS`.
"""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nas.data import corpus, series
from nas.errors import FieldProblem, Invalid
from nas.tasks import BytesLM, SeriesForecasting, Task
from nas.tasks.catalogue import AnyTask


def pinned(task: AnyTask, data_root: Path | None, packs: Path | None) -> AnyTask:
    """The task with the digest of the files it names. Raises `Invalid` whose problem has a pointer within the task."""
    reader = READERS.get(type(task))
    if reader is None:
        return task
    read, names_file, digest = reader
    try:
        return task.model_copy(update={digest: read(task, data_root, packs)})
    except Invalid as error:
        raise Invalid(str(error), (FieldProblem(f"/{names_file}", str(error)),)) from error


def _text(task: BytesLM, data_root: Path | None, packs: Path | None) -> str:
    found = corpus.load(task.corpus, data_root, packs, text_key=task.text_key, digest=task.corpus_digest)
    found.check_windows(task.sequence_length, task.n_validation, task.n_test)
    return found.digest


def _measurements(task: SeriesForecasting, data_root: Path | None, _packs: Path | None) -> str:
    window = task.sequence_length + 1
    found = series.load(task.file, data_root, window=window, columns=task.columns, digest=task.series_digest)
    found.check_windows(window, task.n_validation, task.n_test)
    return found.digest


READERS: MappingProxyType[type[Task], tuple[Callable[[Any, Path | None, Path | None], str], str, str]] = MappingProxyType(
    {
        BytesLM: (_text, "corpus", "corpus_digest"),
        SeriesForecasting: (_measurements, "file", "series_digest"),
    }
)
"""Of each task that reads files: what reads them and gives their digest, the field that names them, the field of the digest."""
