"""The tree of decisions that trials have made, to find those that nobody has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from nas.sampling.grid import count


@dataclass(slots=True, eq=False)
class Node:
    """What is decided next after some decisions. n_values: of the gene, None for a real interval; n_done: finished below."""

    parent: "Node | None" = None
    children: dict[Any, "Node"] = field(default_factory=dict)
    n_values: int | None = None
    n_done: int = 0
    ended: bool = False

    @property
    def done(self) -> bool:
        """Whether everything that begins with these decisions has been tried."""
        return self.ended or self.n_done == self.n_values

    def below(self, value: Any, n_values: int | None) -> "Node":
        """The node after the next decision."""
        if self.ended:
            # a trial that was still being asked seemed to end here
            self._count(-1)
            self.ended = False
        self.n_values = n_values
        return self.children.setdefault(value, Node(parent=self))

    def end(self) -> None:
        """A trial ends here."""
        if not self.done:
            self.ended = True
            self._count(+1)

    def _count(self, step: int) -> None:
        """Tell the nodes above that this one is done, or is not any more."""
        above = self.parent
        while above is not None:
            was_done = above.done
            above.n_done += step
            if above.done == was_done:
                return
            above = above.parent


@dataclass(slots=True)
class Tree:
    """Grows with a study."""

    root: Node = field(default_factory=Node)
    _n_read: int = 0
    _open: Sequence[int] = ()

    def read(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in the trials that are new or were not finished."""
        unread = (*self._open, *range(self._n_read, len(trials)))
        for trial in (trials[number] for number in unread if trials[number].params):
            node = self.root
            for name, value in trial.params.items():
                node = node.below(value, count(trial.distributions[name]))
            node.end()
        self._open = [number for number in unread if not trials[number].state.is_finished()]
        self._n_read = len(trials)

    def after(self, params: Mapping[str, Any]) -> Node | None:
        """The node after some decisions; None where nobody has been."""
        node: Node | None = self.root
        for value in params.values():
            node = node.children.get(value) if node else None
        return node
