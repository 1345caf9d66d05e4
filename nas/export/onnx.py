"""The form `onnx`: the prefill, from token ids [batch, sequence] to logits, as one graph whose two sizes are free.

torch makes the graph in a process of its own, which also runs it and compares. What has no graph is known beforehand: steps
whose number or shapes depend on the length of the sequence, and arithmetic that ONNX has no operators for.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from nas.errors import Invalid, NasError
from nas.export.form import Form, Refusal, Subject, Written
from search_spaces.architecture import Architecture, BytePatchInput, ContinuousInput, Layer, TokenInput
from search_spaces.primitives import Primitive

COMPLEX = "its state is complex, and ONNX has no exponential of complex numbers"
ROUNDED = "what is rounded in steps differs by a whole step where two programs differ in the last digit"
PRIMITIVES = {
    "segment_attention": "how many positions and segments there are depends on the sequence's length, step by step",
    "memory_slots": "its loop over tokens would be written out, once for every token",
    "fnet": "ONNX has its Fourier transform in float32 alone, which loses digits on long sequences",
    "s4d": COMPLEX,
    "h3": COMPLEX,
}
"""Why a primitive has no graph, whatever its fields."""


def refusals(architecture: Architecture) -> tuple[Refusal, ...]:
    """Every field that has no graph."""
    return tuple(Refusal("onnx", field, f"{field}: {reason}") for field, reason in _without_graph(architecture))


def _without_graph(architecture: Architecture) -> Iterator[tuple[str, str]]:
    yield from _of_whole(architecture)
    for where, layer in _layers(architecture):
        for place, part in _parts(layer):
            reason = _of_part(part)
            if reason:
                yield f"{where}.{place}", reason


def _of_whole(architecture: Architecture) -> Iterator[tuple[str, str]]:
    if isinstance(architecture.input, ContinuousInput):
        yield "input", "only models of tokens are exported"
    if isinstance(architecture.input, TokenInput) and architecture.input.rosa:
        yield "input.rosa", "the longest match is searched in blocks, as many as the sequence's length allows"
    if architecture.numerics.activations != "float":
        yield "numerics.activations", ROUNDED
    if architecture.loop.routed:
        yield "loop.depth", f"the graph that torch makes of routed loops ({architecture.loop.depth}) gives other logits"


def _layers(architecture: Architecture) -> Iterator[tuple[str, Layer]]:
    yield from architecture.placed_layers()
    if isinstance(architecture.input, BytePatchInput):
        yield from ((f"input.within[{index}]", layer) for index, layer in enumerate(architecture.input.within))


def _parts(layer: Layer) -> Iterator[tuple[str, Primitive]]:
    yield from ((f"mixers[{branch}]", mixer) for branch, mixer in enumerate(layer.mixers))
    if layer.channel is not None:
        yield "channel", layer.channel


def _of_part(part: Primitive) -> str | None:
    if getattr(part, "top_k", None) is not None and part.kind == "attention":
        return "top_k: as many keys are sorted and chosen as the sequence's length allows"
    if getattr(part, "kv_bits", 16) != 16:
        return f"kv_bits: {ROUNDED}"
    return PRIMITIVES.get(part.kind)


def write(subject: Subject, folder: Path) -> Written:
    """Make the graph, run it, and keep it if it computes the same. Raises `Invalid` for weights that are not its own."""
    assert subject.weights is not None
    with TemporaryDirectory() as scratch:
        document = Path(scratch) / "architecture.json"
        document.write_text(subject.architecture.to_json(), encoding="utf-8")
        arguments = [str(document), str(subject.weights), str(folder / "model.onnx")]
        command = [sys.executable, "-m", "workers.onnx_export", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        raise Invalid(f"{subject.title} is not exported as onnx: {done.stderr.strip()}")
    if done.returncode:
        raise NasError(f"the graph could not be made; it needs pip install 'nas[workers,verify]':\n{done.stderr.strip()}")
    said = json.loads(done.stdout.splitlines()[-1])
    sizes = ", ".join(f"{rows} x {length}" for rows, length in said["sizes"])
    why = f"its logits for {sizes} tokens are ours within {said['largest_difference']:.1e} of the largest; it keeps no cache"
    return Written(loads_as="onnxruntime.InferenceSession", why=why)


ONNX = Form(
    name="onnx",
    title="The prefill as an ONNX graph, token ids to logits, for any batch and length: model.onnx",
    refusals=refusals,
    write=write,
    needs_weights=True,
)
