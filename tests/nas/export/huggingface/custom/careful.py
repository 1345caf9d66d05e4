"""What somebody with torch and transformers alone does who looks closer: save, resume, train, other formats, wrong inputs.

Prints one JSON line for each folder on the command line: what each look found, true where all is well.
"""

import json
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file

CAUSAL = transformers.AutoModelForCausalLM


def load(folder: Path | str, **options: Any) -> Any:
    # memory that nothing fills is full of NaN
    torch.use_deterministic_algorithms(True)
    model, loaded = CAUSAL.from_pretrained(folder, trust_remote_code=True, output_loading_info=True, **options)
    torch.use_deterministic_algorithms(False)
    assert not any(loaded.values()), loaded
    assert all(tensor.isfinite().all() for tensor in (*model.parameters(), *model.buffers()))
    return model


def refusal(call: Callable[[], object]) -> str:
    """What it says of a wrong input."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return "no refusal"


@torch.no_grad()
def saved(model: Any, tokens: torch.Tensor, folder: Path) -> bool:
    """Saved and loaded again it is the same model, with its own code."""
    model.save_pretrained(folder)
    again = load(folder)
    config = json.loads((folder / "config.json").read_text())
    stated = all(config[name] == getattr(model.config, name) for name in ("vocab_size", "hidden_size", "num_hidden_layers"))
    return stated and torch.equal(again(tokens).logits, model(tokens).logits)


def trained(model: Any, tokens: torch.Tensor) -> bool:
    """Its loss falls."""
    optimiser = torch.optim.AdamW(model.train().parameters(), 3e-3)
    losses = []
    for _ in range(6):
        loss = model(tokens, labels=tokens).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses[-1] < losses[0] and balanced(model)


def balanced(model: Any) -> bool:
    """Biases of routers move when they are told to, as the documentation says."""
    if "update_routing_biases" not in str(type(model).__doc__):
        return True
    model.model.update_routing_biases()
    biases = [tensor for name, tensor in model.named_buffers() if name.endswith("routing_bias")]
    return bool(biases) and all(tensor.any() for tensor in biases)


@torch.no_grad()
def in_half_precision(folder: Path, expected: torch.Tensor, tokens: torch.Tensor) -> bool:
    """Loaded in bfloat16, all of it, it says about the same; and it generates.

    Of four tokens in five: rounding may send a token to another expert, and what it says is then something else.
    """
    model = load(folder, dtype=torch.bfloat16)
    logits = model(tokens).logits
    generated = model.generate(tokens, max_new_tokens=3)
    is_half = {tensor.dtype for tensor in (*model.parameters(), logits)} == {torch.bfloat16}
    near = (logits - expected).abs().amax(-1) < 0.05 * expected.abs().max()
    return is_half and bool(near.float().mean() >= 0.8) and generated.shape[1] == tokens.shape[1] + 3


@torch.no_grad()
def sampled(model: Any, tokens: torch.Tensor) -> bool:
    """The same samples with a cache and without."""
    samples = []
    for cached in (True, False):
        torch.manual_seed(3)
        options = {"do_sample": True, "use_cache": cached, "num_return_sequences": 2, "top_k": 5}
        samples.append(model.generate(tokens, max_new_tokens=4, **options))
    return torch.equal(*samples)


@torch.no_grad()
def resumed(model: Any, tokens: torch.Tensor) -> bool:
    """Generation goes on from the cache that an earlier one gave."""
    first = model.generate(tokens, max_new_tokens=3, return_dict_in_generate=True)
    cache = first.past_key_values
    assert cache.get_seq_length() == tokens.shape[1] + 2
    second = model.generate(first.sequences, past_key_values=cache, max_new_tokens=3)
    return torch.equal(second, model.generate(tokens, max_new_tokens=6))


def labelled(model: Any, tokens: torch.Tensor) -> bool:
    """The loss in evaluation is the mean cross-entropy of what is labelled, alone; gone with -100."""
    labels = tokens.masked_fill(torch.arange(tokens.shape[1]) < 4, -100)
    logits = model(tokens).logits[:, 3:-1]
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 4:].flatten())
    loss, *_ = model(tokens, labels=labels, return_dict=False)
    return torch.allclose(loss, expected)


def refusals(model: Any, tokens: torch.Tensor) -> bool:
    """Wrong inputs are refused in words, and a mask of ones is none."""
    mask = torch.ones_like(tokens)
    assert torch.equal(model(tokens, attention_mask=mask).logits, model(tokens).logits)
    mask[0, 0] = 0
    wrong = {
        "one length": lambda: model(tokens, attention_mask=mask),
        "of one length": lambda: model.generate(tokens, attention_mask=mask, max_new_tokens=2),
        "input_ids": lambda: model(inputs_embeds=torch.zeros(1, 2, model.config.hidden_size)),
        "StateCache": lambda: model(tokens, past_key_values=transformers.DynamicCache()),
        "whole sequences": lambda: model(tokens, labels=tokens, past_key_values=model(tokens).past_key_values),
    }
    config = model.config.to_dict()
    wrong["change it there"] = lambda: type(model.config).from_dict({**config, "hidden_size": config["hidden_size"] + 1})
    said = {words: refusal(call) for words, call in wrong.items()}
    assert all(words in text for words, text in said.items()), said
    return True


def moved(model: Any, tokens: torch.Tensor) -> bool:
    """In float64 it says the same, more exactly."""
    expected = model(tokens).logits
    logits = model.double()(tokens).logits
    model.float()
    near = bool((logits - expected).abs().max() <= 1e-5 * expected.abs().max())
    return near and logits.dtype == torch.float64


@torch.no_grad()
def resized(model: Any, tokens: torch.Tensor, folder: Path) -> bool:
    """With more tokens it says the same of those that it had, and is saved and loaded so."""
    n_tokens, expected = model.config.vocab_size, model(tokens).logits
    model.resize_token_embeddings(n_tokens + 6, mean_resizing=False)
    logits = model(tokens).logits
    same = torch.allclose(logits[..., :n_tokens], expected, atol=1e-5)
    model(tokens + 6)
    return same and logits.shape[-1] == n_tokens + 6 and saved(model, tokens, folder)


def completed(folder: Path, scratch: Path) -> bool:
    """A weight that the file lacks is drawn, and the others are the file's."""
    shutil.copytree(folder, scratch)
    weights = load_file(folder / "model.safetensors")
    absent = min(weights)
    others = {name: tensor for name, tensor in weights.items() if name != absent}
    save_file(others, scratch / "model.safetensors", {"format": "pt"})
    model, loaded = CAUSAL.from_pretrained(scratch, trust_remote_code=True, output_loading_info=True)
    state = model.state_dict()
    kept = all(torch.equal(tensor, state[name]) for name, tensor in others.items())
    return kept and {*loaded["missing_keys"]} == {absent} and bool(state[absent].isfinite().all())


def looks(folder: Path, scratch: Path) -> dict[str, Any]:
    expected = load_file(folder / "expected.safetensors")
    tokens, model = expected["tokens"], load(folder)
    return {
        "saved": saved(model, tokens, scratch / "model"),
        "half": in_half_precision(folder, expected["logits"], tokens),
        "completed": completed(folder, scratch / "partial"),
        "sampled": sampled(model, tokens),
        "resumed": resumed(model, tokens),
        "labelled": labelled(model, tokens),
        "refusals": refusals(model, tokens),
        "moved": moved(model, tokens),
        "trained": trained(model, tokens) and saved(model, tokens, scratch / "again" / "model"),
        "resized": resized(model, tokens, scratch / "wider" / "model"),
    }


def main() -> None:
    """A line for each folder."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    for folder in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            try:
                found = looks(folder, Path(scratch))
            except Exception:
                found = {"error": traceback.format_exc(limit=-4)}
        sys.stdout.write(json.dumps({"folder": folder.name, **found}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
