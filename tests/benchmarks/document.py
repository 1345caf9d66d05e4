"""A section of `docs/performance.md` from figures: `python -m tests.benchmarks.document < FIGURES.jsonl`.

The figures are the lines that `python -m tests.benchmarks NAME --json` printed; nothing is typed by hand.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from tests.benchmarks.figure import Figure


def document(figures: Iterable[Figure], day: str) -> Iterator[str]:
    """One table for each machine and set of versions, piece by piece."""
    groups: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        groups.setdefault((figure.machine, json.dumps(figure.versions)), []).append(figure)
    for (machine, versions), rows in groups.items():
        yield f"\n## {machine}, {day}\n\n{_in_words(versions)}\n\n"
        yield "| figure | value | peer | ratio | goal | holds |\n|---|--:|---|--:|---|---|\n"
        yield from map(_row, rows)


def _in_words(versions: str) -> str:
    return ", ".join(f"{name} {version}" for name, version in json.loads(versions).items())


def _row(figure: Figure) -> str:
    peer = f"{figure.peer}: {figure.peer_value:.4g} {figure.unit}" if figure.peer_value is not None else ""
    ratio = f"{figure.ratio:.3g}" if figure.ratio is not None else ""
    holds = "yes" if figure.holds else "**no**"
    return f"| `{figure.name}` | {figure.value:.4g} {figure.unit} | {peer} | {ratio} | {figure.goal} | {holds} |\n"


if __name__ == "__main__":
    measured = (Figure(**json.loads(line)) for line in sys.stdin if line.strip())
    sys.stdout.writelines(document(measured, datetime.now(UTC).date().isoformat()))
