"""The filter in plain matrices: what the kernels must equal, for readers and tests.

What enters: a state of two models on a plane. What leaves: predictive densities and updated states. Slow, without
geodesy, used by no product code. Source: Bar-Shalom, Li, Kirubarajan 2001, 11.6.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kuroshio.picture.ambiguity import SETTLED, TURNS_MAX, WORTH_MAX
from kuroshio.picture.filter import LASTING_SHARE, MU_BIRTH, MU_MIN, SCATTER_MAX, SCATTER_REPORTS
from kuroshio.picture.model import Motion
from kuroshio.picture.motion import AGILE_MPS, AGILITY_MIN, COAST_RATE, COAST_S
from kuroshio.units import FloatArray

H_POS = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
H_VEL = np.array([[0, 0, 1.0, 0], [0, 0, 0, 1.0]])


@dataclass
class State:
    """Two models: ``x`` (2, 4), ``p`` (2, 4, 4), probability ``mu`` of the second; combined ``mean`` and ``cov``.

    ``scatter`` is the running mean of d2/2 of reports with a velocity.
    """

    x: FloatArray
    p: FloatArray
    mu: float
    mean: FloatArray
    cov: FloatArray
    scatter: float = 0.0

    def recentre(self) -> None:
        """Move the plane's origin to the combined position."""
        self.x[:, :2] -= self.mean[:2]
        self.mean[:2] = 0.0


def unpack(packed: FloatArray) -> FloatArray:
    """Full symmetric matrix of a packed upper triangle."""
    full = np.zeros((4, 4))
    full[np.triu_indices(4)] = packed
    return np.asarray(full + np.triu(full, 1).T)


def noise(dt: float, q: float) -> FloatArray:
    """Process noise of both axes after ``dt`` seconds (absolute value)."""
    a = abs(dt)
    if a <= COAST_S:
        pos, cross, vel = q * a**3 / 3, q * a * dt / 2, q * a
    else:
        k, one = COAST_RATE, np.exp(-COAST_RATE * a)
        pos = q / k**2 * (a - 2 * (1 - one) / k + (1 - one**2) / (2 * k))
        cross = np.sign(dt) * q / (2 * k**2) * (1 - one) ** 2
        vel = q / (2 * k) * (1 - one**2)
    return np.kron(np.array([[pos, cross], [cross, vel]]), np.eye(2))


def transition(dt: float) -> FloatArray:
    """Constant velocity over ``dt`` seconds."""
    return np.kron(np.array([[1.0, dt], [0.0, 1.0]]), np.eye(2))


def begin(r: FloatArray, velocity: FloatArray, rv: float) -> State:
    """State at a position with covariance ``r`` and a velocity of variance ``rv``."""
    x = np.tile(np.concatenate([[0.0, 0.0], velocity]), (2, 1))
    p = np.zeros((4, 4))
    p[:2, :2], p[2:, 2:] = r, rv * np.eye(2)
    return State(x, np.tile(p, (2, 1, 1)), MU_BIRTH, x[0].copy(), p.copy())


def _moments(weights: Any, x: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = np.einsum("m,mk->k", weights, x)
    d = x - mean
    return mean, np.einsum("m,mij->ij", weights, p + d[:, :, None] * d[:, None, :])


def _density(y: FloatArray, s: FloatArray) -> tuple[float, float]:
    d2 = float(y @ np.linalg.solve(s, y))
    return d2, -0.5 * d2 - 0.5 * float(np.log(np.linalg.det(s))) - float(np.log(2 * np.pi))


def _noise(state: State, dt: float, q: float) -> FloatArray:
    return noise(dt, q * min(max(float(state.mean[2:] @ state.mean[2:]) / AGILE_MPS**2, AGILITY_MIN), 1.0))


def _switching(dt: float, motion: Motion) -> FloatArray:
    a, b = np.exp(-abs(dt) / motion.tau0_s), np.exp(-abs(dt) / motion.tau1_s)
    return np.array([[a, 1 - a], [1 - b, b]])


def predictive(state: State, dt: float, z: FloatArray, r: FloatArray, motion: Motion) -> tuple[float, float]:
    """(d2 under the manoeuvring model, log density of the mixture) of a position."""
    c = np.array([1 - state.mu, state.mu]) @ _switching(dt, motion)
    f = transition(dt)
    y = z - (f @ state.mean)[:2]
    found = [_density(y, (f @ state.cov @ f.T + _noise(state, dt, q))[:2, :2] + r) for q in (motion.q0, motion.q1)]
    return found[1][0], float(np.logaddexp(np.log(c[0]) + found[0][1], np.log(c[1]) + found[1][1]))


def update(
    state: State, dt: float, z: FloatArray, r: FloatArray, velocity: FloatArray | None, rv: float, motion: Motion
) -> float:
    """d2 of an update by a position and perhaps a velocity; the state is changed."""
    mu = np.array([1 - state.mu, state.mu])
    switching = _switching(dt, motion)
    c = mu @ switching
    mixed = [_moments(mu * switching[:, m] / c[m], state.x, state.p) for m in range(2)]
    f = transition(dt)
    d2, loglik = 0.0, np.zeros(2)
    for m, (x, p) in enumerate(mixed):
        x, p = f @ x, f @ p @ f.T + _noise(state, dt, (motion.q0, motion.q1)[m])
        least = np.minimum(np.diag(p)[:2], LASTING_SHARE * max(1.0 - state.scatter, 0.0) * np.diag(r))
        for h, measured, cov in ((H_POS, z, r), (H_VEL, velocity, rv * np.eye(2))):
            if measured is None:
                continue
            y, s = measured - h @ x, h @ p @ h.T + cov
            d, ll = _density(y, s)
            gain = p @ h.T @ np.linalg.inv(s)
            x, p = x + gain @ y, p - gain @ s @ gain.T
            loglik[m] += ll
            d2 += float(c[m]) * d if h is H_POS else 0.0
        if velocity is not None:
            p = p + np.diag(np.maximum([*(least - np.diag(p)[:2]), 0.0, 0.0], 0.0))
        state.x[m], state.p[m] = x, p
    if velocity is not None:
        state.scatter = float(
            np.float32(state.scatter + (min(0.5 * d2, SCATTER_MAX) - state.scatter) / SCATTER_REPORTS)
        )
    g = c * np.exp(loglik - loglik.max())
    state.mu = float(np.clip(g[1] / g.sum(), MU_MIN, 1 - MU_MIN))
    state.mean, state.cov = _moments(np.array([1 - state.mu, state.mu]), state.x, state.p)
    return d2


def marginals(worth: FloatArray, *, turns: int = TURNS_MAX, settled: float = SETTLED) -> FloatArray:
    """(tracks, plots) probability that each pair belongs together, by belief propagation; `ambiguity.marginals`.

    ``worth`` (tracks, plots) is the log-likelihood ratio of each pair against both staying alone, -inf for none.
    Messages are passed ``turns`` times, or until none changes by more than ``settled``.
    """
    psi = np.exp(np.minimum(worth, WORTH_MAX))
    nu = np.ones_like(psi)
    for _ in range(turns):
        mu = psi / (1.0 + _others(psi * nu))
        before, nu = nu, 1.0 / (1.0 + _others(mu.T).T)
        if np.abs(nu - before).max() < settled:
            break
    return np.asarray(psi * nu / (1.0 + (psi * nu).sum(axis=1, keepdims=True)))


def _others(rows: FloatArray) -> FloatArray:
    """Sum of the other entries of each entry's row."""
    return np.stack([np.delete(rows, k, axis=1).sum(axis=1) for k in range(rows.shape[1])], axis=1)
