"""Blocks that only some tokens pass: for every other token the sequence is as if that token were not there.

Over a whole sequence the chosen tokens are gathered into a fixed number of slots, in order, with unchosen tokens behind them as
fillers: causal blocks never show a filler to a chosen token. In decoding every row of the batch chooses for itself, so
rows run, and keep their states, one by one.
"""

from dataclasses import replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.quota import Counts, admit
from kernels.quota import quota as quota_of
from search_spaces.quota import quota
from workers.model.layers import Block, Initialiser, Pass, Rows, State
from workers.model.streams import per_token, token_vectors

ADMISSION_WEIGHT = 0.01


class Run(Protocol):
    """What a block does; see `Block.run`."""

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The outputs for the tokens of x and the next state."""


def initial_rows(block: Block, batch_size: int) -> Rows:
    """The state of a block that each row of the batch passes by itself: one state for each row."""
    return [block.initial_state(1) for _ in range(batch_size)]


def run_chosen(block: Run, x: Tensor, chosen_BT: Tensor, n_slots: int, rows: Rows | None, shared: Pass) -> tuple[Tensor, Rows]:
    """The block's outputs for the chosen tokens of x [B, T, ...], zeros for the others; and the rows' next states.

    Without `rows` x is a whole sequence, of which at most `n_slots` tokens may be chosen in each row.
    """
    if rows is None:
        return _gathered(block, x, chosen_BT, n_slots, shared), []
    out, after = torch.zeros_like(x), [*rows]
    for row, chosen_T in enumerate(chosen_BT):
        tokens_S = chosen_T.nonzero()[:, 0]
        if len(tokens_S):
            passed = _of_tokens(shared, shared.positions.expand(chosen_BT.shape)[row : row + 1, tokens_S], None)
            out[row, tokens_S], after[row] = _row(block, x[row, tokens_S], rows[row], passed)
    return out, after


def _row(block: Run, x: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
    out, state = block.run(x[None], state, shared)
    return out[0], state


def _gathered(block: Run, x: Tensor, chosen_BT: Tensor, n_slots: int, shared: Pass) -> Tensor:
    """Gather, run, scatter back. Rows move by permutations, so nothing is added twice, and gradients neither."""
    B, T = chosen_BT.shape
    slot_BS = (~chosen_BT).to(torch.uint8).argsort(dim=1, stable=True)[:, :n_slots]
    index_M = (slot_BS + T * torch.arange(B, device=x.device)[:, None]).flatten()
    valid_BS = _take(chosen_BT, index_M)
    inner = _of_tokens(shared, _take(shared.positions.expand(B, T), index_M), valid_BS)
    out, _ = block.run(_take(x, index_M), None, inner)
    kept = out * per_token(valid_BS, out)
    return kept.new_zeros(B * T, *kept.shape[2:]).index_copy(0, index_M, kept.flatten(0, 1)).view_as(x)


def _take(x: Tensor, index_M: Tensor) -> Tensor:
    """Tokens of x [B, T, ...] by their index among all B T: [B, S, ...]."""
    return torch.unflatten(x.flatten(0, 1).index_select(0, index_M), 0, (x.shape[0], -1))


def _of_tokens(shared: Pass, positions_BT: Tensor, valid_BT: Tensor | None) -> Pass:
    """The pass over some tokens. What other blocks left for all tokens does not fit these, and the other way round."""
    return replace(shared.of_tokens(positions_BT, valid_BT), memory={})


class Admission(nn.Module):
    """Which tokens may enter: those whose own score is above 0, first come, while a share of the tokens so far lasts.

    Training also moves the scores so that the share with the highest scores of every sequence is above 0 and the others
    below (the auxiliary loss of Mixture-of-Depths, arXiv 2404.02258, section 3.5: binary cross-entropy).
    State: how many were admitted and how many seen, int32 [B] each.
    """

    def __init__(self, d_model: int, share: float) -> None:
        super().__init__()
        self.share = share
        self.score = nn.Linear(d_model, 1)

    def initialise(self, init: Initialiser) -> None:
        """No bias: about half of the tokens wish to enter."""
        init.weight(self.score.weight)
        self.score.bias.zero_()

    def initial_state(self, batch_size: int) -> Counts:
        """Nothing seen."""
        none = torch.zeros(batch_size, dtype=torch.int32, device=self.score.weight.device)
        return none, none.clone()

    def n_slots(self, length: int) -> int:
        """Tokens of a whole sequence that may enter at most."""
        return quota(self.share, length)

    def forward(
        self, x_BTD: Tensor, counts: Counts | None, shared: Pass, among_BT: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Counts]:
        """The admitted tokens, bool [B, T]; the sigmoid of every token's score [B, T]; and the next counts.

        Only tokens in `among_BT` may enter, or all; the share is one of all tokens in any case.
        """
        scores_BT = self.score(x_BTD)[..., 0]
        valid_BT = torch.ones_like(scores_BT, dtype=torch.bool) if shared.valid_BT is None else shared.valid_BT
        among_BT = valid_BT if among_BT is None else valid_BT & among_BT
        if counts is None:
            n_highest_B1 = quota_of(self.share, valid_BT.sum(1, keepdim=True))
            shared.losses.append(ADMISSION_WEIGHT * self._loss(scores_BT, among_BT, n_highest_B1))
        admitted_BT, counts = admit((scores_BT > 0) & among_BT, self.share, counts)
        return admitted_BT, scores_BT.sigmoid(), counts

    def _loss(self, scores_BT: Tensor, among_BT: Tensor, n_highest_B1: Tensor) -> Tensor:
        """Mean over the tokens that may enter of how badly the score tells whether it is among the sequence's highest."""
        order_BT = scores_BT.detach().masked_fill(~among_BT, -torch.inf).argsort(dim=1, descending=True, stable=True)
        highest_BT = order_BT.argsort(dim=1) < n_highest_B1
        losses_BT = F.binary_cross_entropy_with_logits(scores_BT, highest_BT.to(scores_BT.dtype), reduction="none")
        return (losses_BT * among_BT).sum() / among_BT.sum().clamp(min=1)


class MixtureOfDepths(Block):
    """A block of which a share of the tokens skips all (arXiv 2404.02258): x + sigmoid(s) (block(x) - x) for the admitted.

    State: that of the block for each row, then the counts of the admission.
    """

    def __init__(self, block: Block, d_model: int, capacity: float) -> None:
        super().__init__()
        self.block = block
        self.admission = Admission(d_model, capacity)

    def initialise(self, init: Initialiser) -> None:
        """The block, then who may enter."""
        self.block.initialise(init)
        self.admission.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of every row, and nothing counted."""
        return initial_rows(self.block, batch_size), self.admission.initial_state(batch_size)

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The stream, [B, T, D] or [B, T, n, D], after the block or past it."""
        rows, counts = (None, None) if state is None else state
        chosen_BT, weight_BT, counts = self.admission(token_vectors(x), counts, shared)
        out, rows = run_chosen(self.block, x, chosen_BT, self.admission.n_slots(x.shape[1]), rows, shared)
        return x + per_token(weight_BT * chosen_BT, x) * (out - x), () if state is None else (rows, counts)
