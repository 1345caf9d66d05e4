"""A run's folder on disk: written aside, hashed, renamed into place; what is read back is what was written, or nothing.

trainings/<task>/<learning rate>-<replica>.{weights,optimiser}.safetensors    to go on from at the next rung
weights/<task>.safetensors, parity/<task>.safetensors                         the chosen model of each task
trainings.json, manifest.json                                                 progress; SHA-256 of every other file
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load, save

from nas.run import Artifact, CurvePoint
from search_spaces.document import Document
from workers.retention import TRAININGS_FOLDER

MANIFEST = "manifest.json"
TRAININGS = "trainings.json"

Tensors = Mapping[str, torch.Tensor]


class Damaged(Exception):
    """A file is missing or not what its manifest says; the message names it."""


class SavedTraining(Document):
    """How far a training was when it was saved. A diverged one has no tensors."""

    task: str
    learning_rate: float
    replica: int
    step: int
    diverged: bool = False
    curve: tuple[CurvePoint, ...] = ()

    @property
    def key(self) -> tuple[str, float, int]:
        """The training's name within its run."""
        return (self.task, self.learning_rate, self.replica)

    @property
    def weights_path(self) -> str:
        """Where the model's tensors are, in the run's folder."""
        return f"{TRAININGS_FOLDER}/{self.task}/{self.learning_rate}-{self.replica}.weights.safetensors"

    @property
    def optimiser_path(self) -> str:
        """Where the optimiser's tensors are, in the run's folder."""
        return f"{TRAININGS_FOLDER}/{self.task}/{self.learning_rate}-{self.replica}.optimiser.safetensors"


_MANIFEST = TypeAdapter(tuple[Artifact, ...])
_TRAININGS = TypeAdapter(tuple[SavedTraining, ...])


class Writer:
    """A run's folder while it is being made, aside from its final place. Nothing is visible before `publish`.

    What killed attempts of the same rung left unfinished is removed.
    """

    def __init__(self, final: Path) -> None:
        self._final = final
        self._folder = final.with_name(f".{final.name}.unfinished")
        self._files: list[Artifact] = []
        for leftover in final.parent.glob(".*.unfinished"):
            shutil.rmtree(leftover, ignore_errors=True)
        self._folder.mkdir(parents=True)

    def tensors(self, path: str, tensors: Tensors) -> Artifact:
        """Write tensors as safetensors at a path relative to the folder."""
        return self._bytes(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))

    def trainings(self, saved: list[SavedTraining]) -> None:
        """Write what can be gone on from."""
        self._bytes(TRAININGS, _TRAININGS.dump_json(tuple(saved)))

    def publish(self) -> None:
        """Write the manifest and move the folder to its final place, durably; an earlier one of that name is replaced."""
        self._bytes(MANIFEST, _MANIFEST.dump_json(tuple(self._files)))
        for folder in sorted({path.parent for path in self._folder.rglob("*")}):
            _sync(folder)
        shutil.rmtree(self._final, ignore_errors=True)
        self._folder.rename(self._final)
        _sync(self._final.parent)

    def discard(self) -> None:
        """Remove what was written and not published."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _bytes(self, path: str, content: bytes) -> Artifact:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        artifact = Artifact(path=path, sha256=hashlib.sha256(content).hexdigest(), n_bytes=len(content))
        self._files.append(artifact)
        return artifact


class Reader:
    """A published folder. Every read is checked against the manifest. Raises `Damaged` when there is none to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._files = {file.path: file for file in _MANIFEST.validate_json(self._read(MANIFEST))}
            self.trainings = {saved.key: saved for saved in _TRAININGS.validate_json(self._checked(TRAININGS))}
        except ValidationError as error:
            raise Damaged(f"{folder.name}: {error.title} cannot be read") from error

    def tensors(self, path: str) -> dict[str, torch.Tensor]:
        """The tensors of a file. Raises `Damaged`."""
        return load(self._checked(path))

    def _checked(self, path: str) -> bytes:
        content = self._read(path)
        expected = self._files.get(path)
        if expected is None or hashlib.sha256(content).hexdigest() != expected.sha256:
            raise Damaged(f"{path} is not the file that was written")
        return content

    def _read(self, path: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except OSError as error:
            raise Damaged(f"{path} cannot be read: {error.strerror}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
