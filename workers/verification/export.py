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
from nas.export.form import Form, Subject, Written
from nas.export.forms import FORMS
from nas.export.manifest import Drawn, ExportManifest, read_manifest, versions
from search_spaces.architecture import Architecture
from workers.draw import draw
from workers.verification.check import Check, logits_check
from workers.verification.strangers import Errand, Strangers
from workers.verification.tensors import read_parity, weights_check

PARITY = "parity.safetensors"
WEIGHTS = ("model.safetensors", "model.onnx", "model.onnx.data")

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
    yield _said(digest)
    if digest.status == "ok":
        yield from _of_form(folder, manifest, architecture, strangers)


def _of_form(folder: Path, manifest: ExportManifest, architecture: Architecture, strangers: Strangers) -> Iterator[Work]:
    """What is written is compared first: strangers load nothing else."""
    form, stage = FORMS[manifest.form], strangers.scratch / f"{manifest.form}"
    stage.mkdir()
    written, check = _written_again(folder, stage, form, manifest, architecture)
    yield _said(check)
    if manifest.origin is None:
        if form.has_weights:
            yield _said(Check("weights", "not checked", "there are none in it, so there are no logits to compare"))
        return
    found = [weights_check(folder / name) for name in WEIGHTS if name.endswith(".safetensors") and (folder / name).exists()]
    yield _said(*found)
    try:
        parity = read_parity(folder / PARITY, architecture)
    except Invalid as error:
        yield _said(Check("parity", "failed", str(error)))
        return
    if any(one.status == "failed" for one in (check, *found)):
        return
    shape = tuple(parity["logits"].shape)
    if written is not None:
        for name in (*WEIGHTS, PARITY):
            if (folder / name).exists():
                (stage / name).symlink_to((folder / name).resolve())
        yield partial(_waited, strangers.send(_errand(stage, form, written, shape, architecture.causal)))
    yield partial(_model_checks, manifest, architecture, parity)


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
    """Write the form anew without weights; the export's files must be the same, and no other file may be code."""
    name = "content"
    if form.needs_weights:
        # a graph is data: it is run, and compared by what it computes
        return Written(loads_as=manifest.loads_as, why=manifest.why), Check(name, "ok", "nothing in it is code")
    reasons = form.refusals(architecture)
    if reasons:
        return None, Check(name, "failed", f"this architecture cannot be {form.name}: {reasons[0].reason}")
    written = form.write(Subject(architecture=architecture, title=manifest.title), stage)
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
    theirs, ours = ({package: found.get(package) for package in ("nas",)} for found in (manifest.versions, versions()))
    if theirs != ours:
        detail = (
            f"written by nas {theirs['nas']}, and this is {ours['nas']}: pip install nas=={theirs['nas']}, then verify again"
        )
        return Check(name, "not checked", f"{path} is {detail}")
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


def _model_checks(manifest: ExportManifest, architecture: Architecture, parity: dict[str, torch.Tensor]) -> Iterator[Check]:
    """Our own model gives the recorded logits."""
    name = "model"
    if not isinstance(manifest.origin, Drawn):
        yield Check(name, "not checked", "a study trained these weights; its bundle has them as our own model reads them")
        return
    ours = _drawn(architecture.to_json(), manifest.origin.seed)
    if not torch.equal(ours["input_ids"], parity["input_ids"]):
        yield Check(name, "failed", f"seed {manifest.origin.seed} gives other tokens than parity.safetensors has")
        return
    difference = ((ours["logits"] - parity["logits"]).abs().max() / ours["logits"].abs().max()).item()
    yield logits_check(name, difference, f"rebuilt from architecture.json, weights drawn from seed {manifest.origin.seed}: ")


@lru_cache(maxsize=1)
def _drawn(document: str, seed: int) -> dict[str, torch.Tensor]:
    """What our own model gives; once for all forms of a folder."""
    with TemporaryDirectory() as scratch:
        draw(Architecture.from_json(document), seed, Path(scratch))
        return load_file(Path(scratch) / PARITY)
