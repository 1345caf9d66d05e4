"""What somebody without our packages does with exported code: run by a fresh process over folders of models.

Each folder has `model.py`, `model.safetensors` and `expected.safetensors` (tokens, targets, and our model's answers). Prints
one JSON line per folder: what differs. A difference is the largest one, relative to the largest number expected.
"""

import importlib.util
import json
import sys
import traceback
from pathlib import Path

OURS = ("nas", "search_spaces", "workers", "kernels", "api", "tests")


def forget_our_packages() -> None:
    """Take the project off the paths and out of the finders of editable installations. Raises if it can still be found."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "").lower()]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
    sys.path[:] = [path for path in sys.path if path and not (Path(path) / "search_spaces").exists()]
    found = [name for name in OURS[:-1] if importlib.util.find_spec(name) is not None]
    assert not found, f"these can still be imported: {found}"


def differences(folder: Path) -> dict[str, float | str]:
    """Of the model that the folder's code makes from the folder's weights."""
    import torch
    from safetensors.torch import load_file

    spec = importlib.util.spec_from_file_location(f"model_{folder.name}", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    expected = load_file(folder / "expected.safetensors")
    model = module.Model(module.ARCHITECTURE)
    torch.manual_seed(0)
    model.initialise(torch.Generator().manual_seed(1))
    assert all(parameter.isfinite().all() for parameter in model.parameters()), "a parameter was not drawn"
    drawn = torch.stack([parameter.detach().double().abs().sum() for parameter in model.parameters()]).sum()
    found: dict[str, float | str] = {"drawn": _difference(drawn, expected["drawn"])}
    assert sum(one.numel() for one in model.parameters()) == expected["n_params"].item(), "another number of parameters"
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    tokens, targets = expected["tokens"], expected["targets"]
    model.train()
    output = model(tokens, targets)
    found["train"] = _difference(output.logits_BTV, expected["train"])
    found["auxiliary_loss"] = _difference(output.auxiliary_loss, expected["auxiliary_loss"])
    (model.loss(output, targets) + output.auxiliary_loss).backward()
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    model.eval()
    with torch.no_grad():
        found["logits"] = _difference(model(tokens).logits_BTV, expected["logits"])
        if "extended" in expected:
            state, parts = model.initial_state(len(tokens)), []
            for part in (tokens[:, :3], tokens[:, 3:4], tokens[:, 4:9]):
                logits, state = model.extend(part, state)
                parts.append(logits)
            for time in range(9, tokens.shape[1]):
                logits, state = model.step(tokens[:, time], state)
                parts.append(logits[:, None])
            found["extended"] = _difference(torch.cat(parts, dim=1), expected["extended"])
    return found


def _difference(found, expected) -> float:
    assert found.shape == expected.shape, f"shape {tuple(found.shape)}, not {tuple(expected.shape)}"
    return ((found - expected).abs().max() / expected.abs().max().clamp(min=1e-9)).item() if expected.numel() else 0.0


def main() -> None:
    """A line for each folder named on the command line."""
    forget_our_packages()
    import torch

    torch.set_num_threads(1)
    for folder in map(Path, sys.argv[1:]):
        try:
            found: dict[str, float | str] = differences(folder)
        except Exception:
            found = {"error": traceback.format_exc(limit=-4)}
        sys.stdout.write(json.dumps({"folder": folder.name, **found}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
