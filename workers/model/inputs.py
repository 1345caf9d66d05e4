"""The two ends of a model: from what it reads to the residual stream, and from the stream to what it predicts.

One class for each input of `search_spaces.inputs`. Between the ends lies the trunk: the backbone and the norm behind it. The
ends call it, because a byte patch decides how often the trunk runs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.rosa import copies, nothing_seen
from search_spaces.architecture import Architecture
from search_spaces.inputs import BytePatchInput, ContinuousInput, TokenInput
from workers.batch import IGNORED
from workers.model.layers import Initialiser, Pass, State, make_norm
from workers.model.stack import Stack

Trunk = Callable[[Tensor, State | None, Pass], tuple[Tensor, State]]
"""A stream [B, T, D] that follows a state, as normed vectors [B, T, D], and the next state."""


class Ends(nn.Module, ABC):
    """Where tokens, or measurements, come in and predictions go out."""

    @abstractmethod
    def initialise(self, init: Initialiser) -> None:
        """Fill every parameter in place."""

    def initial_state(self, batch_size: int) -> State:
        """What the ends keep between tokens, before the first one; the trunk's state is kept beside it."""
        return ()

    @abstractmethod
    def run(self, x: Tensor, state: State | None, n_before: int, shared: Pass, trunk: Trunk) -> tuple[Tensor, State]:
        """The vectors that `predict` reads, for x of T times that follow `n_before` others, and the next state.

        A state is that of the ends and that of the trunk. Without one, x is the whole sequence, and the state returned is
        empty.
        """

    @abstractmethod
    def predict(self, hidden: Tensor) -> Tensor:
        """What comes next at every time, [B, T, ...]."""

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of logits [B, T, V] against tokens [B, T]; targets of `IGNORED` do not count."""
        return F.cross_entropy(predictions.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


class TokenEnds(Ends):
    """An embedding for each token, another for the token it copies where there is a copy channel, and a head.

    State: the copy channel's, see `kernels.rosa`.
    """

    def __init__(self, architecture: Architecture, tokens: TokenInput) -> None:
        super().__init__()
        vocab_size, d_model = tokens.vocab_size, architecture.d_model
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.copied = nn.Embedding(vocab_size, d_model) if tokens.rosa else None
        self.head = None if tokens.tie_embeddings else nn.Linear(d_model, vocab_size, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights."""
        for table in (self.embedding, self.copied, self.head):
            if table is not None:
                init.weight(table.weight)

    def initial_state(self, batch_size: int) -> State:
        """No token seen."""
        return () if self.copied is None else nothing_seen(batch_size, self.embedding.weight.device)

    def run(self, x: Tensor, state: State | None, n_before: int, shared: Pass, trunk: Trunk) -> tuple[Tensor, State]:
        """Embed tokens [B, T], copy, and pass the trunk."""
        own, inner = (self.initial_state(x.shape[0]), None) if state is None else state
        stream = self.embedding(x)
        if self.copied is not None:
            copied, found, own = copies(x, own)
            stream = stream + self.copied(copied) * found[..., None]
        hidden, inner = trunk(stream, inner, shared)
        return hidden, () if state is None else (own, inner)

    def predict(self, hidden: Tensor) -> Tensor:
        """Logits [B, T, V]."""
        return F.linear(hidden, self.table)

    @property
    def table(self) -> Tensor:
        """The head's weights [V, D]."""
        return self.embedding.weight if self.head is None else self.head.weight


