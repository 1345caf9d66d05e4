"""Exports that tests verify, and what a forger does to them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.export.folder import Parcel, write
from nas.export.form import ExportName, Subject
from nas.export.manifest import Drawn, Trained
from search_spaces.architecture import Architecture, ContinuousInput, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.recurrence import mamba2
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from workers.draw import draw

TOKENS = TokenInput(vocab_size=32)
LAYER = Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8),), channel=SwiGLU(d_ff=24))
NATIVE = Architecture(d_model=16, input=TOKENS, core=(LAYER,))
CACHELESS = Architecture(
    d_model=16, input=TOKENS, core=(Layer(mixers=(mamba2(16, n_heads=4, state_size=8),), channel=SwiGLU(d_ff=24)),)
)
"""Transformers has a class for it, whose cache needs attention somewhere."""
CUSTOM = Architecture(d_model=16, input=TOKENS, core=(LAYER,), n_loops=2, injection="add")
MEASURED = Architecture(d_model=8, input=ContinuousInput(n_channels=3), core=(Layer(mixers=(ShortConv(),)),))
SEED = 3


def exported(architecture: Architecture, form: ExportName, folder: Path, *, weights: bool = True) -> Path:
    """A new folder below `folder`, as nas export writes it."""
    subject, scratch = Subject(architecture=architecture, title="a test"), folder / "scratch"
    out = folder / form
    out.mkdir(parents=True)
    if weights:
        scratch.mkdir()
        draw(architecture, SEED, scratch)
        drawn = {"weights": scratch / "weights.safetensors", "parity": scratch / "parity.safetensors"}
        subject = Subject(architecture=architecture, title="a test", **drawn)
    write(Parcel(subject=subject, origin=Drawn(seed=SEED) if weights else None), form, out)
    return out


def as_trained(folder: Path) -> None:
    """Have the manifest say that a study trained the weights."""
    said = json.loads((folder / "export.json").read_text())
    said["origin"] = json.loads(Trained(study="s", trial=1, rung=0, task="mqar").to_json())
    (folder / "export.json").write_text(json.dumps(said))


def forge(folder: Path, path: str, edit: Callable[[bytes], bytes], **manifest: Any) -> None:
    """Change a file, or make one, and have the manifest agree."""
    target = folder / path
    target.write_bytes(edit(target.read_bytes() if target.exists() else b""))
    content = target.read_bytes()
    said = json.loads((folder / "export.json").read_text()) | manifest
    said["files"][path] = {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
    (folder / "export.json").write_text(json.dumps(said))
