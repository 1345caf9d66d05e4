"""NAS-Bench-Macro (arXiv 2103.11922; Apache-2.0) as a table: 8 layers of 3 choices, all 6,561 trained with 3 seeds on CIFAR-10.

Its image models are none of ours. Their results are given to a space of the same form, so that samplers can be compared on real
numbers with the published ones: an architecture's score is the accuracy that stands at its place in the file. The project does
not ship the file, nas_bench_macro_cifar10.json.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.errors import Invalid
from nas.protocol import Protocol, Rung
from nas.simulation.loading import Row, table_of_rows
from nas.simulation.rows import read_json
from nas.simulation.table import Table
from search_spaces.space import Space

CHOICES = ("none", "short_conv", "hyena")
"""What stands for the choices 0 (identity), 1 (MobileNet block, kernel 3, expansion 3) and 2 (kernel 5, expansion 6)."""
NETWORK = re.compile("[0-2]{8}")
"""How the file names a network: the choice of each layer."""
LAYERS = tuple(f"layer{position}.mixer" for position in range(8))

SPACE = Space(name="nas_bench_macro", mode="micro", genes={"depth": (8,), "layer*.mixer": CHOICES})
PROTOCOL = Protocol(rungs=(Rung(steps=1),), learning_rates=(1e-3,))
"""One rung of one step, so that the cost of a search is the number of its evaluations."""


def read(file: Path) -> Table:
    """The table in a file. Raises `Invalid`."""
    return table(read_json(file))


def table(published: Any) -> Table:
    """Scores are accuracies from 0 to 1; an evaluation takes a second for each million FLOPs. Raises `Invalid`."""
    return table_of_rows(_rows(published), SPACE, PROTOCOL)


def is_published(document: Any) -> bool:
    """Whether a decoded JSON document has the form of the published file: results by a network's eight choices."""
    if not isinstance(document, dict) or not document:
        return False
    return all(NETWORK.fullmatch(key) for key in document) and all(
        isinstance(results, dict) and "test_acc" in results for results in document.values()
    )


def _rows(found: Any) -> Iterator[Row]:
    try:
        for choices, results in found.items():
            genes = {layer: CHOICES[int(choice)] for layer, choice in zip(LAYERS, choices, strict=True)}
            for seed, accuracy in enumerate(results["test_acc"]):
                yield {**genes, "rung": 0, "seed": seed, "score": accuracy / 100, "seconds": results["flops"] / 1e6}
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise Invalid(f"this is not NAS-Bench-Macro's file: {error!r}; give nas_bench_macro_cifar10.json") from error