class ContinuousEnds(Ends):
    """A matrix with a bias in, another one out."""

    def __init__(self, architecture: Architecture, source: ContinuousInput) -> None:
        super().__init__()
        self.read = nn.Linear(source.n_channels, architecture.d_model)
        self.head = nn.Linear(architecture.d_model, source.n_channels)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, no bias."""
        for linear in (self.read, self.head):
            init.weight(linear.weight)
            linear.bias.zero_()

    def run(self, x: Tensor, state: State | None, n_before: int, shared: Pass, trunk: Trunk) -> tuple[Tensor, State]:
        """Map measurements [B, T, C] in and pass the trunk."""
        stream = self.read(x.to(self.read.weight.dtype))
        hidden, inner = trunk(stream, None if state is None else state[1], shared)
        return hidden, () if state is None else ((), inner)

    def predict(self, hidden: Tensor) -> Tensor:
        """The next measurements [B, T, C]."""
        predictions: Tensor = self.head(hidden)
        return predictions

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(predictions, targets)


class BytePatchEnds(Ends):
    """Bytes in patches: the trunk runs once for a patch, with the patch before as its input, `within` once for a byte.

    State: the bytes of the current patch (int32), what the trunk made of the patch before, and the state within the patch.
    Letters: N patches, P bytes of one, E the width of a byte.
    """

    def __init__(self, architecture: Architecture, source: BytePatchInput) -> None:
        super().__init__()
        d_model, d_byte = architecture.d_model, source.d_byte
        self.patch_size = source.patch_size
        self.embedding = nn.Embedding(source.vocab_size, d_byte)
        self.start = nn.Parameter(torch.empty(d_model))
        self.patch_in = nn.Linear(source.patch_size * d_byte, d_model, bias=False)
        self.patch_out = nn.Linear(d_model, source.patch_size * d_byte, bias=False)
        self.within = Stack(source.within, d_byte, architecture.norm)
        self.norm = make_norm(architecture.norm, d_byte)
        self.head = None if source.tie_embeddings else nn.Linear(d_byte, source.vocab_size, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights; the start is like any other input of the trunk."""
        for linear in (self.embedding, self.patch_in, self.patch_out, self.head):
            if linear is not None:
                init.weight(linear.weight)
        init.weight(self.start)
        self.within.initialise(init)
        self.norm.initialise()

    def initial_state(self, batch_size: int) -> State:
        """No byte of no patch."""
        none = torch.empty(batch_size, 0, dtype=torch.int32, device=self.start.device)
        return none, self.start.new_zeros(batch_size, len(self.start)), self.within.initial_state(batch_size)

    def run(self, x: Tensor, state: State | None, n_before: int, shared: Pass, trunk: Trunk) -> tuple[Tensor, State]:
        """Bytes [B, T]; they may begin and end anywhere in a patch."""
        if state is None:
            return self._whole(x, shared, trunk), ()
        (current_BP, z_BD, within), inner = state
        n_current, out = self.patch_size - current_BP.shape[1] if n_before else 0, []
        current, new = x[:, :n_current], x[:, n_current:]
        if current.shape[1]:
            hidden, within = self._bytes(current, current_BP.shape[1], z_BD, within, shared)
            current_BP, out = torch.cat([current_BP, current.to(torch.int32)], dim=1), [hidden]
        if new.shape[1]:
            n_new, first = self._n_patches(new.shape[1]), self._n_patches(n_before)
            full, last = new.tensor_split([(n_new - 1) * self.patch_size], dim=1)
            stream = self._patches(torch.cat([current_BP, full], dim=1), is_start=first == 0)
            z_BND, inner = trunk(stream, inner, _pass(first, n_new, stream, shared))
            if full.shape[1]:
                out.append(self._full(full, z_BND[:, :-1], None, shared))
            current_BP, z_BD, within = last.to(torch.int32), z_BND[:, -1], self.within.initial_state(x.shape[0])
            hidden, within = self._bytes(last, 0, z_BD, within, shared)
            out.append(hidden)
        return torch.cat(out, dim=1), ((current_BP, z_BD, within), inner)

    def predict(self, hidden: Tensor) -> Tensor:
        """Logits [B, T, V]."""
        return F.linear(hidden, (self.embedding if self.head is None else self.head).weight)

    def _whole(self, tokens_BT: Tensor, shared: Pass, trunk: Trunk) -> Tensor:
        """All at once; the last patch is filled up with bytes that count for nothing."""
        batch_size, length = tokens_BT.shape
        n_patches, n_filler = self._n_patches(length), -length % self.patch_size
        stream = self._patches(tokens_BT[:, : (n_patches - 1) * self.patch_size], is_start=True)
        z_BND, _ = trunk(stream, None, _pass(0, n_patches, stream, shared))
        filled = F.pad(tokens_BT, (0, n_filler))
        is_byte = torch.arange(filled.shape[1], device=filled.device) < length
        valid = is_byte.expand(batch_size, -1).reshape(-1, self.patch_size) if n_filler else None
        return self._full(filled, z_BND, valid, shared)[:, :length]

    def _patches(self, tokens_BT: Tensor, is_start: bool) -> Tensor:
        """What the trunk reads of whole patches [B, N P], after the learned start where it is the first: [B, N, D]."""
        bytes_BTE = self.embedding(tokens_BT)
        patches_BND = self.patch_in(bytes_BTE.reshape(tokens_BT.shape[0], -1, self.patch_in.in_features))
        return torch.cat([self.start.expand(tokens_BT.shape[0], 1, -1), patches_BND], dim=1) if is_start else patches_BND

    def _full(self, tokens_BT: Tensor, z_BND: Tensor, valid: Tensor | None, shared: Pass) -> Tensor:
        """Whole patches [B, N P] with what the trunk made of those before each: [B, N P, E]."""
        bytes_BTE = self.embedding(tokens_BT) + self.patch_out(z_BND).reshape(tokens_BT.shape[0], tokens_BT.shape[1], -1)
        bytes_MPE = bytes_BTE.reshape(-1, self.patch_size, bytes_BTE.shape[-1])
        hidden, _ = self.within.run(bytes_MPE, None, _pass(0, self.patch_size, bytes_MPE, shared, valid))
        normed: Tensor = self.norm(hidden)
        return normed.reshape(bytes_BTE.shape)

    def _bytes(self, tokens_BT: Tensor, first: int, z_BD: Tensor, within: State, shared: Pass) -> tuple[Tensor, State]:
        """Bytes of one patch, from its byte `first` on: [B, T, E] and the next state within the patch."""
        bytes_BTE = self.embedding(tokens_BT)
        length, width = bytes_BTE.shape[1:]
        rows = self.patch_out.weight[first * width : (first + length) * width]
        bytes_BTE = bytes_BTE + F.linear(z_BD, rows).view_as(bytes_BTE)
        hidden, within = self.within.run(bytes_BTE, within, _pass(first, length, bytes_BTE, shared))
        return self.norm(hidden), within

    def _n_patches(self, n_bytes: int) -> int:
        return math.ceil(n_bytes / self.patch_size)


def _pass(first: int, length: int, x: Tensor, shared: Pass, valid: Tensor | None = None) -> Pass:
    """A pass over other positions, of patches or within one; its losses go to the same place."""
    return Pass(torch.arange(first, first + length, device=x.device), valid_BT=valid, losses=shared.losses)


def make_ends(architecture: Architecture) -> Ends:
    """The ends of the architecture's input, their parameters still without values."""
    source = architecture.input
    if isinstance(source, BytePatchInput):
        return BytePatchEnds(architecture, source)
    if isinstance(source, ContinuousInput):
        return ContinuousEnds(architecture, source)
    return TokenEnds(architecture, source)
