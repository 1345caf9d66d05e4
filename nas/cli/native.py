"""`nas export zoo:NAME --format native`: a published architecture as a model that transformers loads by itself.

Weights are drawn by `python -m workers.draw`, which needs torch; the rest does not. The folder appears whole or not at all.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from safetensors.numpy import load_file

from nas.cli.output import print_json, say
from nas.errors import Conflict, Invalid, NasError, NotFound
from nas.export.form import Refusal
from nas.export.huggingface.native import Native, choose, export_native
from search_spaces.architecture import Architecture
from search_spaces.zoo import ZOO

PREFIX = "zoo:"


def export_zoo(name: str, folder: Path, *, d_model: int, vocab_size: int, seed: int, as_json: bool) -> None:
    """Write a zoo entry with weights drawn from a seed.

    Raises `NotFound` for an unknown name, `Conflict` for a folder in use or an architecture that no family of transformers
    has, with every reason, and `Invalid` for sizes that the entry does not have and for a folder that cannot be written.
    """
    architecture = _architecture(name, d_model, vocab_size)
    found = choose(architecture)
    if not isinstance(found, Native):
        _refuse(name, found, as_json)
    else:
        with _new_folder(folder) as staging:
            _write(architecture, found, seed, staging)
        _report(name, found, folder, as_json)


def _architecture(name: str, d_model: int, vocab_size: int) -> Architecture:
    if name not in ZOO:
        raise NotFound(f"no zoo entry {name!r}; there are {', '.join(sorted(ZOO))}")
    try:
        return ZOO[name].build(d_model, vocab_size)
    except ValueError as error:
        raise Invalid(f"{name} cannot be built: {error}") from error


def _refuse(name: str, refusals: tuple[Refusal, ...], as_json: bool) -> None:
    if as_json:
        print_json({"architecture": name, "native": None, "refusals": [asdict(refusal) for refusal in refusals]})
    reasons = "".join(f"\n  {refusal.target}: {refusal.reason}" for refusal in refusals)
    raise Conflict(f"no class of transformers has all of {PREFIX}{name}; why not native:{reasons}")


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside it, which takes its place at the end; nothing is left of it after an error."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Conflict(f"{folder} exists; name a new folder with --out")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
            staging = Path(beside) / "export"
            staging.mkdir()
            yield staging
            # only an empty folder gives way, so nothing that came meanwhile is lost
            staging.rename(folder)
    except OSError as error:
        raise Invalid(f"{folder} cannot be written: {error.strerror or error}") from error


def _write(architecture: Architecture, native: Native, seed: int, folder: Path) -> None:
    """Draw, and turn our weights into theirs."""
    document, weights = folder / "architecture.json", folder / "weights.safetensors"
    document.write_text(architecture.to_json() + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "workers.draw", str(document), str(folder), f"--seed={seed}"]
    drawn = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if drawn.returncode == 2:
        raise Invalid(drawn.stderr.strip())
    if drawn.returncode:
        raise NasError(f"the weights could not be drawn:\n{drawn.stderr.strip()}")
    export_native(architecture, native, load_file(weights), folder)
    weights.unlink()
    for path in folder.iterdir():
        # safetensors makes files that only their owner may read
        path.chmod(document.stat().st_mode)


def _report(name: str, native: Native, folder: Path, as_json: bool) -> None:
    files = sorted(str(path) for path in folder.iterdir())
    chosen = {"class": native.model_class.class_name, "model_type": native.model_class.model_type}
    if as_json:
        passed = [asdict(refusal) for refusal in native.refusals]
        print_json({"architecture": name, "native": chosen, "refusals": passed, "folder": str(folder), "files": files})
        return
    sys.stdout.write(f"{folder}\n")
    why = "the first class whose config says all of it"
    say(f"{PREFIX}{name} is in {folder} as a {native.model_class.class_name}: {why}")
    for refusal in native.refusals:
        say(f"  not {refusal.target}: {refusal.reason}")
    say("parity.safetensors has tokens and our logits on them; load it with AutoModelForCausalLM.from_pretrained")
