"""Which earlier tokens a token sees, for causal attention: a mask for whole sequences, places for one token.

Sliding window and global tokens (arXiv 2004.05150), strided and fixed (1904.10509), BigBird (2007.14062). Every token sees
itself and none sees a later one. Places count from 0, the first token that has a key.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

DEVICE = torch.device("cpu")


class Visibility(ABC):
    """A rule that says which tokens see which."""

    @abstractmethod
    def mask(self, query_T: Tensor, key_S: Tensor) -> Tensor:
        """Whether the queries at those places see the keys at these, [T, S]."""

    @abstractmethod
    def last(self, n_keys: int, device: torch.device = DEVICE) -> Tensor | None:
        """The places, rising, of the keys that the last of `n_keys` tokens sees; None when it sees all of them."""


@dataclass(frozen=True)
class Window(Visibility):
    """The last `size` tokens, the current one included (all without a size), and the first `n_global`.

    Raises ValueError for a size below 1.
    """

    size: int | None = None
    n_global: int = 0

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"window {self.size} must be at least 1")

    def mask(self, query_T: Tensor, key_S: Tensor) -> Tensor:
        """Distances from 0 to below the size, and global keys that are not later."""
        distance_TS = query_T[:, None] - key_S
        causal_TS = distance_TS >= 0
        if self.size is None:
            return causal_TS
        return causal_TS & ((distance_TS < self.size) | (key_S < self.n_global))

    def last(self, n_keys: int, device: torch.device = DEVICE) -> Tensor | None:
        """The global places before the window, then the window."""
        if self.size is None or n_keys <= self.size + self.n_global:
            return None
        first = torch.arange(self.n_global, device=device)
        return torch.cat([first, torch.arange(n_keys - self.size, n_keys, device=device)])


@dataclass(frozen=True)
class Strided(Visibility):
    """Distances below `stride`, and multiples of it."""

    stride: int

    def mask(self, query_T: Tensor, key_S: Tensor) -> Tensor:
        """By distance alone."""
        distance_TS = query_T[:, None] - key_S
        return (distance_TS >= 0) & ((distance_TS < self.stride) | (distance_TS % self.stride == 0))

    def last(self, n_keys: int, device: torch.device = DEVICE) -> Tensor | None:
        """Far places with the last one's remainder, then the near ones."""
        if n_keys <= self.stride:
            return None
        far = torch.arange((n_keys - 1) % self.stride, n_keys - self.stride, self.stride, device=device)
        return torch.cat([far, torch.arange(n_keys - self.stride, n_keys, device=device)])


@dataclass(frozen=True)
class Fixed(Visibility):
    """The own block of `stride` tokens, and the last `n_summary` tokens of every block before."""

    stride: int
    n_summary: int

    def mask(self, query_T: Tensor, key_S: Tensor) -> Tensor:
        """Same block, or a summary place."""
        same_TS = query_T[:, None] // self.stride == key_S // self.stride
        summary_S = key_S % self.stride >= self.stride - self.n_summary
        return (query_T[:, None] >= key_S) & (same_TS | summary_S)

    def last(self, n_keys: int, device: torch.device = DEVICE) -> Tensor | None:
        """Summaries of the full blocks before, then the own block."""
        n_blocks = (n_keys - 1) // self.stride
        if n_blocks == 0:
            return None
        summary = torch.arange(self.stride - self.n_summary, self.stride, device=device)
        before = torch.arange(n_blocks, device=device)[:, None] * self.stride + summary
        return torch.cat([before.flatten(), torch.arange(n_blocks * self.stride, n_keys, device=device)])


@dataclass(frozen=True)
class BigBird(Visibility):
    """Blocks of `block_size`: the own one, the one before, the first `n_global`, and `n_random` of the others before.

    Block b has n = b - 1 - n_global others. They are cut into `n_random` shares, share i from i n // n_random to
    (i + 1) n // n_random, and of each that is not empty the one at hash(b, i) modulo its size is seen.
    """

    block_size: int
    n_global: int
    n_random: int

    def mask(self, query_T: Tensor, key_S: Tensor) -> Tensor:
        """By blocks, and causally within the own one."""
        query_block_T1, key_block_S = query_T[:, None] // self.block_size, key_S // self.block_size
        distance_TS = query_block_T1 - key_block_S
        seen_TS = (distance_TS <= 1) | (key_block_S < self.n_global)
        for share in range(self.n_random):
            block_T1, some_T1 = self._random_block(query_block_T1, share)
            seen_TS = seen_TS | ((key_block_S == block_T1) & some_T1)
        return seen_TS & (query_T[:, None] >= key_S)

    def last(self, n_keys: int, device: torch.device = DEVICE) -> Tensor | None:
        """Whole blocks before, then the own one up to the last place."""
        own = (n_keys - 1) // self.block_size
        if own <= 1 + self.n_global + self.n_random:
            return None
        block = torch.tensor(own, device=device)
        chosen = [self._random_block(block, share)[0] for share in range(self.n_random)]
        first = torch.arange(self.n_global, device=device)
        blocks = torch.cat([first, *(block[None] for block in chosen), torch.tensor([own - 1], device=device)])
        before = blocks[:, None] * self.block_size + torch.arange(self.block_size, device=device)
        return torch.cat([before.flatten(), torch.arange(own * self.block_size, n_keys, device=device)])

    def _random_block(self, block: Tensor, share: int) -> tuple[Tensor, Tensor]:
        """The block that those blocks see of a share of the others, and whether the share has any."""
        others = (block - 1 - self.n_global).clamp(min=0)
        start, end = share * others // self.n_random, (share + 1) * others // self.n_random
        size = end - start
        return self.n_global + start + _hash(block, share) % size.clamp(min=1), size > 0


def _hash(block: Tensor, share: int) -> Tensor:
    """A number below 2^32 that looks random: both numbers times odd constants, then two rounds of mixing the bits."""
    h = (block * 2_654_435_761 + (share + 1) * 2_246_822_519) & 0xFFFF_FFFF
    h = ((h ^ (h >> 16)) * 0x45D9_F3B) & 0xFFFF_FFFF
    h = ((h ^ (h >> 16)) * 0x45D9_F3B) & 0xFFFF_FFFF
    return h ^ (h >> 16)
