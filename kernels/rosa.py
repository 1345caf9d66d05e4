"""ROSA, the copy channel of RWKV-8: which token followed the last time the sequence looked as it does now.

For token i: the longest suffix of tokens 0..i that also ends at an earlier j, the most recent such j, and token j + 1. The
lengths of all suffixes that two positions share are runs along the diagonals i - j of the matrix of equal tokens, so each
diagonal needs only the last position where it had two different tokens. One pass over blocks of tokens: no suffix automaton, no
host, and decoding carries on where a block ended.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 128
"""Tokens that are compared with all before them at once: what bounds the memory."""

Seen = tuple[Tensor, Tensor]
"""After n tokens: the tokens [B, n], and for each distance 1..n the last position whose token differs from the one that far
before it [B, n], where a position closer to the start than the distance differs. Both int32."""


def nothing_seen(batch_size: int, device: torch.device) -> Seen:
    """Before the first token."""
    none = torch.empty(batch_size, 0, dtype=torch.int32, device=device)
    return none, none


def copies(tokens_BT: Tensor, seen: Seen) -> tuple[Tensor, Tensor, Seen]:
    """For integers that follow `seen`: the tokens to copy [B, T], whether there is one [B, T], and what is seen now."""
    tokens, found = [], []
    for start in range(0, tokens_BT.shape[1], BLOCK):
        block_tokens, block_found, seen = _block(tokens_BT[:, start : start + BLOCK], seen)
        tokens.append(block_tokens)
        found.append(block_found)
    return torch.cat(tokens, dim=1), torch.cat(found, dim=1), seen


def _block(tokens_BT: Tensor, seen: Seen) -> tuple[Tensor, Tensor, Seen]:
    """`copies` for a few tokens. N counts distances, from 1 to all tokens so far."""
    past_BN, mismatch_BN = seen
    n_before, n_new = past_BN.shape[1], tokens_BT.shape[1]
    all_BN = torch.cat([past_BN, tokens_BT.to(torch.int32)], dim=1)
    at_T = torch.arange(n_before, n_before + n_new, dtype=torch.int32, device=tokens_BT.device)
    distance_N = torch.arange(1, n_before + n_new + 1, dtype=torch.int32, device=tokens_BT.device)
    earlier_NT = at_T - distance_N[:, None]
    same = all_BN[:, earlier_NT.clamp(min=0)] == all_BN[:, None, n_before:]
    mismatch_BNT = torch.where(same & (earlier_NT >= 0), -1, at_T).cummax(dim=-1).values
    # what is filled in counts for nothing: the first new token has a mismatch at every distance beyond the old ones
    mismatch_BNT = torch.maximum(mismatch_BNT, F.pad(mismatch_BN, (0, n_new))[..., None])
    length_BNT = at_T - mismatch_BNT
    # the longest suffix first, then the smallest distance; one number orders both, so no two candidates are equal
    best_BT = (length_BNT.long() * len(distance_N) - distance_N[:, None]).argmax(dim=1)
    found = length_BNT.gather(1, best_BT[:, None])[:, 0] > 0
    copied = all_BN.gather(1, (at_T - best_BT).long())
    return copied, found, (all_BN, mismatch_BNT[..., -1])
