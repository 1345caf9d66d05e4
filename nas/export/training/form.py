"""The form `config`: an architecture as the config of every training program whose own model computes the same.

The form is always there, since `architecture.json` beside the configs says everything; a program that cannot say the
architecture is refused by the first field in its way.
"""

from dataclasses import dataclass
from pathlib import Path

from nas.export.form import Form, Refusal, Subject, Written
from nas.export.training.fla import FLA
from nas.export.training.flame import FLAME
from nas.export.training.litgpt import LITGPT
from nas.export.training.target import Files, Refused, Target
from nas.export.training.torchtitan import TORCHTITAN
from search_spaces.architecture import Architecture

TARGETS = (FLA, FLAME, LITGPT, TORCHTITAN)


@dataclass(frozen=True, slots=True)
class TargetAvailability:
    """Whether a training program can say an architecture."""

    target: str
    title: str
    refusal: Refusal | None
    """Why not, where it cannot."""


def targets(architecture: Architecture) -> tuple[TargetAvailability, ...]:
    """Of every training program."""
    found = ((target, _files(target, architecture)) for target in TARGETS)
    return tuple(
        TargetAvailability(target.name, f"{target.version}: {target.what}", files if isinstance(files, Refusal) else None)
        for target, files in found
    )


def write(subject: Subject, folder: Path) -> Written:
    """A folder for each program that can say the architecture; weights are never part of it."""
    refusals: list[Refusal] = []
    written: list[str] = []
    for target in TARGETS:
        files = _files(target, subject.architecture)
        if isinstance(files, Refusal):
            refusals.append(files)
        else:
            _write(files, folder)
            written.append(target.version)
    return Written(loads_as=", ".join(written) or "architecture.json", why=_why(written), refusals=tuple(refusals))


def _files(target: Target, architecture: Architecture) -> Files | Refusal:
    try:
        return target.files(architecture)
    except Refused as refused:
        return Refusal(target.name, refused.field, str(refused))


def _write(files: Files, folder: Path) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _why(written: list[str]) -> str:
    if written:
        return "the models of these programs compute what it does; the comment on top of a file says how to run it"
    return "no training program that is known here can say it; architecture.json says all of it"


CONFIG = Form(
    name="config",
    title="Configs for training at scale: flash-linear-attention with flame, litgpt, torchtitan",
    refusals=lambda _: (),
    write=write,
    has_weights=False,
)
