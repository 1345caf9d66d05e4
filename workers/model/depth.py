"""Looped cores that spend more loops on some tokens than on others: by halting, or by routers.

Routed tokens (Mixture-of-Recursions, arXiv 2507.10524) see in each loop only those that are in it too, so keys and states are
kept for each loop apart. The share of tokens in a loop never exceeds its capacity, counted over the tokens so far.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kernels.quota import admit, no_counts
from kernels.routing import balance_loss
from search_spaces.architecture import Architecture
from search_spaces.loop import PONDER_WEIGHT, Loop
from search_spaces.quota import quota
from workers.model.layers import Initialiser, Pass, Rows, State
from workers.model.loop import Core, LoopedCore, LoopEntry
from workers.model.selection import Admission, initial_rows, run_chosen
from workers.model.stack import Stack
from workers.model.streams import per_token, token_vectors

HALTED = 0.99
"""Adaptive computation time's 1 - epsilon: a token halts once its halting probabilities sum to this."""
BALANCE_WEIGHT = 0.1
"""Of the loss that spreads tokens over the numbers of loops, as Mixture-of-Recursions has it."""


class HaltingCore(LoopedCore):
    """Adaptive computation time (arXiv 1603.08983), as in the Universal Transformer: each token halts by itself.

    After every loop but the last a token halts with probability p = sigmoid(w h + b). Once these sum to `HALTED` the token
    keeps its value; that loop, or the last, gets what is left of 1. The output is the mean of a token's values, so weighted.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.halting = nn.Linear(architecture.d_model, 1)
        self.ponder_weight = architecture.loop.ponder_weight or PONDER_WEIGHT

    def initialise(self, init: Initialiser) -> None:
        """Halting starts near a half."""
        super().initialise(init)
        init.weight(self.halting.weight)
        self.halting.bias.zero_()

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The weighted mean of the loops' outputs; adds the mean number of loops to the losses."""
        n_loops, after = self.loops_of(state), []
        h, out, left_BT = x, torch.zeros_like(x), x.new_ones(x.shape[:2])
        expected_BT = torch.zeros_like(left_BT)
        for loop in range(n_loops):
            looped, loop_state = self.run_loop(h, x, loop, state, shared)
            after.append(loop_state)
            h = torch.where(per_token(left_BT > 0, x), looped, h)
            weight_BT = left_BT if loop + 1 == n_loops else self._weight(h, left_BT)
            out, left_BT = out + per_token(weight_BT, x) * h, left_BT - weight_BT
            expected_BT = expected_BT + weight_BT * (loop + 1)
        shared.losses.append(self.ponder_weight * expected_BT.mean())
        return out, tuple(after)

    def _weight(self, h: Tensor, left_BT: Tensor) -> Tensor:
        """The halting probability, or all that is left of 1 where the token halts."""
        probability_BT = self.halting(token_vectors(h))[..., 0].sigmoid()
        return torch.where(left_BT - probability_BT > 1 - HALTED, probability_BT, left_BT)


@dataclass(frozen=True)
class _Loop:
    """A loop over the stream and the core's input side by side, [B, T, ..., 2 D]; the latter passes unchanged."""

    entry: LoopEntry
    layers: Stack
    loop: int

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """Both again, and the layers' next state."""
        h, core_input = x.chunk(2, dim=-1)
        h, state = self.layers.run(self.entry(h, core_input, self.loop), state, shared)
        return torch.cat([h, core_input], dim=-1), state


