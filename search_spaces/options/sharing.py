"""Keys and values that attention layers share, across layers in a row and across loops, where a layer allows it."""

from typing import Any

from search_spaces.genes import GeneValue
from search_spaces.layer import Layer
from search_spaces.loop import ROUTED_DEPTHS
from search_spaces.options.option import Assignment, given, whole
from search_spaces.primitives.attention import Attention

Sections = tuple[tuple[Layer, ...], ...]


def share_keys(sections: Sections, assignment: Assignment) -> Sections:
    """Prelude, core and coda with `loop_kv` and `kv_share` carried out.

    A core whose loops share keys does not share them across layers too, and one that only some tokens loop through shares none.
    """
    prelude, core, coda = sections
    group = int(assignment.get("kv_share", 1))
    looped = whole(assignment, "n_loops") > 1
    if looped and assignment.get("loop_kv") == "first":
        core = tuple(_with_attention(layer, _of_first_loop(assignment)) for layer in core)
    elif not looped or assignment["loop_depth"] not in ROUTED_DEPTHS:
        core = _in_groups(core, group)
    return _in_groups(prelude, group), core, _in_groups(coda, group)


def _of_first_loop(assignment: Assignment) -> dict[str, GeneValue | None]:
    return {"loop_kv": "first", "loop_window": given(assignment, "loop_window")}


def _in_groups(layers: tuple[Layer, ...], group: int) -> tuple[Layer, ...]:
    """Of every `group` layers that can share, all but the first read that one's keys."""
    found, n_sharing = [], 0
    for layer in layers:
        first = not _can_share(layer) or n_sharing % group == 0
        found.append(layer if first else _with_attention(layer, {"share_kv": True}))
        n_sharing += _can_share(layer)
    return tuple(found)


def _can_share(layer: Layer) -> bool:
    """Whether all tokens pass an attention whose keys do not depend on scores of its own."""
    if layer.capacity is not None or layer.fusion == "route_top1" or layer.widths is not None:
        return False
    return any(isinstance(mixer, Attention) and mixer.pattern == "dense" and mixer.top_k is None for mixer in layer.mixers)


def _with_attention(layer: Layer, changes: dict[str, Any]) -> Layer:
    """The layer with these fields of its attention changed, or as it is where it cannot share."""
    if not _can_share(layer):
        return layer
    mixers = tuple(_changed(mixer, changes) if isinstance(mixer, Attention) else mixer for mixer in layer.mixers)
    return Layer(mixers=mixers, fusion=layer.fusion, channel=layer.channel)


def _changed(mixer: Attention, changes: dict[str, Any]) -> Attention:
    """The same with other values in some fields, validated. Fields alone: a document also holds what was computed from it."""
    return Attention.model_validate({name: getattr(mixer, name) for name in Attention.model_fields} | changes)
