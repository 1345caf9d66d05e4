"""Trajectories of dynamical systems, [B, T, C] in float64, standardised by constants. Letters: B trajectories, T times.

Every trajectory has parameters of its own. `tests/workers/tasks/test_dynamics.py` holds them against scipy's integrators.
"""

import numpy as np
import numpy.typing as npt

from nas.tasks.forecasting import DampedOscillators, Lorenz, Sines, System

FloatArray = npt.NDArray[np.float64]

SINE_CYCLES = (0.01, 0.1)
OSCILLATOR_CYCLES = (0.02, 0.1)
DAMPING = (0.005, 0.05)
"""Damping ratios."""

SIGMA, BETA = 10.0, 8 / 3
RHO = (26.0, 32.0)
LORENZ_MEAN = np.array([0.0, 0.0, 24.66])
LORENZ_DEVIATION = np.array([8.11, 9.22, 8.86])
"""Of the three variables over the attractors of all `RHO`, measured over 10^6 times; x and y have mean 0 by symmetry."""
LONGEST_STEP = 0.0125
"""Of the integrator: at most so much time."""
SETTLING = 2.0
"""Time from the random start to the attractor, to which everything contracts by e^(-13.7 t)."""


def trajectories(system: System, rng: np.random.Generator, n_sequences: int, length: int) -> FloatArray:
    """`length` values of every channel of so many trajectories."""
    match system:
        case Sines():
            return sines(rng, n_sequences, length, system.n_channels, system.n_sines)
        case DampedOscillators():
            return damped_oscillators(rng, n_sequences, length, system.n_channels)
        case Lorenz():
            return lorenz(rng, n_sequences, length, system.step)


def sines(rng: np.random.Generator, n_sequences: int, length: int, n_channels: int, n_sines: int) -> FloatArray:
    """sqrt(2 / n) times the sum of n sines: variance 1 over phases."""
    shape = (n_sequences, 1, n_channels, n_sines)
    rate, phase = 2 * np.pi * rng.uniform(*SINE_CYCLES, shape), rng.uniform(0, 2 * np.pi, shape)
    time = np.arange(length)[:, None, None]
    values: FloatArray = np.sqrt(2 / n_sines) * np.sin(rate * time + phase).sum(-1)
    return values


def damped_oscillators(rng: np.random.Generator, n_sequences: int, length: int, n_channels: int) -> FloatArray:
    """The solution sqrt(2) e^(-z w t) cos(w sqrt(1 - z^2) t + phase): at the start of variance 1 over phases."""
    shape = (n_sequences, 1, n_channels)
    rate, damping = 2 * np.pi * rng.uniform(*OSCILLATOR_CYCLES, shape), rng.uniform(*DAMPING, shape)
    phase, time = rng.uniform(0, 2 * np.pi, shape), np.arange(length)[:, None]
    oscillation = np.cos(rate * np.sqrt(1 - damping**2) * time + phase)
    values: FloatArray = np.sqrt(2) * np.exp(-damping * rate * time) * oscillation
    return values


def lorenz(rng: np.random.Generator, n_sequences: int, length: int, step: float) -> FloatArray:
    """Values every `step` of time, on the attractor."""
    rho = rng.uniform(*RHO, n_sequences)
    start = LORENZ_MEAN[:, None] + LORENZ_DEVIATION[:, None] * rng.standard_normal((3, n_sequences))
    settled = runge_kutta(start, rho, SETTLING)
    values = np.empty((length, 3, n_sequences))
    for time in range(length):
        values[time] = settled
        settled = runge_kutta(settled, rho, step)
    standard: FloatArray = (values.transpose(2, 0, 1) - LORENZ_MEAN) / LORENZ_DEVIATION
    return standard


def runge_kutta(state: FloatArray, rho: FloatArray, time: float) -> FloatArray:
    """The Lorenz systems after `time`, from states [3, B], by the classical method of order four."""
    n_steps = int(np.ceil(time / LONGEST_STEP - 1e-9))
    h = time / n_steps
    for _ in range(n_steps):
        first = _lorenz_rates(state, rho)
        second = _lorenz_rates(state + h / 2 * first, rho)
        third = _lorenz_rates(state + h / 2 * second, rho)
        fourth = _lorenz_rates(state + h * third, rho)
        state = state + h / 6 * (first + 2 * (second + third) + fourth)
    return state


def _lorenz_rates(state: FloatArray, rho: FloatArray) -> FloatArray:
    x, y, z = state
    return np.stack([SIGMA * (y - x), x * (rho - z) - y, x * y - BETA * z])
