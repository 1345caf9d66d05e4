"""Choosing experts, and running the chosen ones: static shapes, no data leaves the device, same bits every run.

Switch (arXiv 2101.03961), Mixtral (2401.04088), DeepSeek-V3 (2412.19437), loss-free balancing by bias (2408.15664).
Letters: N tokens, K choices per token, E experts, D model width, F expert width, M = N K choices in all.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose


def choose_by_softmax(logits_NE: Tensor, top_k: int, normalise: bool = True) -> tuple[Tensor, Tensor]:
    """The experts [N, K] with the largest logits, and their softmax weights [N, K].

    The softmax is over the chosen, so that weights sum to 1, or without `normalise` over all experts (Switch).
    """
    if normalise:
        top_NK, experts_NK = logits_NE.topk(top_k, dim=-1)
        return top_NK.softmax(dim=-1), experts_NK
    return logits_NE.softmax(dim=-1).topk(top_k, dim=-1)


def choose_by_biased_sigmoid(logits_NE: Tensor, bias_E: Tensor, top_k: int, normalise: bool = False) -> tuple[Tensor, Tensor]:
    """The experts [N, K] with the largest sigmoid score + bias; their weights [N, K] are the scores without bias.

    With `normalise` (DeepSeek-V3) they are divided by their sum.
    """
    scores_NE = logits_NE.sigmoid()
    experts_NK = (scores_NE + bias_E).topk(top_k, dim=-1).indices
    weights_NK = scores_NE.gather(-1, experts_NK)
    return weights_NK / weights_NK.sum(-1, keepdim=True) if normalise else weights_NK, experts_NK


def expert_loads(experts_NK: Tensor, n_experts: int, counted_N: Tensor | None = None) -> Tensor:
    """How many choices of the tokens that count fell on each expert, [E], integers."""
    chosen_NKE = experts_NK[..., None] == torch.arange(n_experts, device=experts_NK.device)
    if counted_N is not None:
        chosen_NKE = chosen_NKE & counted_N[:, None, None]
    return chosen_NKE.flatten(0, 1).sum(0)


def balance_loss(logits_NE: Tensor, experts_NK: Tensor, counted_N: Tensor | None = None) -> Tensor:
    """E * sum_i f_i P_i: f_i the share of choices on expert i, P_i its mean softmax score. 1 when balanced.

    Only the tokens in `counted_N` count; with none of them the loss is 0.
    """
    (N, E), K = logits_NE.shape, experts_NK.shape[-1]
    scores_NE = logits_NE.softmax(dim=-1)
    if counted_N is None:
        return E * (expert_loads(experts_NK, E) / (N * K) * scores_NE.mean(0)).sum()
    n_counted = counted_N.sum().clamp(min=1)
    share_E = expert_loads(experts_NK, E, counted_N) / (n_counted * K)
    return E * (share_E * (scores_NE * counted_N[:, None]).sum(0) / n_counted).sum()


GROUPED_DTYPES = (torch.float32, torch.bfloat16)

Seen = Callable[[Tensor], Tensor]


def _unchanged(hidden: Tensor) -> Tensor:
    return hidden


def experts(
    x_ND: Tensor, weights_NK: Tensor, experts_NK: Tensor, w_in_EDF: Tensor, w_out_EFD: Tensor, seen: Seen = _unchanged
) -> Tensor:
    """Weighted sum of the chosen SwiGLU experts, [N, D].

    `w_in_EDF` is [E, D, 2 F]: gate and up side by side; `w_out_EFD` multiplies `seen` of the hidden vectors, which rounds them
    in low-bit training. Raises ValueError for shapes that do not fit.
    """
    (E, D, F2), N = w_in_EDF.shape, x_ND.shape[0]
    if w_out_EFD.shape != (E, F2 // 2, D) or x_ND.shape != (N, D) or F2 % 2:
        raise ValueError(f"x {[*x_ND.shape]}, w_in {[*w_in_EDF.shape]} and w_out {[*w_out_EFD.shape]} do not fit")
    if _can_group(x_ND, w_out_EFD, experts_NK.numel()):
        form = choose({"reference": experts_reference, "blocked": experts_blocked, "grouped": experts_grouped})
    else:
        form = choose({"reference": experts_reference, "blocked": experts_blocked})
    return form(x_ND, weights_NK, experts_NK, w_in_EDF, w_out_EFD, seen)


def experts_reference(
    x_ND: Tensor, weights_NK: Tensor, experts_NK: Tensor, w_in_EDF: Tensor, w_out_EFD: Tensor, seen: Seen
) -> Tensor:
    """The definition: every expert sees every token, and counts for those that chose it."""
    out_ND = torch.zeros_like(x_ND)
    for expert, (w_in_DF, w_out_FD) in enumerate(zip(w_in_EDF, w_out_EFD, strict=True)):
        weight_N = (weights_NK * (experts_NK == expert)).sum(-1)
        out_ND = out_ND + weight_N[:, None] * _swiglu(x_ND, w_in_DF, w_out_FD, seen)
    return out_ND


def experts_blocked(
    x_ND: Tensor, weights_NK: Tensor, experts_NK: Tensor, w_in_EDF: Tensor, w_out_EFD: Tensor, seen: Seen
) -> Tensor:
    """The same by one batched product over blocks of rows that share an expert.

    Choices are sorted by expert and every expert's rows start at a new block, so the number of blocks has a bound that
    depends on shapes only; blocks that stay empty are zeros. Rows move by permutations, so nothing is added twice.
    """
    N, K = experts_NK.shape
    rows = block_rows(N * K, w_in_EDF.shape[0])
    slots_M, expert_of_block = _block_layout(experts_NK.flatten(), w_in_EDF.shape[0], rows)
    x_MD = x_ND[:, None].expand(-1, K, -1).flatten(0, 1)
    x_blocks = x_MD.new_zeros(len(expert_of_block) * rows, x_MD.shape[-1]).index_copy(0, slots_M, x_MD)
    w_in, w_out = _rows_of(w_in_EDF, expert_of_block), _rows_of(w_out_EFD, expert_of_block)
    out_blocks = _swiglu(torch.unflatten(x_blocks, 0, (-1, rows)), w_in, w_out, seen).flatten(0, 1)
    return (torch.unflatten(out_blocks.index_select(0, slots_M), 0, (N, K)) * weights_NK[..., None]).sum(1)


def experts_grouped(
    x_ND: Tensor, weights_NK: Tensor, experts_NK: Tensor, w_in_EDF: Tensor, w_out_EFD: Tensor, seen: Seen
) -> Tensor:
    """The same with torch's grouped product: rows sorted by expert, and where each expert's rows end.

    Weights multiply the hidden vectors, which are narrower than the outputs.
    """
    order_M = experts_NK.flatten().argsort(stable=True)
    token_M = order_M // experts_NK.shape[1]
    ends_E = expert_loads(experts_NK, len(w_in_EDF)).cumsum(0).to(torch.int32)
    gate_MF, up_MF = F.grouped_mm(x_ND.index_select(0, token_M), w_in_EDF, offs=ends_E).chunk(2, dim=-1)
    weight_M1 = weights_NK.flatten().index_select(0, order_M)[:, None]
    hidden_MF = seen(F.silu(gate_MF) * up_MF) * weight_M1
    out_MD = F.grouped_mm(hidden_MF, w_out_EFD, offs=ends_E)
    return torch.zeros_like(x_ND).index_add(0, token_M, out_MD)


def _can_group(x_ND: Tensor, w_out_EFD: Tensor, n_choices: int) -> bool:
    """Whether torch has the grouped product for these rows, and it can pay: a few choices are better looked up in blocks.

    On a processor rows are added in order; on a GPU they would not be. torch wants rows of a multiple of 16 bytes.
    """
    (E, width, D), bytes_each = w_out_EFD.shape, x_ND.element_size()
    aligned = D * bytes_each % 16 == 0 and width * bytes_each % 16 == 0
    return x_ND.device.type == "cpu" and x_ND.dtype in GROUPED_DTYPES and aligned and n_choices >= 4 * E


def block_rows(n_choices: int, n_experts: int) -> int:
    """Rows of a block: the power of two at or below a quarter of an expert's mean load, from 1 to 64."""
    quarter = n_choices // n_experts // 4
    return 1 << min(max(quarter.bit_length() - 1, 0), 6)


