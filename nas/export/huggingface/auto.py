"""An architecture as what transformers' auto classes load: one of its own classes where one says all of it, else its code."""

from pathlib import Path

from nas.export.form import Form, Refusal, Subject, Written
from nas.export.huggingface import native
from nas.export.huggingface.custom.folder import refusals, write_custom


def write(subject: Subject, folder: Path) -> Written:
    """The native files, or those of a custom model with the reason of every class that there is."""
    found: tuple[Refusal, ...] | native.Native = native.choose(subject.architecture)
    if isinstance(found, native.Native):
        return native.write(subject, folder)
    why = "no class of transformers says all of it, so its own code stands beside its weights"
    return Written(loads_as=write_custom(subject, folder), why=why, refusals=found)


HUGGINGFACE = Form(
    name="huggingface",
    title="A model that transformers' auto classes load: as native where a class says all of it, else with its own code",
    refusals=refusals,
    write=write,
)
