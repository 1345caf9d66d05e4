"""What a model is trained to predict beside the next token. These heads train only: decoding never runs them."""

from typing import Annotated

from pydantic import Field

from search_spaces.document import Document


class MultiTokenPrediction(Document):
    """DeepSeek-V3's sequential heads (arXiv 2412.19437, 2404.19737): h'_t = Block(W [norm(h_t); norm(e_t+1)]) predicts t + 2
    with the model's own head; the block is the model's last layer again, with weights of its own."""

    n_tokens: Annotated[int, Field(ge=1, le=4)] = 1
    """Tokens beyond the next one; each head reads the one before."""
    weight: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Weight of the mean of these losses."""


class NextLatent(Document):
    """Next-latent prediction (arXiv 2511.05963): a small network foretells the model's next hidden state from this one and
    the next token: smooth L1 to that state (no gradient through it), and KL between the token distributions of both."""

    d_hidden: Annotated[int, Field(ge=1, le=65_536)]
    """Hidden width of the network."""
    latent_weight: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Weight of the distance."""
    kl_weight: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Weight of the divergence."""
