"""Load a folder by transformers' auto class: logits against the recorded ones, and a greedy continuation as it is configured.

`transformers_model.py FOLDER AUTO_CLASS (own|custom)` prints what was loaded and how far it is off. `custom`: the folder's own
code runs.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file

NEW_TOKENS = 6


def continuations_agree(model: Any, input_ids: torch.Tensor) -> bool:
    """Whether `generate`, with a cache where its config keeps one, takes the tokens that whole passes without one would."""
    model.generation_config.eos_token_id = None
    chosen = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "pad_token_id": 0}
    continued = model.generate(input_ids, attention_mask=torch.ones_like(input_ids), **chosen)
    whole = input_ids
    for _ in range(NEW_TOKENS):
        whole = torch.cat([whole, model(whole).logits[:, -1:].argmax(-1)], dim=1)
    return torch.equal(continued, whole)


def main(folder: Path, auto_class: str, code: str) -> None:
    """Load and compare."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    options = {"output_loading_info": True, "local_files_only": True, "use_safetensors": True}
    auto = getattr(transformers, auto_class)
    model, loaded = auto.from_pretrained(folder, trust_remote_code=code == "custom", **options)
    parity = load_file(folder / "parity.safetensors")
    with torch.no_grad():
        logits = model.eval()(parity["input_ids"]).logits
        continued = continuations_agree(model, parity["input_ids"]) if "Causal" in auto_class else None
    said = {
        "class": type(model).__name__,
        "n_params": sum(parameter.numel() for parameter in model.parameters()),
        "dtype": str(logits.dtype),
        "shape": list(logits.shape),
        "difference": ((logits - parity["logits"]).abs().max() / parity["logits"].abs().max()).item(),
        "unmatched": sorted(
            str(key) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in loaded[kind]
        ),
        "continued": continued,
        "cached": continued is not None and bool(model.generation_config.use_cache),
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
