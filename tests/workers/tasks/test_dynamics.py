"""Every system against its equation, integrated by code nobody here wrote."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from nas.tasks.forecasting import DampedOscillators, Lorenz, Sines
from workers.tasks.dynamics import RHO, lorenz, runge_kutta, trajectories


def test_lorenz_is_what_scipy_integrates():
    rng = np.random.default_rng(0)
    start, rho = rng.standard_normal((3, 4)) * 8 + [[0], [0], [24]], rng.uniform(*RHO, 4)
    ours = runge_kutta(start, rho, 1.0)

    def rates(_, state, r):
        x, y, z = state
        return 10 * (y - x), x * (r - z) - y, x * y - 8 / 3 * z

    theirs = [
        solve_ivp(rates, (0, 1), start[:, i], "DOP853", rtol=1e-11, atol=1e-11, args=(rho[i],)).y[:, -1] for i in range(4)
    ]
    assert np.abs(ours.T - theirs).max() < 2e-3


def test_lorenz_trajectories_are_one_solution_each():
    """Each value follows from the one before: the sampled step is the integrated one."""
    values = lorenz(np.random.default_rng(0), 3, 5, 0.1)
    rho = np.random.default_rng(0).uniform(*RHO, 3)
    scaled = values * [8.11, 9.22, 8.86] + [0, 0, 24.66]
    assert np.allclose(runge_kutta(scaled[:, 0].T, rho, 0.4).T, scaled[:, 4], atol=1e-6)


def test_damped_oscillators_solve_their_equation():
    """x'' + 2 z w x' + w^2 x = 0 from the first two values on, by scipy."""
    rng = np.random.default_rng(3)
    values = trajectories(DampedOscillators(n_channels=2), rng, 4, 40)
    rng = np.random.default_rng(3)
    rate, damping = 2 * np.pi * rng.uniform(0.02, 0.1, (4, 1, 2)), rng.uniform(0.005, 0.05, (4, 1, 2))
    for sequence in range(4):
        for channel in range(2):
            w, z, x = rate[sequence, 0, channel], damping[sequence, 0, channel], values[sequence, :, channel]
            # the basis of solutions: from (1, 0) and from (0, 1)
            first, second = (
                solve_ivp(lambda _, s, w=w, z=z: (s[1], -2 * z * w * s[1] - w * w * s[0]), (0, 39), start, "DOP853",
                          t_eval=np.arange(40), rtol=1e-11, atol=1e-11).y[0]
                for start in ((1.0, 0.0), (0.0, 1.0))
            )  # fmt: skip
            velocity = (x[1] - x[0] * first[1]) / second[1]
            assert np.allclose(x[0] * first + velocity * second, x, atol=1e-7)


def test_sines_are_linear_recurrences():
    """A sine of w cycles a step keeps x_t+1 + x_t-1 = 2 cos(w) x_t; one sine alone is found so."""
    values = trajectories(Sines(n_sines=1), np.random.default_rng(0), 50, 30)[..., 0]
    cosine = ((values[:, 2:] + values[:, :-2]) * values[:, 1:-1]).sum(1) / (2 * values[:, 1:-1] ** 2).sum(1)
    assert np.allclose(values[:, 2:] + values[:, :-2], 2 * cosine[:, None] * values[:, 1:-1], atol=1e-9)
    cycles = np.arccos(cosine) / (2 * np.pi)
    assert cycles.min() > 0.01
    assert cycles.max() < 0.1
    assert np.ptp(cycles) > 0.07


@pytest.mark.parametrize("system", [Sines(n_channels=2), Lorenz()], ids=lambda system: system.kind)
def test_values_are_standardised(system):
    values = trajectories(system, np.random.default_rng(0), 1000, 20)
    assert values.shape == (1000, 20, system.n_channels)
    assert np.abs(values.mean((0, 1))).max() < 0.12
    assert np.abs(values.std((0, 1)) - 1).max() < 0.06
