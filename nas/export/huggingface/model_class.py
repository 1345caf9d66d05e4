"""The `config.json` of a family of transformers, and what families' configs have in common.

Every number that could fall to a default of transformers which is not ours is written out: epsilons, rotary base, factors.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from nas.export.huggingface.model import Family
from nas.export.huggingface.rules import NamedArrays, Rules
from search_spaces.architecture import Architecture, TokenInput
from search_spaces.primitives import Primitive
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence

EPS = 1e-5
ROPE_THETA = 10_000.0
MAX_POSITIONS = 131_072
"""Our models have no limit; theirs states one, and computes rotary positions beyond it all the same."""

ALIGNED = 8
"""Numbers of two bytes that are 16 bytes."""

Config = dict[str, object]
Words = Mapping[type[Primitive], str]
"""What their configs call a layer with each kind of mixer."""
P = TypeVar("P", bound=Primitive)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelClass:
    """A `...ForCausalLM` of transformers: which weights it has, and what its config says."""

    family: Family
    class_name: str
    rules: Callable[[Architecture], Rules]
    """Raises ValueError, naming the field, for an architecture that the class cannot hold."""
    sizes: Callable[[Architecture], Config]
    """What the config says of the layers of an architecture that `rules` takes."""
    cached_by: type[Primitive] | None = None
    """The mixer without which their cache cannot tell how long the text is, so that the config must switch it off."""
    fitted: Callable[[Architecture, NamedArrays], NamedArrays] = lambda _, weights: weights
    """Their weights, made ready for what their code fixes and no config can say."""

    @property
    def model_type(self) -> str:
        """What transformers calls the family."""
        return self.family.name

    def config(self, architecture: Architecture) -> Config:
        """The whole `config.json`. Raises ValueError as `rules` does."""
        self.rules(architecture)
        tokens = architecture.input
        # the rules refuse other inputs
        assert isinstance(tokens, TokenInput)
        caches = self.cached_by is None or first(architecture, self.cached_by) is not None
        return {
            "architectures": [self.class_name],
            "model_type": self.model_type,
            "dtype": "float32",
            "vocab_size": tokens.vocab_size,
            "hidden_size": architecture.d_model,
            "num_hidden_layers": len(architecture.core),
            "tie_word_embeddings": tokens.tie_embeddings and self.family.ties,
            "max_position_embeddings": MAX_POSITIONS,
            "use_cache": caches,
            **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id")),
            **self.sizes(architecture),
            **_experts_implementation(architecture),
        }


def _experts_implementation(architecture: Architecture) -> Config:
    """The slow one where their fast one stops with an error: it needs whole multiples of 16 bytes, in bfloat16 too."""
    experts = first(architecture, MoE)
    odd = experts is not None and (architecture.d_model % ALIGNED or experts.d_expert % ALIGNED)
    return {"experts_implementation": "eager"} if odd else {}


def first(architecture: Architecture, kind: type[P]) -> P | None:
    """The first part of a kind; parts of a kind are equal, but for what configs say of each layer."""
    return next((part for _, part in architecture.parts() if isinstance(part, kind)), None)


def words(architecture: Architecture, of_kind: Words) -> list[str]:
    """The word of each layer's mixer."""
    return [of_kind[type(mixer)] for layer in architecture.core for mixer in layer.mixers]


def indices(chosen: Iterable[bool]) -> list[int]:
    """The places that are true."""
    return [index for index, is_chosen in enumerate(chosen) if is_chosen]


def heads(architecture: Architecture) -> Config:
    """Attention's heads; one as wide as the model where no layer has any, since a config must say some that fit."""
    attention = first(architecture, Attention)
    if attention is None:
        return {"num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": architecture.d_model}
    return {
        "num_attention_heads": attention.n_heads,
        "num_key_value_heads": attention.n_kv_heads,
        "head_dim": attention.head_dim,
    }


def rope() -> Config:
    """Rotary positions in all of a head's channels."""
    return {"rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA}}


def partial_rope(architecture: Architecture) -> Config:
    """Rotary positions in a share of a head's channels, for families whose configs default to less than all."""
    attention = first(architecture, Attention)
    share = 1.0 if attention is None else attention.rotary_fraction
    return {"rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA, "partial_rotary_factor": share}}


def mamba2_sizes(architecture: Architecture) -> Config:
    """Mamba-2 as granitemoehybrid and bamba say it; one head where no layer has any."""
    mixer, d_model = first(architecture, Recurrence), architecture.d_model
    if mixer is None:
        return {"mamba_n_heads": 1, "mamba_n_groups": 1, "mamba_d_head": d_model, "mamba_expand": 1}
    return {
        "mamba_n_heads": mixer.n_heads,
        "mamba_n_groups": mixer.n_groups,
        "mamba_d_head": mixer.value_dim,
        "mamba_d_state": mixer.key_dim,
        "mamba_d_conv": mixer.conv_width,
        "mamba_expand": mixer.inner_width // d_model,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
    }
