"""flame, the trainer of flash-linear-attention's models: a TOML file beside the model's `config.json`.

Its newest commit, e11e7be, trains whatever `transformers.AutoConfig` loads after `import fla`.
"""

from nas.export.training.fla import config
from nas.export.training.recipe import DEFAULT, Schedule
from nas.export.training.target import Files, Target
from nas.export.training.text import Table, toml
from search_spaces.architecture import Architecture

VERSION = "flame e11e7be"
ABOUT = (
    f"for {VERSION} with flash-linear-attention 0.6.0, from a checkout of flame:",
    "",
    "  bash train.sh --job.config_file <here>/flame/train.toml --model.config <here>/fla/config.json \\",
    "    --model.tokenizer_path <a tokenizer> --training.dataset <a dataset>",
    "",
    "the tokenizer must have no more tokens than the config, or flame widens the vocabulary to it;",
    "the recipe is the default one of a study's proxies; set steps, batch and length for a real run",
)


def files(architecture: Architecture) -> Files:
    """The TOML file. Raises `Refused` as the model's config does."""
    config(architecture)
    return {"flame/train.toml": toml(ABOUT, _tables(DEFAULT))}


def _tables(recipe: Schedule) -> dict[str, Table]:
    return {
        "job": {"dump_folder": "exp", "print_args": True},
        "model": {"config": "fla/config.json"},
        "optimizer": {
            "name": "AdamW",
            "lr": recipe.learning_rate,
            "beta1": recipe.beta1,
            "beta2": recipe.beta2,
            "weight_decay": recipe.weight_decay,
        },
        "lr_scheduler": {
            "warmup_steps": recipe.warmup_steps,
            "decay_type": "cosine",
            "lr_min": recipe.final_fraction,
        },
        "training": {
            "steps": recipe.steps,
            "batch_size": recipe.batch_size,
            "seq_len": recipe.sequence_length,
            "context_len": recipe.sequence_length,
            "gradient_accumulation_steps": 1,
            "max_norm": recipe.clip_norm,
        },
        "checkpoint": {"enable_checkpoint": True, "interval": recipe.steps},
        "activation_checkpoint": {"mode": "none"},
    }


FLAME = Target("flame", VERSION, "train.toml, for the model of fla/config.json", files)
