"""What an option is: a word that a gene may have, the knobs it opens, and the part of a layer that it builds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from search_spaces.genes import GeneValue
from search_spaces.primitives import Channel, Mixer

Assignment = Mapping[str, GeneValue]
"""The value of every active gene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixerOption:
    """A word for a mixer."""

    name: str
    build: Callable[[Assignment, int], Mixer]
    """The mixer at a width."""
    facts: tuple[str, ...]
    """What the word lets later genes know, beside its own name."""
    knobs: tuple[str, ...]
    """Genes that the number of its parameters depends on, d_model aside."""
    extras: tuple[str, ...] = ()
    """Further such genes, each of which adds the same parameters whatever the other extras are."""
    causal: bool = True
    """False for encoder mixers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOption:
    """A word for a channel part."""

    name: str
    build: Callable[[Assignment], Channel | None]
    facts: tuple[str, ...]
    knobs: tuple[str, ...]


def whole(assignment: Assignment, name: str) -> int:
    """The value of a gene of whole numbers."""
    return int(assignment[name])


def given(assignment: Assignment, name: str) -> int | None:
    """The same, None for 0: how genes write an option that is off."""
    return int(assignment[name]) or None
