"""From what a user submits to a `StudySpec`: presets are replaced by their spaces, fields validated, files read and pinned.

Submitting, checking and the command line all come through `read_spec`, so they refuse the same things in the same words.
"""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from nas.data.pinning import pinned
from nas.errors import FieldProblem, Invalid
from nas.members import matched
from nas.pricing import N_SAMPLES, sampled, sampled_costs
from nas.study import StudySpec
from nas.tasks import AnyTask
from nas.validation import validate
from search_spaces.matching import Unmatched
from search_spaces.presets import PRESETS

MATCHED_SAMPLES = 50


def read_spec(document: Any, data_root: Path | None, max_params: int, packs: Path | None = None) -> StudySpec:
    """The study that a decoded JSON document asks for; its `space` is a space document or `{"preset": NAME}`.

    Raises `Invalid` with a JSON pointer to each wrong field. `data_root`: the folder that users' files must lie in, whose
    digests the study then holds. `max_params`: the largest architecture that the service accepts; a space of larger ones only
    is refused. `packs`: the folder that keeps what was made of files, so that the next to read them need not make it again.
    """
    spec = validate(StudySpec, _with_preset_replaced(document))
    problems = [*_size_problems(spec, max_params), *_matching_problems(spec)]
    tasks = tuple(_pinned(index, task, data_root, packs, problems) for index, task in enumerate(spec.protocol.tasks))
    if problems:
        raise Invalid(problems[0].reason, tuple(problems))
    return spec.model_copy(update={"protocol": spec.protocol.model_copy(update={"tasks": tasks})})


def request_schema(ref_template: str) -> dict[str, Any]:
    """The JSON schema of what `read_spec` reads."""
    schema = StudySpec.model_json_schema(ref_template=ref_template)
    choice = {
        "type": "object",
        "additionalProperties": False,
        "required": ["preset"],
        "properties": {"preset": {"enum": sorted(PRESETS)}},
    }
    schema["properties"]["space"] = {"anyOf": [schema["properties"]["space"], choice]}
    return schema


def _with_preset_replaced(document: Any) -> Any:
    space = document.get("space") if isinstance(document, dict) else None
    if not isinstance(space, dict) or "preset" not in space:
        return document
    others = sorted(space.keys() - {"preset"})
    if others:
        reason = f"a preset stands alone; leave out {', '.join(others)[:100]}, or write the space out (GET /v1/spaces has it)"
        raise _invalid_space("/space", reason)
    name = space["preset"]
    if not isinstance(name, str) or name not in PRESETS:
        raise _invalid_space("/space/preset", f"there is no such preset; there are {', '.join(sorted(PRESETS))}")
    return {**document, "space": _preset(name)}


@cache
def _preset(name: str) -> dict[str, Any]:
    """A preset's document. Finding what a space can hold takes a tenth of a second: once is enough."""
    return PRESETS[name]().to_data()


def _invalid_space(pointer: str, reason: str) -> Invalid:
    return Invalid(f"{pointer}: {reason}", (FieldProblem(pointer, reason),))


def _size_problems(spec: StudySpec, max_params: int) -> Iterator[FieldProblem]:
    if spec.space.params_bound() <= max_params:
        return
    smallest = min(cost.params for cost in sampled_costs(spec.space, spec.cost_at.context))
    if smallest > max_params:
        yield FieldProblem(
            "/space/genes",
            f"this service accepts {max_params:,} parameters, and the smallest of {N_SAMPLES} architectures of the space has"
            f" {smallest:,}; allow smaller values",
        )


def _matching_problems(spec: StudySpec) -> Iterator[FieldProblem]:
    """A matched study needs members that can be brought to its target."""
    reason = None
    for architecture in islice(sampled(spec.space), MATCHED_SAMPLES if spec.matched else 0):
        try:
            matched(spec, architecture)
        except Unmatched as problem:
            reason = reason or str(problem)
        else:
            return
    if reason is not None:
        told = f"of {MATCHED_SAMPLES} architectures of the space none can be brought to it, the first because {reason}"
        yield FieldProblem("/matched/target", f"{told}; choose another target or metric, or allow other sizes")


def _pinned(index: int, task: AnyTask, data_root: Path | None, packs: Path | None, problems: list[FieldProblem]) -> AnyTask:
    """The task with the digests of its files; why they cannot be used is added to the problems."""
    try:
        return pinned(task, data_root, packs)
    except Invalid as error:
        problems += [FieldProblem(f"/protocol/tasks/{index}{it.pointer}", it.reason) for it in error.problems]
        return task
