"""Which compositions are impossible: what one part of an architecture asks of the others, each with field and reason."""

from collections.abc import Iterator

from search_spaces.inputs import BytePatchInput, TokenInput
from search_spaces.key_sharing import unshareable_keys
from search_spaces.layer import Layer
from search_spaces.loop import Loop
from search_spaces.primitives import Problem
from search_spaces.structure import Structure


def impossible(architecture: Structure) -> Iterator[Problem]:
    """Everything that keeps the model from being built; nothing when it can be."""
    yield from _layers(architecture)
    yield from _loops(architecture)
    yield from unshareable_keys(architecture)
    yield from _input(architecture)
    yield from _objectives(architecture)


def _layers(architecture: Structure) -> Iterator[Problem]:
    for where, layer in architecture.placed_layers():
        yield from _layer(where, layer, architecture.d_model)


def _layer(where: str, layer: Layer, d_model: int) -> Iterator[Problem]:
    if layer.widths is not None and sum(layer.widths) != d_model:
        yield Problem(f"{where}.widths", f"sum to {sum(layer.widths)}; the branches must share d_model {d_model}")
    for branch, (mixer, width) in enumerate(zip(layer.mixers, layer.widths_at(d_model), strict=True)):
        yield from (Problem(f"{where}.mixers[{branch}].{p.field}", p.reason) for p in mixer.problems(width))
    if layer.channel is not None:
        yield from (Problem(f"{where}.channel.{p.field}", p.reason) for p in layer.channel.problems(d_model))


def _loops(architecture: Structure) -> Iterator[Problem]:
    loop, n_loops = architecture.loop, architecture.n_loops
    if n_loops == 1 and architecture.injection != "none":
        yield Problem("injection", "needs n_loops of at least 2")
    if n_loops == 1 and loop != Loop():
        yield Problem("loop", "its options need n_loops of at least 2; leave them out")
    if loop.shift and architecture.injection == "none":
        yield Problem("loop.shift", "needs injection 'add' or 'concat': a loop would not see its own token")
    if loop.capacities is not None and len(loop.capacities) != n_loops - 1:
        yield Problem("loop.capacities", f"has {len(loop.capacities)}; give one for each of the {n_loops - 1} later loops")
    if loop.routed and not all(layer.causal for layer in architecture.core):
        yield Problem("loop.depth", f"{loop.depth!r} drops tokens, and the core has a mixer that sees later ones; use 'fixed'")


def _input(architecture: Structure) -> Iterator[Problem]:
    source = architecture.input
    if isinstance(source, BytePatchInput):
        for index, layer in enumerate(source.within):
            yield from _layer(f"input.within[{index}]", layer, source.d_byte)
            if not layer.causal:
                yield Problem(f"input.within[{index}]", "sees later bytes of the patch; use causal mixers")
        if not architecture.causal:
            yield Problem("input.kind", "'byte_patch' decodes patch by patch, so every layer must be causal")
        if architecture.n_meta:
            yield Problem("n_meta", "byte patches have a learned start of their own; use 0")


def _objectives(architecture: Structure) -> Iterator[Problem]:
    for field in ("mtp", "next_latent"):
        if getattr(architecture, field) is None:
            continue
        if not isinstance(architecture.input, TokenInput):
            yield Problem(field, f"predicts tokens, and input is {architecture.input.kind!r}; leave it out")
        elif not architecture.causal:
            yield Problem(field, "predicts later tokens, which an encoder already sees; leave it out")
