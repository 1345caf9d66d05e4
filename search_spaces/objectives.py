"""What a model is trained to predict beside the next token. These heads train only: decoding never runs them."""

from typing import Annotated

from pydantic import Field

from search_spaces.document import Document
from search_spaces.layer import Layer
from search_spaces.primitives.attention import Attention


class MultiTokenPrediction(Document):
    """DeepSeek-V3's sequential heads (arXiv 2412.19437, 2404.19737): h'_t = norm(Block(W [norm(h_t); norm(e_t+1)])) predicts
    t + 2 with the model's own head; the block is the model's last layer again, with weights, and keys, of its own."""

    n_tokens: Annotated[int, Field(ge=1, le=4)] = 1
    """Tokens beyond the next one; each head reads the one before."""
    weight: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Weight of the mean of these losses."""


class NextLatent(Document):
    """Next-latent prediction (arXiv 2511.05963): a network of three matrices foretells the model's next hidden state from this
    one and the next token: smooth L1 to that state (no gradient through it), and KL between the token distributions of both."""

    d_hidden: Annotated[int, Field(ge=1, le=65_536)]
    """Width of the network's two hidden layers."""
    latent_weight: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Weight of the distance."""
    kl_weight: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Weight of the divergence."""


def block_of(last: Layer) -> Layer:
    """The block of a multi-token head: the model's last layer, which has neither another layer nor another loop beside it."""
    alone = {"share_kv": False, "loop_kv": "own", "loop_window": None}
    mixers = (mixer.model_copy(update=alone) if isinstance(mixer, Attention) else mixer for mixer in last.mixers)
    return last.model_copy(update={"mixers": tuple(mixers)})