def _block_layout(experts_M: Tensor, n_experts: int, rows: int) -> tuple[Tensor, Tensor]:
    """The row of each choice among the blocks' rows, and the expert of each block."""
    n_choices, device = len(experts_M), experts_M.device
    n_blocks = (n_choices + min(n_experts, n_choices) * (rows - 1)) // rows
    order_M = experts_M.argsort(stable=True)
    loads_E = expert_loads(experts_M[:, None], n_experts)
    blocks_E = (loads_E + rows - 1) // rows
    last_block_E = blocks_E.cumsum(0)
    # how far an expert's first row moves when its rows start at a new block
    shift_E = (last_block_E - blocks_E) * rows - (loads_E.cumsum(0) - loads_E)
    rank_M = torch.empty_like(order_M).index_copy(0, order_M, torch.arange(n_choices, device=device))
    expert_of_block = torch.searchsorted(last_block_E, torch.arange(n_blocks, device=device), right=True)
    return rank_M + shift_E[experts_M], expert_of_block.clamp(max=n_experts - 1)


def _rows_of(weight_EXY: Tensor, index: Tensor) -> Tensor:
    """weight[index]; as an embedding, whose gradient is summed in a fixed order on every device."""
    return torch.unflatten(F.embedding(index, weight_EXY.flatten(1)), 1, weight_EXY.shape[1:])


def _swiglu(x: Tensor, w_in: Tensor, w_out: Tensor, seen: Seen) -> Tensor:
    gate, up = (x @ w_in).chunk(2, dim=-1)
    return seen(F.silu(gate) * up) @ w_out
