"""An export: rebuilt from its architecture, compared file by file, and loaded by a stranger.

No code of an export ever runs. What runs is what our generator makes of its `architecture.json`, and only after the export's
own files have been found to be the same, byte for byte.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file

from nas.errors import Invalid
from nas.export.form import Form, Subject, Written, parity_inputs
from nas.export.forms import FORMS
from nas.export.manifest import Drawn, ExportManifest, read_manifest
from nas.export.versions import versions
from search_spaces.architecture import Architecture
from workers import inference
from workers.draw import draw
from workers.model import build
from workers.verification.check import Check, logits_check
from workers.verification.files import bytecode_checks
from workers.verification.strangers import Errand, Strangers
from workers.verification.tensors import read_parity, weights_check

PARITY = "parity.safetensors"
WEIGHTS = ("model.safetensors", "model.onnx", "model.onnx.data")

OWN_WEIGHTS = "model.safetensors"

Work = Callable[[], Iterable[Check]]
"""What is left to do, or to wait for."""


def begin(folder: Path, strangers: Strangers) -> Iterator[Work]:
    """Everything to check in an export whose files are as its manifest says; strangers are under way at once."""
    try:
        manifest = read_manifest(folder)
        architecture = Architecture.from_json((folder / "architecture.json").read_bytes())
    except (Invalid, OSError, ValueError) as error:
        yield _said(Check("architecture", "failed", str(error)))
        return
    digest = _digest_check(manifest, architecture)
    yield _said(*bytecode_checks(folder), digest)
    if digest.status == "ok":
        yield from _of_form(folder, manifest, architecture, strangers)


def _of_form(folder: Path, manifest: ExportManifest, architecture: Architecture, strangers: Strangers) -> Iterator[Work]:
    """What is written is compared first: strangers load nothing else."""
    form, stage = FORMS[manifest.form], strangers.scratch / f"{manifest.form}"
    stage.mkdir()
    found = [weights_check(folder / name) for name in WEIGHTS if name.endswith(".safetensors") and (folder / name).exists()]
    if any(one.status == "failed" for one in found):
        yield _said(*found)
        return
    written, check = _written_again(folder, stage, form, manifest, architecture)
    yield _said(check, *found)
    if manifest.origin is None and form.has_weights:
        yield _said(Check("weights", "not checked", "there are none in it, so there are no logits to compare"))
    if manifest.origin is not None and check.status != "failed":
        yield from _of_weights(folder, stage, manifest, architecture, written, strangers)


def _of_weights(
    folder: Path,
    stage: Path,
    manifest: ExportManifest,
    architecture: Architecture,
    written: Written | None,
    strangers: Strangers,
) -> Iterator[Work]:
    """The recorded logits, by a stranger and by our own model. The stranger gets what was written again, and the weights."""
    try:
        parity = read_parity(folder / PARITY, architecture)
    except Invalid as error:
        yield _said(Check("parity", "failed", str(error)))
        return
    if written is not None:
        for name in (*WEIGHTS, PARITY):
            if (folder / name).exists() and not (stage / name).exists():
                (stage / name).symlink_to((folder / name).resolve())
        errand = _errand(stage, FORMS[manifest.form], written, tuple(parity["logits"].shape), architecture.causal)
        yield partial(_waited, strangers.send(errand))
    own = folder / OWN_WEIGHTS if manifest.form == "torch" else None
    yield partial(_model_checks, manifest, architecture, parity, own)


def _said(*checks: Check) -> Work:
    return lambda: checks


def _waited(answer: Future[Check]) -> Iterable[Check]:
    return (answer.result(),)


def _digest_check(manifest: ExportManifest, architecture: Architecture) -> Check:
    if architecture.digest != manifest.architecture_digest:
        detail = (
            f"architecture.json has the digest {architecture.digest[:12]}; export.json says {manifest.architecture_digest[:12]}"
        )
        return Check("architecture", "failed", detail)
    return Check("architecture", "ok", f"architecture.json has the digest {architecture.digest[:12]} of export.json")


def _written_again(
    folder: Path, stage: Path, form: Form, manifest: ExportManifest, architecture: Architecture
) -> tuple[Written | None, Check]:
    """Write the form anew; the export's files must be the same, and no other file may be code.

    Only the form `torch` has weights under our names, and says in its code whether it has any.
    """
    name = "content"
    if form.needs_weights:
        # a graph is data: it is run, and compared by what it computes
        return Written(loads_as=manifest.loads_as, why=manifest.why), Check(name, "ok", "nothing in it is code")
    reasons = form.refusals(architecture)
    if reasons:
        return None, Check(name, "failed", f"this architecture cannot be {form.name}: {reasons[0].reason}")
    own = folder / OWN_WEIGHTS if form.name == "torch" and manifest.origin is not None else None
    try:
        written = form.write(Subject(architecture=architecture, title=manifest.title, weights=own), stage)
    except (Invalid, OSError) as error:
        return None, Check(name, "failed", str(error))
    made = sorted(path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file())
    other = [
        path for path in made if not (folder / path).is_file() or (folder / path).read_bytes() != (stage / path).read_bytes()
    ]
    other += [path for path in manifest.files if path.endswith(".py") and path not in made]
    if not other:
        what = ", ".join(made) or "nothing more"
        return written, Check(name, "ok", f"{what}: what this architecture is written as, byte for byte")
    return None, _other_check(name, other[0], manifest)


def _other_check(name: str, path: str, manifest: ExportManifest) -> Check:
    """Another version may write it otherwise."""
    theirs, ours = manifest.versions.get("nas"), versions()["nas"]
    if theirs != ours:
        detail = f"{path} is as nas {theirs!s:.40} wrote it, and this is {ours}: verify it with that version"
        return Check(name, "not checked", detail)
    kind = "code" if path.endswith(".py") else "file"
    return Check(name, "failed", f"{path} is not the {kind} of this architecture; nothing in it was run")


def _errand(stage: Path, form: Form, written: Written, shape: tuple[int, ...], causal: bool) -> Errand:
    """Which program loads it."""
    loads = written.loads_as.rpartition(".")[2]
    if form.name == "torch":
        return Errand(name="logits", program="torch_model.py", arguments=(str(stage),), needs=("torch",), shape=shape)
    if form.name == "onnx":
        arguments = (str(stage), "causal" if causal else "whole")
        return Errand(name="logits", program="onnx_graph.py", arguments=arguments, needs=("onnxruntime",), shape=shape)
    auto = "AutoModelForMaskedLM" if "MaskedLM" in loads else "AutoModelForCausalLM"
    code = "custom" if any(stage.glob("*.py")) else "own"
    return Errand(
        name="logits",
        program="transformers_model.py",
        arguments=(str(stage), auto, code),
        needs=("torch", "transformers"),
        shape=shape,
        loads=loads if code == "own" else None,
    )


def _model_checks(
    manifest: ExportManifest, architecture: Architecture, parity: dict[str, torch.Tensor], own: Path | None
) -> Iterator[Check]:
    """Our own model gives the recorded logits."""
    name = parity_inputs(architecture)
    if isinstance(manifest.origin, Drawn):
        ours, how = _drawn(architecture.to_json(), manifest.origin.seed), f"weights drawn from seed {manifest.origin.seed}"
    elif own is not None:
        ours, how = _with_weights(architecture, own, parity[name]), "with its own weights"
    else:
        yield Check(
            "model", "not checked", "a study trained these weights; the forms torch and bundle have them under our names"
        )
        return
    if not torch.equal(ours[name], parity[name]):
        yield Check("model", "failed", f"{how}, it is compared on other {name} than parity.safetensors has")
        return
    difference = ((ours["logits"] - parity["logits"]).abs().max() / ours["logits"].abs().max()).item()
    yield logits_check("model", difference, f"rebuilt from architecture.json, {how}: ")


def _with_weights(architecture: Architecture, weights: Path, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    model = build(architecture)
    model.load_state_dict(load_file(weights))
    return {parity_inputs(architecture): inputs, "logits": inference.logits(model, inputs)}


@lru_cache(maxsize=1)
def _drawn(document: str, seed: int) -> dict[str, torch.Tensor]:
    """What our own model gives; once for all forms of a folder."""
    with TemporaryDirectory() as scratch:
        draw(Architecture.from_json(document), seed, Path(scratch))
        return load_file(Path(scratch) / PARITY)
