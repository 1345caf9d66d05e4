"""A table: what every member of a space was measured at, for each rung and seed, so that a search over it needs no training.

Members are known by their architectures' digests. The numbers are in arrays: 100,000 members take some tens of megabytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.protocol import Protocol
from search_spaces.space import Space

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """The results of one architecture by metric, [rung, seed]: on test data, and as the search sees them.

    seconds: what a run at the rung takes that goes on from the rung below, all learning rates together, [rung, seed].
    """

    test: Mapping[str, Array]
    searched: Mapping[str, Array]
    seconds: Array


@dataclass(frozen=True, kw_only=True)
class Table:
    """Members M, rungs R, seeds S, metrics K; `test` and `searched` are [M, R, S, K], `seconds` is [M, R, S].

    protocol: how all of it was measured. metrics: names as objectives use them, `score` among them. members: a digest's index.
    """

    space: Space
    protocol: Protocol
    metrics: tuple[str, ...]
    members: Mapping[bytes, int]
    test: Array
    searched: Array
    seconds: Array

    def __len__(self) -> int:
        return len(self.members)

    @property
    def n_seeds(self) -> int:
        """How often everything was measured."""
        return int(self.test.shape[2])

    @property
    def n_bytes(self) -> int:
        """What the numbers take in memory."""
        shared = self.searched is self.test
        return self.test.nbytes + (0 if shared else self.searched.nbytes) + self.seconds.nbytes

    def find(self, digest: str) -> Member | None:
        """A member's results, or None where the table has no such architecture."""
        index = self.members.get(bytes.fromhex(digest))
        if index is None:
            return None
        return Member(
            test={name: self.test[index, :, :, k] for k, name in enumerate(self.metrics)},
            searched={name: self.searched[index, :, :, k] for k, name in enumerate(self.metrics)},
            seconds=self.seconds[index],
        )

    def with_rungs(self, protocol: Protocol) -> Self:
        """The same with the rungs of this protocol alone, all of which it must have.

        A run takes what it took, and what the rungs took that are left out below it.
        """
        steps = [rung.steps for rung in self.protocol.rungs]
        chosen = [steps.index(rung.steps) for rung in protocol.rungs]
        if len(chosen) == len(steps):
            return self
        test = self.test[:, chosen]
        return replace(
            self,
            protocol=protocol,
            test=test,
            searched=test if self.searched is self.test else self.searched[:, chosen],
            seconds=np.diff(self.seconds.cumsum(axis=1)[:, chosen], axis=1, prepend=0.0),
        )

    def truth(self, digest: str) -> float | None:
        """A member's true score: the mean over seeds at the last rung, on test data. None for an architecture it lacks."""
        index = self.members.get(bytes.fromhex(digest))
        return None if index is None else float(self._truths[index])

    @cached_property
    def best(self) -> float:
        """The best true score of all members."""
        return float(self._truths.max())

    @cached_property
    def _truths(self) -> Array:
        return np.asarray(self.test[:, -1, :, self.metrics.index("score")].mean(axis=1), dtype=np.float64)
