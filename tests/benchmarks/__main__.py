"""`python -m tests.benchmarks` lists the benchmarks; `python -m tests.benchmarks NAME [--json]` runs one."""

import argparse
import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.benchmarks.figure import Figure

_FOLDER = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every goal holds, 1 when one is missed."""
    benchmarks = dict(_benchmarks())
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Run a benchmark, or list them.")
    parser.add_argument("name", nargs="?", choices=benchmarks, help="which to run; without it they are listed")
    parser.add_argument("--json", action="store_true", help="one JSON line per figure")
    parser.add_argument(
        "--table", type=Path, help="the table of a benchmark that looks results up, where it is not in its place"
    )
    options = parser.parse_args(arguments)
    if options.name is None:
        for name, line in benchmarks.items():
            print(f"{name:20} {line}")
        return 0
    # a list: every figure is shown, also after one that is missed
    verdicts = [_shown(figure, as_json=options.json) for figure in _figures(options.name, options.table)]
    return 0 if all(verdicts) else 1


def _benchmarks() -> Iterator[tuple[str, str]]:
    """Every benchmark's name and the first line of its docstring, read without importing it."""
    for path in sorted(_FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "figures" for node in tree.body):
            yield path.stem, (ast.get_docstring(tree) or "").partition("\n")[0]


def _figures(name: str, table: Path | None) -> Iterator[Figure]:
    figures = import_module(f"tests.benchmarks.{name}").figures
    yield from figures() if table is None else figures(table)


def _shown(figure: Figure, *, as_json: bool) -> bool:
    print(figure.to_json() if as_json else figure, flush=True)
    return figure.holds


if __name__ == "__main__":
    sys.exit(main())
