"""The zoo, every example and 500 random architectures as generated code, against our model.

`python -m tests.nas.export.code.everything [PART/PARTS]`, from the root of the repository; minutes on one core.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from search_spaces.architecture import Architecture
from search_spaces.presets import PRESETS
from search_spaces.zoo import ZOO
from tests.nas.export.code.strangers import run_strangers, write_folder
from tests.search_spaces.examples import COMPOSITIONS, EXAMPLES, architecture_of

N_RANDOM = 500
TOLERANCE = 1e-5
CHUNK = 25


def architectures() -> Iterator[tuple[str, Architecture]]:
    """Every one with a name."""
    for name, entry in ZOO.items():
        yield f"zoo_{name}", entry.build(16, 64)
    for name, primitive in EXAMPLES.items():
        yield f"example_{name}", architecture_of(primitive)
    for name, composed in COMPOSITIONS.items():
        yield f"composition_{name}", composed
    space = PRESETS["everything"]()
    for seed in range(N_RANDOM):
        yield f"random_{seed}", space.build(space.sample(Random(seed)))


def main(part: int, n_parts: int) -> int:
    """Print what differs; the number of those."""
    chosen, n_wrong = list(architectures())[part::n_parts], 0
    for start in range(0, len(chosen), CHUNK):
        with tempfile.TemporaryDirectory() as folder:
            folders = [Path(folder) / name for name, _ in chosen[start : start + CHUNK]]
            for path, (_, architecture) in zip(folders, chosen[start : start + CHUNK], strict=True):
                write_folder(architecture, path)
            for name, found in run_strangers(folders).items():
                if "error" in found or max(found.values()) > TOLERANCE:
                    n_wrong += 1
                    sys.stdout.write(f"{name}: {found.get('error', found)}\n")
        sys.stdout.write(f"{min(start + CHUNK, len(chosen))} of {len(chosen)} compared, {n_wrong} differ\n")
        sys.stdout.flush()
    return min(n_wrong, 1)


if __name__ == "__main__":
    sys.exit(main(*(map(int, sys.argv[1].split("/")) if len(sys.argv) > 1 else (0, 1))))
