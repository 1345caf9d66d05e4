"""The project's own table of hybrid models, which benchmarks search; `python -m tests.benchmarks.hybrids` sums it up."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from nas.simulation.document import MemberResults, TableDocument
from nas.simulation.table import Table
from nas.validation import validate

TABLE = Path("docs/tables/hybrids/table.json")
RECALL, BYTES = "mqar/accuracy", "bytes_lm/bits_per_byte"


@cache
def read(file: Path) -> TableDocument:
    """Raises `nas.errors.Invalid` where the file is no table."""
    return validate(TableDocument, json.loads(file.read_text()))


@cache
def table(file: Path) -> Table:
    """The same in arrays."""
    return read(file).table()


def summary(document: TableDocument) -> Iterator[str]:
    """Line by line what `docs/tables/README.md` says of it: means at the last rung, how certain they are, what it took."""
    scores = np.array([member.test["score"] for member in document.members])
    truths = scores[:, -1].mean(axis=1)
    error = np.sqrt(scores[:, -1].var(axis=1, ddof=1).mean() / scores.shape[2])
    recalled = sum(_mean([member], RECALL) >= 0.99 for member in document.members)
    seconds = sum(sum(map(sum, member.seconds)) for member in document.members)
    yield f"{len(truths)} models; error of a true score {error:.2f}, standard deviation between models {truths.std(ddof=1):.2f}"
    for rung in range(scores.shape[1] - 1):
        yield f"rung {rung} orders them with rho {spearmanr(scores[:, rung].mean(axis=1), truths).statistic:.2f}"
    yield f"{recalled} recall at least 0.99; {seconds / 3600:.1f} hours of one worker"
    for loops in (1, 2):
        run = [member for member in document.members if member.genes["n_loops"] == loops]
        yield f"loops {loops}: recall {_mean(run, RECALL):.2f}, bits per byte {_mean(run, BYTES):.2f}"
    for mixer in sorted({str(member.genes.get("linear_mixer", "attention")) for member in document.members}):
        own = [member for member in document.members if member.genes.get("linear_mixer", "attention") == mixer]
        alone = [member for member in own if mixer == "attention" or not member.genes["attention_layers"]]
        hybrid = [member for member in own if member not in alone]
        columns = [f"{_mean(group, name):.2f}" for group in (alone, hybrid) if group for name in (RECALL, BYTES)]
        best = max(_mean([member], "score") for member in own)
        recall = max(_mean([member], RECALL) for member in own)
        yield f"| {mixer} | {' | '.join(columns)} | best score {best:.3f}, recall {recall:.2f} |"


def _mean(members: list[MemberResults], metric: str) -> float:
    return float(np.mean([member.test[metric][-1] for member in members]))


if __name__ == "__main__":
    print(*summary(read(TABLE)), sep="\n")
