"""Weights of an architecture that no study has trained, drawn from a seed by a process of its own, which needs torch."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from nas.errors import Invalid, NasError
from nas.export.folder import Parcel
from nas.export.manifest import Drawn
from search_spaces.architecture import Architecture


def draw(architecture: Architecture, seed: int, folder: Path) -> tuple[Path, Path]:
    """Weights and parity, as two files in an existing folder.

    Raises `Invalid` for an architecture that cannot be drawn, `NasError` when the process fails, as it does without torch.
    """
    document = folder / "drawn.json"
    document.write_text(architecture.to_json(), encoding="utf-8")
    command = [sys.executable, "-m", "workers.draw", str(document), str(folder), f"--seed={seed}"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 2:
        raise Invalid(done.stderr.strip())
    if done.returncode:
        raise NasError(f"the weights could not be drawn:\n{done.stderr.strip()}")
    return folder / "weights.safetensors", folder / "parity.safetensors"


def with_drawn_weights(parcel: Parcel, seed: int, folder: Path) -> Parcel:
    """The same with weights, which lie in an existing folder. Raises as `draw` does."""
    weights, parity = draw(parcel.subject.architecture, seed, folder)
    return replace(parcel, subject=replace(parcel.subject, weights=weights, parity=parity), origin=Drawn(seed=seed))
