"""What somebody with torch and transformers alone does with any custom model: load it, compare, decode, train.

Prints one JSON line for each folder on the command line. A difference is the largest one, relative to the largest number.
"""

import json
import logging
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file

PROMPT = 5


class Said(logging.Handler):
    """What transformers warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.messages.append(record.getMessage())


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape, f"shape {tuple(found.shape)}, not {tuple(expected.shape)}"
    assert found.dtype == expected.dtype, f"{found.dtype}, not {expected.dtype}"
    return ((found - expected).abs().max() / expected.abs().max()).item()


def auto_class(folder: Path) -> Any:
    """The class of transformers that the folder is for."""
    names = json.loads((folder / "config.json").read_text())["auto_map"].keys() - {"AutoConfig"}
    return getattr(transformers, names.pop())


def sizes(model: torch.nn.Module) -> torch.Tensor:
    """Of each parameter the sum of its numbers' distances from zero."""
    return torch.stack([parameter.detach().double().abs().sum() for parameter in model.parameters()])


@torch.no_grad()
def decoded(model: Any, expected: dict[str, torch.Tensor]) -> dict[str, Any]:
    """In steps with a cache, by generate, and by beam search with a cache and without."""
    tokens, parts = expected["tokens"], []
    cache: Any = None
    for part in tokens.split([PROMPT, 1, 3, *[1] * (tokens.shape[1] - PROMPT - 4)], dim=1):
        output = model(part, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        parts.append(output.logits)
    n_new = expected["continued"].shape[1] - tokens.shape[1]
    greedy = model.generate(tokens, max_new_tokens=n_new)
    beams = [model.generate(tokens, max_new_tokens=3, num_beams=3, use_cache=cached) for cached in (True, False)]
    return {
        "extended": difference(torch.cat(parts, dim=1), expected["logits"]),
        "n_tokens": cache.get_seq_length() == tokens.shape[1],
        "greedy": torch.equal(greedy, expected["continued"]),
        "beams": torch.equal(*beams),
    }


def findings(folder: Path) -> dict[str, Any]:
    """Of one model."""
    expected = load_file(folder / "expected.safetensors")
    auto, tokens = auto_class(folder), expected["tokens"]
    model, loaded = auto.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
    found: dict[str, Any] = {
        "unmatched": sorted(str(key) for keys in loaded.values() for key in keys),
        "n_params": model.num_parameters(),
        "training": model.training,
    }
    with torch.no_grad():
        found["logits"] = difference(model(tokens).logits, expected["logits"])
    if "continued" in expected:
        with torch.no_grad():
            found["uncached"] = difference(model(tokens, use_cache=False).logits, expected["logits"])
        found |= decoded(model, expected)
    output = model.train()(tokens, labels=tokens)
    output.loss.backward()
    found["loss"] = difference(output.loss.detach(), expected["loss"])
    found["without_gradient"] = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    fresh = auto.from_config(model.config, trust_remote_code=True)
    found["fresh"] = difference(sizes(fresh), expected["drawn"])
    torch.manual_seed(5)
    fresh.initialize_weights()
    found["drawn"] = difference(sizes(fresh), expected["drawn"])
    return found


def main() -> None:
    """A line for each folder."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    said = Said()
    logging.getLogger("transformers").addHandler(said)
    for folder in map(Path, sys.argv[1:]):
        said.messages.clear()
        try:
            found = findings(folder)
        except Exception:
            found = {"error": traceback.format_exc(limit=-3)}
        sys.stdout.write(json.dumps({"folder": folder.name, "said": said.messages, **found}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
