"""The base of encoder mixers, whose outputs depend on later tokens: they take whole sequences only."""

from abc import abstractmethod
from typing import NoReturn

from torch import Tensor

from search_spaces.primitives import Primitive
from workers.model.layers.layer import Part, Pass, State


class EncoderPart(Part):
    """A part that cannot decode. A subclass sets `config` and defines `initialise` and `forward`."""

    config: Primitive

    @abstractmethod
    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """The outputs for a whole sequence."""

    def initial_state(self, batch_size: int) -> State:
        """Raises ValueError: there is no state that later tokens could follow."""
        self._refuse()

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Raises ValueError: a token's output is not known before all later tokens are."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(f"an encoder mixer cannot decode: {self.config.label()} sees later tokens; run whole sequences")
