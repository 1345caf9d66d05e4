"""Loads folders as a stranger does, with transformers and nothing of ours: `python stranger.py FOLDER...`, a line of JSON each.

Beside the model a folder has `parity.safetensors`: `input_ids`, `logits` and `continuation`, its greedy one, input included.
"""

import json
import sys
from collections.abc import Sequence

import torch
import transformers
from safetensors.torch import load_file


def check(folder: str) -> dict[str, object]:
    """What a stranger finds there."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    parity = load_file(f"{folder}/parity.safetensors")
    input_ids, expected, continuation = (parity[name] for name in ("input_ids", "logits", "continuation"))
    with torch.no_grad():
        logits = model(input_ids, use_cache=False).logits
    n_new = continuation.shape[1] - input_ids.shape[1]
    options = {"attention_mask": torch.ones_like(input_ids), "max_new_tokens": n_new, "return_dict_in_generate": True}
    made = model.generate(input_ids, **options)
    caches = [getattr(made, name, None) for name in ("past_key_values", "cache_params", "state")]
    return {
        "class": type(model).__name__,
        "amiss": sorted(str(key) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in info[kind]),
        "error": ((logits - expected).abs().max() / expected.abs().max()).item(),
        "same_continuation": bool((made.sequences == continuation).all()),
        "cached": any(cache is not None for cache in caches),
        "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def main(folders: Sequence[str]) -> None:
    """Print a line for each folder as it is done."""
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for folder in folders:
        try:
            found = check(folder)
        except Exception as error:
            found = {"raised": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