class RoutedCore(LoopedCore):
    """A core whose later loops run some tokens only. State of those loops: the layers' for each row, and the counts."""

    def initial_state(self, batch_size: int) -> State:
        """No token counted."""
        first, *_ = super().initial_state(batch_size)
        nobody = torch.zeros(batch_size, 0, dtype=torch.bool, device=next(self.layers.parameters()).device)
        later = range(1, self.n_loops)
        return first, *((initial_rows(self.layers, batch_size), no_counts(nobody)) for _ in later)

    def of_chosen(
        self, h: Tensor, core_input: Tensor, loop: int, chosen_BT: Tensor, rows: Rows | None, shared: Pass
    ) -> tuple[Tensor, Rows]:
        """The loop's output for the chosen tokens, h for the others; and the rows' next states."""
        n_slots = quota(self.share(loop), h.shape[1])
        one, both = _Loop(self.entry, self.layers, loop), torch.cat([h, core_input], dim=-1)
        out, rows = run_chosen(one, both, chosen_BT, n_slots, rows, shared.in_loop(loop))
        return torch.where(per_token(chosen_BT, h), out.chunk(2, dim=-1)[0], h), rows

    def share(self, loop: int) -> float:
        """Of all tokens, those that may be in the loop."""
        return self.loop.capacity(loop, self.n_loops)


class TokenChoiceCore(RoutedCore):
    """A router gives each token its number of loops at once: n = argmax p, p = softmax(W x + b); out = x + p_n (h_n - x)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.router = nn.Linear(architecture.d_model, architecture.n_loops)

    def initialise(self, init: Initialiser) -> None:
        """No number of loops is preferred."""
        super().initialise(init)
        init.weight(self.router.weight)
        self.router.bias.zero_()

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The weighted output; adds the balance of the choices to the losses."""
        logits_BTR = self.router(token_vectors(x))
        weight_BT, choice_BT = logits_BTR.softmax(dim=-1).max(dim=-1)
        valid_N = None if shared.valid_BT is None else shared.valid_BT.flatten()
        shared.losses.append(BALANCE_WEIGHT * balance_loss(logits_BTR.flatten(0, 1), choice_BT.reshape(-1, 1), valid_N))
        h, loop_state = self.run_loop(x, x, 0, state, shared)
        after, chosen_BT = [loop_state], torch.ones_like(choice_BT, dtype=torch.bool)
        for loop in range(1, self.n_loops):
            rows, counts = (None, None) if state is None else state[loop]
            chosen_BT, counts = admit(chosen_BT & (choice_BT >= loop), self.share(loop), counts)
            h, rows = self.of_chosen(h, x, loop, chosen_BT, rows, shared)
            after.append((rows, counts))
        return x + per_token(weight_BT, x) * (h - x), tuple(after)


class ExpertChoiceCore(RoutedCore):
    """Before every later loop a token of the loop before goes on if its score s is above 0: h + sigmoid(s) (f(h) - h)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        shares = (self.share(loop) for loop in range(1, self.n_loops))
        self.admissions = nn.ModuleList(Admission(architecture.d_model, share) for share in shares)

    def initialise(self, init: Initialiser) -> None:
        """About half of a loop's tokens wish to go on."""
        super().initialise(init)
        for admission in self.admissions:
            if isinstance(admission, Admission):
                admission.initialise(init)

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The output after the last loop of each token."""
        h, loop_state = self.run_loop(x, x, 0, state, shared)
        after, chosen_BT = [loop_state], None
        for loop, admission in enumerate(self.admissions, start=1):
            rows, counts = (None, None) if state is None else state[loop]
            chosen_BT, weight_BT, counts = admission(token_vectors(h), counts, shared, chosen_BT)
            out, rows = self.of_chosen(h, x, loop, chosen_BT, rows, shared)
            h = h + per_token(weight_BT, h) * (out - h)
            after.append((rows, counts))
        return h, tuple(after)


CORES: dict[str, type[LoopedCore]] = {
    "fixed": LoopedCore,
    "halting": HaltingCore,
    "token_choice": TokenChoiceCore,
    "expert_choice": ExpertChoiceCore,
}


def make_core(architecture: Architecture) -> Core:
    """The core, its tokens looping as the architecture says; its parameters are still without values."""
    if architecture.n_loops == architecture.n_eval_loops == 1 and architecture.loop == Loop():
        return Core(architecture)
    return CORES[architecture.loop.depth](architecture)
