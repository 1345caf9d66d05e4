"""flame's TOML: sections and names of its own arguments, and the same refusals as the model's config."""

import tomllib

import pytest

from nas.export.training.flame import files
from nas.export.training.target import Refused
from search_spaces.zoo import ZOO


def test_the_recipe_in_flames_words() -> None:
    text = files(ZOO["gla"].build())["flame/train.toml"]
    assert tomllib.loads(text) == {
        "job": {"dump_folder": "exp", "print_args": True},
        "model": {"config": "fla/config.json"},
        "optimizer": {"name": "AdamW", "lr": 0.003, "beta1": 0.9, "beta2": 0.98, "weight_decay": 0.1},
        "lr_scheduler": {"warmup_steps": 120, "decay_type": "cosine", "lr_min": 0.1},
        "training": {
            "steps": 1200,
            "batch_size": 32,
            "seq_len": 64,
            "context_len": 64,
            "gradient_accumulation_steps": 1,
            "max_norm": 1.0,
        },
        "checkpoint": {"enable_checkpoint": True, "interval": 1200},
        "activation_checkpoint": {"mode": "none"},
    }
    assert text.startswith("# for flame e11e7be with flash-linear-attention 0.6.0")


def test_what_fla_cannot_say_flame_cannot_train() -> None:
    with pytest.raises(Refused, match="bcdt_norm"):
        files(ZOO["jamba"].build())
