"""One readable line for an architecture, and its share of attention with both denominators.

    d64 · [conv3 | ffn128]×3 → [attn4/2 | moe8k2x64]

Equal layers in a row are folded; parallel mixers are joined by `+`, in angle brackets where they are averaged after norms.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from search_spaces.architecture import Architecture, Layer


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of a model is attention, counted over the layers a token passes: each loop counts again."""

    attention: int
    mixers: int
    parts: int

    @property
    def of_mixers(self) -> float:
        """Attention among mixers; 0 without mixers."""
        return self.attention / self.mixers if self.mixers else 0.0

    @property
    def of_parts(self) -> float:
        """Attention among all parts, channel parts included, as when every part is called a layer."""
        return self.attention / self.parts


def shares(architecture: Architecture) -> Shares:
    """Count attention, mixers and parts."""
    layers = architecture.prelude + architecture.core * architecture.n_loops + architecture.coda
    mixers = [mixer for layer in layers for mixer in layer.mixers]
    attention = sum(mixer.kind == "attention" for mixer in mixers)
    return Shares(attention=attention, mixers=len(mixers), parts=sum(len(layer.parts()) for layer in layers))


def summarise(architecture: Architecture) -> str:
    """The architecture in one line, input left out."""
    streams = f" · {architecture.n_streams} streams" if architecture.n_streams > 1 else ""
    meta = f"meta{architecture.n_meta}" if architecture.n_meta else ""
    sections = [meta, _sequence(architecture.prelude), _core(architecture), _sequence(architecture.coda)]
    return f"d{architecture.d_model}{streams} · " + " → ".join(section for section in sections if section)


def _core(architecture: Architecture) -> str:
    """`loop(...)×2/4‖input·norm`: trained with 2 loops, evaluated with 4, the input beside the stream, its options."""
    core, loop = _sequence(architecture.core), architecture.loop
    if architecture.n_loops == 1:
        return core
    evaluated = f"/{loop.eval_loops}" if loop.eval_loops else ""
    joined = {"none": "", "add": "+input", "concat": "‖input"}[architecture.injection]
    marks = {"norm": loop.norm, "steps": loop.step_embedding, "shift": loop.shift, loop.depth: loop.depth != "fixed"}
    options = "".join(f"·{mark}" for mark, said in marks.items() if said)
    return f"loop({core})×{architecture.n_loops}{evaluated}{joined}{options}"


def _sequence(layers: Iterable[Layer]) -> str:
    runs = ((label, len(list(run))) for label, run in groupby(_label(layer) for layer in layers))
    return " → ".join(label + (f"×{count}" if count > 1 else "") for label, count in runs)


def _label(layer: Layer) -> str:
    mixers = "+".join(mixer.label() for mixer in layer.mixers)
    if layer.fusion == "norm_mean":
        mixers = f"⟨{mixers}⟩"
    return f"[{' | '.join(text for text in (mixers, layer.channel.label() if layer.channel else '') if text)}]"
