"""From what a user submits to a `StudySpec`: presets replaced by what they stand for, fields validated, files read and pinned.

Submitting, checking and the command line all come through `read_spec`, so they refuse the same things in the same words.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from nas.data.pinning import pinned
from nas.errors import FieldProblem, Invalid
from nas.feasibility import constraint_problems
from nas.members import matched
from nas.pricing import N_SAMPLES, sampled, sampled_costs
from nas.protocol import Protocol
from nas.protocol_presets import PRESETS as PROTOCOLS
from nas.starts import FindStudy, found, no_studies
from nas.study import StudySpec
from nas.tasks.catalogue import AnyTask
from nas.validation import Model, validate
from nas.warm_start import Sources, WarmStart, given
from search_spaces.document import Document
from search_spaces.matching import Unmatched
from search_spaces.presets import PRESETS as SPACES
from search_spaces.space import Space

MATCHED_SAMPLES = 50


def read_spec(
    document: Any,
    data_root: Path | None,
    max_params: int,
    packs: Path | None = None,
    find_study: FindStudy = no_studies,
) -> StudySpec:
    """The study that a decoded JSON document asks for; `space` and `protocol` are documents or `{"preset": NAME}`.

    Raises `Invalid` with a JSON pointer to each wrong field. `data_root`: the folder that users' files must lie in, whose
    digests the study then holds. `max_params`: the largest architecture that the service accepts; a space of larger ones only
    is refused, and so are exact constraints that no member is found to keep. `packs`: the folder that keeps what was made of
    files, so that the next to read them need not make it again. `find_study` reads the study that a warm start takes the best
    trials of.
    """
    sources = _sources(document)
    spec = validate(StudySpec, _without_sources(_with_presets_replaced(document)))
    problems = [*_size_problems(spec, max_params), *_matching_problems(spec)] or [*constraint_problems(spec, max_params)]
    tasks = tuple(_pinned(index, task, data_root, packs, problems) for index, task in enumerate(spec.protocol.tasks))
    if problems:
        raise Invalid(problems[0].reason, tuple(problems))
    read = {"protocol": spec.protocol.model_copy(update={"tasks": tasks}), "warm_start": found(sources, spec, find_study)}
    return spec.model_copy(update=read)


def read_space(document: Mapping[str, Any]) -> Space:
    """The space alone of what `read_spec` reads. Raises `Invalid`."""
    if "space" not in document:
        raise _invalid("/space", "is required")
    return _validated(Space, _with_presets_replaced(document), "space")


def request_digest(document: Any, spec: StudySpec) -> str:
    """By which the same request is known again, although what a warm start finds changes as another study goes on."""
    if not _sources(document).elsewhere:
        return spec.digest
    asked = [spec.model_copy(update={"warm_start": WarmStart()}).digest, document["warm_start"]]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def parse_spec(document: Any) -> StudySpec:
    """As `read_spec`, for a study that nobody will train: its files' digests are what the document says."""
    sources = _sources(document)
    spec = validate(StudySpec, _without_sources(_with_presets_replaced(document)))
    return spec.model_copy(update={"warm_start": found(sources, spec, no_studies)})


def request_schema(ref_template: str) -> dict[str, Any]:
    """The JSON schema of what `read_spec` reads."""
    schema = StudySpec.model_json_schema(ref_template=ref_template)
    for field, presets in _PRESETS.items():
        choice = {
            "type": "object",
            "additionalProperties": False,
            "required": ["preset"],
            "properties": {"preset": {"enum": sorted(presets)}},
        }
        schema["properties"][field] = {"anyOf": [schema["properties"][field], choice]}
    schema["properties"]["warm_start"] = {"$ref": ref_template.format(model="Sources")}
    schema["$defs"]["Sources"] = Sources.model_json_schema(ref_template=ref_template)
    del schema["$defs"]["WarmStart"]
    return schema


_PRESETS: dict[str, Mapping[str, Callable[[], Document]]] = {"space": SPACES, "protocol": PROTOCOLS}
"""The fields of a study that a preset may stand for. `GET /v1/spaces` and `GET /v1/protocols` list them."""


def _with_presets_replaced(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    replaced = document | {field: _replaced(field, document[field]) for field in _PRESETS if field in document}
    if replaced.get("space") is not document.get("space"):
        replaced["space"] = _with_room(replaced["space"], replaced.get("protocol", {}))
    return replaced


def _sources(document: Any) -> Sources:
    """Where a study's warm start is. Raises `Invalid`."""
    if not isinstance(document, dict) or "warm_start" not in document:
        return Sources()
    return _validated(Sources, document, "warm_start")


def _validated(model: type[Model], document: Mapping[str, Any], field: str) -> Model:
    """One field of a study by itself."""
    try:
        return validate(model, document[field])
    except Invalid as error:
        problems = tuple(FieldProblem(f"/{field}{each.pointer}", each.reason) for each in error.problems)
        raise Invalid("; ".join(f"{each.pointer}: {each.reason}" for each in problems), problems) from error


def _without_sources(document: Any) -> Any:
    """The study as it is stored, but for the members that are yet to be found."""
    if not isinstance(document, dict) or "warm_start" not in document:
        return document
    return {**document, "warm_start": given(document["warm_start"])}


def _with_room(space: dict[str, Any], protocol: Any) -> dict[str, Any]:
    """A preset's space with the vocabulary that the tasks need, where its own is too small."""
    try:
        tokens = validate(Protocol, protocol).tokens
    except Invalid:
        # said once, when the whole study is validated
        return space
    known = space["input"].get("vocab_size", tokens)
    return space if known >= tokens else space | {"input": space["input"] | {"vocab_size": tokens}}


def _replaced(field: str, value: Any) -> Any:
    if not isinstance(value, dict) or "preset" not in value:
        return value
    others = sorted(value.keys() - {"preset"})
    if others:
        reason = (
            f"a preset stands alone; leave out {', '.join(others)[:100]}, or write the {field} out (GET /v1/{field}s has it)"
        )
        raise _invalid(f"/{field}", reason)
    name = value["preset"]
    if not isinstance(name, str) or name not in _PRESETS[field]:
        raise _invalid(f"/{field}/preset", f"there is no such preset; there are {', '.join(sorted(_PRESETS[field]))}")
    return _preset(field, name)


@cache
def _preset(field: str, name: str) -> dict[str, Any]:
    """A preset's document. Finding what a space can hold takes a tenth of a second: once is enough."""
    return _PRESETS[field][name]().to_data()


def _invalid(pointer: str, reason: str) -> Invalid:
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
