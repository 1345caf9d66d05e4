"""Forecasting of generated dynamics, whose law every sequence keeps and whose parameters each draws anew."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nas.tasks.forecast import ForecastTask
from search_spaces.document import Document


class Sines(Document):
    """Each channel the sum of `n_sines` sines with random phases and random frequencies, 0.01 to 0.1 cycles a step."""

    kind: Literal["sines"] = "sines"
    n_channels: Annotated[int, Field(ge=1, le=256)] = 1
    n_sines: Annotated[int, Field(ge=1, le=64)] = 2


class DampedOscillators(Document):
    """Each channel x'' + 2 z w x' + w^2 x = 0 with random phase, w of 0.02 to 0.1 cycles a step and z of 0.005 to 0.05."""

    kind: Literal["damped_oscillators"] = "damped_oscillators"
    n_channels: Annotated[int, Field(ge=1, le=256)] = 1


class Lorenz(Document):
    """The Lorenz system (1963) on its attractor, rho drawn from 26 to 32, sigma = 10 and beta = 8/3; three channels."""

    kind: Literal["lorenz"] = "lorenz"
    step: Annotated[float, Field(ge=0.01, le=1)] = 0.1
    """Time between two values; nearby trajectories part by a factor e in about 1.1."""

    @property
    def n_channels(self) -> int:
        """Its three variables."""
        return 3


System = Annotated[Sines | DampedOscillators | Lorenz, Field(discriminator="kind")]


class Forecasting(ForecastTask):
    """Foretell generated dynamics. Every sequence draws its own parameters, which the model must find in what it reads.

    `sines` (`n_channels`, `n_sines`): each channel a sum of sines of random phases and frequencies. `damped_oscillators`
    (`n_channels`): each channel x'' + 2 z w x' + w^2 x = 0 with random w, z and phase. `lorenz` (`step`): the three variables
    of the Lorenz system on its attractor, rho from 26 to 32, a value every `step` of time.
    """

    title: ClassVar[str] = "Forecasting of generated dynamics"
    source: ClassVar[str] = "generated from equations"

    name: Literal["forecasting"] = "forecasting"
    system: System = Sines()
    """What moves: `sines`, `damped_oscillators` or `lorenz`, each with knobs of its own."""

    @property
    def channels(self) -> int:
        """Those of the system."""
        return self.system.n_channels
