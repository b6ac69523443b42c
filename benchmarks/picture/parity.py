"""The peer's algorithm on our kernels: one constant-velocity model, nearest neighbours, three hits.

It shows what the arrays and the compiler alone give, at equal accuracy. Tracks live in the plane of the scene.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kuroshio.picture.associate import assign
from kuroshio.picture.motion import predict_packed
from kuroshio.picture.single import store, with_position

CELL_M = 4000.0


@njit(cache=True, nogil=True)
def gate(t, x, p, last, rows, q, xy, cov, use, limit):
    n = len(xy)
    bits = 4
    while (1 << bits) < 2 * n:
        bits += 1
    mask = (1 << bits) - 1
    head, link = np.full(1 << bits, -1, np.int64), np.full(n, -1, np.int64)
    widest = 0.0
    for j in range(n):
        if use[j]:
            h = ((int(np.floor(xy[j, 0] / CELL_M)) * 73856093) ^ (int(np.floor(xy[j, 1] / CELL_M)) * 19349663)) & mask
            link[j] = head[h]
            head[h] = j
            widest = max(widest, cov[j, 0], cov[j, 2])
    track, plot, cost = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)], [0.0 for _ in range(0)]
    pp = np.empty(10)
    for i in rows:
        dt = t - last[i]
        predict_packed(p[i], dt, q, pp)
        px, py = x[i, 0] + dt * x[i, 2], x[i, 1] + dt * x[i, 3]
        radius = limit * np.sqrt(max(pp[0], pp[4]) + widest)
        for a in range(int(np.floor((px - radius) / CELL_M)), int(np.floor((px + radius) / CELL_M)) + 1):
            for b in range(int(np.floor((py - radius) / CELL_M)), int(np.floor((py + radius) / CELL_M)) + 1):
                j = head[((a * 73856093) ^ (b * 19349663)) & mask]
                while j >= 0:
                    if int(np.floor(xy[j, 0] / CELL_M)) == a and int(np.floor(xy[j, 1] / CELL_M)) == b:
                        dx, dy = xy[j, 0] - px, xy[j, 1] - py
                        s0, s1, s2 = pp[0] + cov[j, 0], pp[1] + cov[j, 1], pp[4] + cov[j, 2]
                        d = np.sqrt((s2 * dx * dx - 2 * s1 * dx * dy + s0 * dy * dy) / (s0 * s2 - s1 * s1))
                        if d < limit:
                            track.append(i)
                            plot.append(j)
                            cost.append(d - limit)
                    j = link[j]
    return np.array(track), np.array(plot), np.array(cost)


@njit(cache=True, nogil=True)
def apply(t, x, p, last, hits, track, pair, q, xy, cov, use):
    pp = np.empty(10)
    for j in range(len(pair)):
        if pair[j] < 0:
            continue
        i = track[pair[j]]
        dt = t - last[i]
        predict_packed(p[i], dt, q, pp)
        p[i] = pp
        x[i, 0] += dt * x[i, 2]
        x[i, 1] += dt * x[i, 3]
        a, c = x[i], p[i]
        s = (a[0], a[1], a[2], a[3], c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9])
        s, _, _ = with_position(s, xy[j, 0], xy[j, 1], cov[j, 0], cov[j, 1], cov[j, 2])
        store(s, a, c)
        last[i] = t
        hits[i] += 1
        use[j] = False


class Parity:
    """Tracks of the parity mode; ``frame`` takes plots, ``positions`` gives the confirmed ones at a time."""

    def __init__(self, capacity: int = 1 << 18, q: float = 0.01, limit: float = 3.7) -> None:
        self.x, self.p = np.zeros((capacity, 4)), np.zeros((capacity, 10))
        self.last, self.hits, self.state = np.zeros(capacity), np.zeros(capacity, np.int64), np.zeros(capacity, np.int8)
        self.q, self.limit, self.top = q, limit, 0

    def frame(self, t: float, xy: np.ndarray, cov: np.ndarray) -> None:
        use = np.ones(len(xy), np.bool_)
        for stage in (2, 1):
            rows = np.flatnonzero(self.state[: self.top] == stage)
            if not len(rows) or not use.any():
                continue
            track, plot, cost = gate(t, self.x, self.p, self.last, rows, self.q, xy, cov, use, self.limit)
            if len(track):
                pair = assign(track, plot, cost, len(xy))
                apply(t, self.x, self.p, self.last, self.hits, track, pair, self.q, xy, cov, use)
        s, age = self.state[: self.top], t - self.last[: self.top]
        s[(s == 1) & (self.hits[: self.top] >= 3)] = 2
        s[((s == 1) & (age > 35.0)) | ((s == 2) & (age > 200.0))] = 0
        new = np.flatnonzero(use)
        free = np.flatnonzero(s == 0)[: len(new)]
        rows = np.concatenate([free, np.arange(self.top, self.top + len(new) - len(free))])
        self.top += len(new) - len(free)
        self.x[rows] = 0.0
        self.x[rows, :2] = xy[new]
        self.p[rows] = 0.0
        self.p[rows, 0], self.p[rows, 1], self.p[rows, 4] = cov[new].T
        self.p[rows, 7] = self.p[rows, 9] = 100.0
        self.last[rows], self.hits[rows], self.state[rows] = t, 1, 1

    def positions(self, t: float) -> np.ndarray:
        rows = np.flatnonzero(self.state[: self.top] == 2)
        return self.x[rows, :2] + (t - self.last[rows])[:, None] * self.x[rows, 2:]
