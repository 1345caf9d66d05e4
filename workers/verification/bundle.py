"""A bundle: the model rebuilt, its logits and its test values reproduced, its provenance against its documents.

A value whose data is not at hand is reported as not checked, never as confirmed.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from nas.errors import Invalid
from nas.run import Measurement, Result, Run, TaskResult
from nas.seeds import derive
from nas.tasks.catalogue import AnyTask
from search_spaces.architecture import Architecture
from workers import inference, machine, measuring, tasks
from workers.model import Model, build
from workers.verification.check import Check, logits_check
from workers.verification.files import SAID, sha256
from workers.verification.provenance import provenance_check

VALUE_TOLERANCE = 1e-4
"""Relative, on the recorded device with the recorded versions; the same processor gives the very number."""

ELSEWHERE_TOLERANCE = 0.5
"""Of the value's standard error, on another device or with other versions: near ties of the logits may fall the other way."""

ARITHMETIC_TOLERANCE = 1e-9
"""Of a recorded mean against what it is the mean of."""


def bundle_checks(bundle: Path, data_root: Path | None) -> Iterator[Check]:
    """The checks of a bundle whose files are as its manifest says. After a document that cannot be read there are no more."""
    try:
        architecture, run, result = _documents(bundle)
    except (OSError, ValueError) as error:
        yield Check("documents", "failed", str(error))
        return
    yield _model_check(architecture, run, result)
    yield provenance_check(bundle, architecture, run, result)
    yield _artifacts_check(bundle, result)
    yield _score_check(run, result)
    for key, task in zip(run.protocol.task_keys(), run.protocol.tasks, strict=True):
        yield from _task_checks(bundle, data_root, run, key, task, result)


def _documents(bundle: Path) -> tuple[Architecture, Run, Result]:
    architecture = Architecture.from_json((bundle / "architecture.json").read_bytes())
    run = Run.from_json((bundle / "run.json").read_bytes())
    return architecture, run, Result.from_json((bundle / "result.json").read_bytes())


def _model_check(architecture: Architecture, run: Run, result: Result) -> Check:
    if run.architecture != architecture:
        return Check("model", "failed", "architecture.json and run.json describe different models")
    with torch.device("meta"):
        n_params = sum(parameter.numel() for parameter in Model(architecture).parameters())
    if n_params != result.measurement.n_params:
        return Check("model", "failed", f"it has {n_params:,} parameters; result.json says {result.measurement.n_params:,}")
    return Check("model", "ok", f"rebuilt from architecture.json with {n_params:,} parameters, as recorded")


def _artifacts_check(bundle: Path, result: Result) -> Check:
    """Weights and parity against the digests that were recorded when they were trained, whatever the manifest says."""
    # a path that leads elsewhere is never opened: only what the manifest has confirmed is
    present = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    changed = [one.path for one in result.artifacts if one.path not in present or sha256(bundle / one.path) != one.sha256]
    if changed:
        return Check("artifacts", "failed", f"not what result.json recorded: {', '.join(sorted(changed)[:SAID])}")
    return Check("artifacts", "ok", f"{len(result.artifacts)} files have the SHA-256 that result.json recorded")


def _score_check(run: Run, result: Result) -> Check:
    """The scores must be the means of the recorded values, which the other checks hold to the model."""
    values = {one.task: one.values for one in result.tasks}
    keyed = zip(run.protocol.task_keys(), run.protocol.tasks, strict=True)
    scores = [fmean(map(task.score, values[key])) for key, task in keyed if values.get(key)]
    score = fmean(scores) if scores else math.nan
    recorded = [one.score for one in result.tasks]
    agrees = len(scores) == len(recorded) and math.dist((*recorded, result.score), (*scores, score)) <= ARITHMETIC_TOLERANCE
    inside = result.score_low <= result.score <= result.score_high
    if not (agrees and inside):
        return Check("score", "failed", f"result.json says {result.score:.6g}; its values say {score:.6g}")
    return Check("score", "ok", f"{result.score:.6g} is the mean of the recorded values")


def _task_checks(bundle: Path, data_root: Path | None, run: Run, key: str, task: AnyTask, result: Result) -> Iterator[Check]:
    recorded = next((one for one in result.tasks if one.task == key), None)
    if recorded is None:
        yield Check(key, "failed", "result.json has no such task, which run.json asks for")
        return
    try:
        model = build(run.architecture).to(machine.device())
        model.load_state_dict(load_file(bundle / "weights" / f"{key}.safetensors"))
        parity = load_file(bundle / "parity" / f"{key}.safetensors")
        yield _logits_check(key, model, parity)
        beside = bundle / "learners" / f"{key}.safetensors"
        own = load_file(beside) if beside.exists() else {}
        yield _value_check(key, model, own, task, run, recorded, result.measurement, data_root)
        yield from _replicas_check(key, recorded)
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        yield Check(key, "failed", f"the weights cannot be used: {error}")


def _logits_check(key: str, model: Model, parity: dict[str, torch.Tensor]) -> Check:
    recorded = parity["logits"]
    reproduced = inference.logits(model, parity["inputs" if "inputs" in parity else "input_ids"])
    if reproduced.shape != recorded.shape:
        return Check(f"{key} logits", "failed", f"shape {tuple(reproduced.shape)}; recorded {tuple(recorded.shape)}")
    difference = ((reproduced - recorded).abs().max() / recorded.abs().max()).item()
    return logits_check(f"{key} logits", difference)


def _value_check(
    key: str,
    model: Model,
    own: dict[str, torch.Tensor],
    task: AnyTask,
    run: Run,
    recorded: TaskResult,
    measured: Measurement,
    data_root: Path | None,
) -> Check:
    """The first replica's test value; its weights are the exported ones."""
    name = f"{key} {recorded.metric}"
    try:
        generator = tasks.build(task, derive(run.data_seed, key), data_root)
    except Invalid as error:
        return Check(name, "not checked", f"corpus missing: {error}")
    if generator.digest != recorded.data_digest:
        return Check(name, "not checked", "the data that can be had here is not the data it was measured on")
    learner = generator.learner(model)
    learner.load_state_dict({**learner.state_dict(), **own})
    evaluation = inference.evaluate(learner.to(machine.device()), generator, generator.test(), run.protocol.recipe.batch_size)
    if evaluation is None:
        return Check(name, "failed", "the model's predictions are not finite")
    value, expected = measuring.value(generator, evaluation), recorded.values[0]
    if value == expected:
        return Check(name, "ok", f"{value:.6g}, exactly as recorded")
    if machine.device_name(machine.device()) == measured.device and machine.versions() == measured.versions:
        most, rule = VALUE_TOLERANCE * abs(expected), f"{VALUE_TOLERANCE:.0e} of it, on the recorded device and versions"
    else:
        most = ELSEWHERE_TOLERANCE * measuring.sample_error(task, generator, evaluation)
        rule = f"{ELSEWHERE_TOLERANCE:g} standard errors of the test sample, as device or versions are not the recorded ones"
    near = abs(value - expected) <= most
    return Check(name, "ok" if near else "failed", f"{value:.8g}; recorded {expected:.8g} (at most {most:.1e} apart: {rule})")


def _replicas_check(key: str, recorded: TaskResult) -> Iterator[Check]:
    """A bundle has the weights of the first replica alone."""
    n_others = len(recorded.values) - 1
    if n_others:
        detail = f"{n_others} more, whose weights no bundle has; `python -m workers.evaluate run.json` trains them again"
        yield Check(f"{key} replicas", "not checked", detail)
