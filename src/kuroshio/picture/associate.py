"""Which plot belongs to which track: the exact best assignment of a frame, component by component.

What enters: candidate pairs with costs (log likelihood of staying apart less that of belonging together; negative
is worth it). What leaves: for each plot the pair chosen, or none. Pairs fall into connected components; each is
solved exactly, small ones by a dense Jonker-Volgenant here, a percolated one by SciPy's sparse solver. Source:
Jonker, Volgenant, Computing 1987 (shortest augmenting paths).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from kuroshio.picture.compiled import inner, kernel
from kuroshio.units import FloatArray, IntArray

DENSE_MAX = 48  # rows of a component solved densely
FORBIDDEN = 1e6


@inner
def solve_dense(cost):  # type: ignore[no-untyped-def]
    """Column of each row in the cheapest assignment of all rows; rows <= columns."""
    n, m = cost.shape
    u, v = np.zeros(n + 1), np.zeros(m + 1)
    owner, way = np.zeros(m + 1, np.int64), np.zeros(m + 1, np.int64)
    slack, done = np.empty(m + 1), np.empty(m + 1, np.bool_)
    for i in range(1, n + 1):
        owner[0] = i
        j0 = 0
        slack[:] = np.inf
        done[:] = False
        while owner[j0] != 0:
            done[j0] = True
            row, step, j1 = owner[j0], np.inf, 0
            for j in range(1, m + 1):
                if not done[j]:
                    c = cost[row - 1, j - 1] - u[row] - v[j]
                    if c < slack[j]:
                        slack[j], way[j] = c, j0
                    if slack[j] < step:
                        step, j1 = slack[j], j
            for j in range(m + 1):
                if done[j]:
                    u[owner[j]] += step
                    v[j] -= step
                else:
                    slack[j] -= step
            j0 = j1
        while j0:
            j1 = way[j0]
            owner[j0] = owner[j1]
            j0 = j1
    out = np.full(n, -1, np.int64)
    for j in range(1, m + 1):
        if owner[j]:
            out[owner[j] - 1] = j - 1
    return out


@inner
def _root(parent, a):  # type: ignore[no-untyped-def]
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


@inner
def _components(track, plot, n_rows, n_plots):  # type: ignore[no-untyped-def]
    """(local row of each pair, pairs in order of component, border of each component)."""
    n = len(track)
    local = np.full(n_rows, -1, np.int64)
    row = np.empty(n, np.int64)
    rows = 0
    for e in range(n):
        if local[track[e]] < 0:
            local[track[e]] = rows
            rows += 1
        row[e] = local[track[e]]
    parent = np.arange(rows + n_plots)
    for e in range(n):
        a, b = _root(parent, row[e]), _root(parent, rows + plot[e])
        if a != b:
            parent[max(a, b)] = min(a, b)
    border = np.zeros(rows + n_plots + 1, np.int64)
    root = np.empty(n, np.int64)
    for e in range(n):
        root[e] = _root(parent, row[e])
        border[root[e] + 1] += 1
    for k in range(rows + n_plots):
        border[k + 1] += border[k]
    at = border[:-1].copy()
    order = np.empty(n, np.int64)
    for e in range(n):
        order[at[root[e]]] = e
        at[root[e]] += 1
    return row, rows, order, border


@inner
def _solve_component(pairs, row, plot, cost, local_row, local_plot, chosen):  # type: ignore[no-untyped-def]
    """Solve one component densely; False when it is too large. The local maps are left as they were."""
    n = m = 0
    for e in pairs:
        if local_row[row[e]] < 0:
            local_row[row[e]] = n
            n += 1
        if local_plot[plot[e]] < 0:
            local_plot[plot[e]] = m
            m += 1
    small = n <= DENSE_MAX
    if small:
        c = np.full((n, m + n), 0.0)
        c[:, :m] = FORBIDDEN
        which = np.full((n, m), -1, np.int64)
        for e in pairs:
            c[local_row[row[e]], local_plot[plot[e]]] = cost[e]
            which[local_row[row[e]], local_plot[plot[e]]] = e
        best = solve_dense(c)
        for r in range(n):
            if best[r] < m and which[r, best[r]] >= 0 and c[r, best[r]] < 0.0:
                e = which[r, best[r]]
                chosen[plot[e]] = e
    for e in pairs:
        local_row[row[e]] = -1
        local_plot[plot[e]] = -1
    return small


@kernel
def assign_small(track, plot, cost, n_rows, n_plots):  # type: ignore[no-untyped-def]
    """(pair of each plot or -1, number of each pair's unsolved component or 0)."""
    chosen = np.full(n_plots, -1, np.int64)
    left = np.zeros(len(track), np.int64)
    if len(track) == 0:
        return chosen, left
    row, rows, order, border = _components(track, plot, n_rows, n_plots)
    local_row, local_plot = np.full(rows, -1, np.int64), np.full(n_plots, -1, np.int64)
    for k in range(len(border) - 1):
        a, b = border[k], border[k + 1]
        if b == a:
            continue
        if b - a == 1:
            e = order[a]
            if cost[e] < 0.0:
                chosen[plot[e]] = e
        elif not _solve_component(order[a:b], row, plot, cost, local_row, local_plot, chosen):
            for q in range(a, b):
                left[order[q]] = k + 1
    return chosen, left


def _assign_sparse(track: IntArray, plot: IntArray, cost: FloatArray) -> IntArray:
    """Indices of the pairs chosen in one large component."""
    worth = np.flatnonzero(cost < 0.0)
    if not len(worth):
        return worth
    rows, i = np.unique(track[worth], return_inverse=True)
    cols, j = np.unique(plot[worth], return_inverse=True)
    n, m = len(rows), len(cols)
    shift = 1.0 - float(cost[worth].min())
    weight = np.concatenate([cost[worth] + shift, np.full(n, shift)])
    at = (np.concatenate([i, np.arange(n)]), np.concatenate([j, m + np.arange(n)]))
    r, c = min_weight_full_bipartite_matching(csr_matrix((weight, at), shape=(n, m + n)))
    real = c < m
    index = csr_matrix((worth + 1, (i, j)), shape=(n, m))
    return np.asarray(index[r[real], c[real]]).ravel().astype(np.int64) - 1


def assign(track: IntArray, plot: IntArray, cost: FloatArray, n_rows: int, n_plots: int) -> IntArray:
    """Pair of each plot in the assignment of least total cost, -1 where the plot stays alone.

    Parameters
    ----------
    track, plot
        Row and plot of each candidate pair, shape (pairs,).
    cost
        Cost of each pair; only negative ones can be chosen.
    n_rows, n_plots
        Upper bounds of ``track`` and ``plot``.
    """
    chosen, left = assign_small(track, plot, cost, n_rows, n_plots)
    if left.any():
        for k in np.unique(left[left > 0]):
            pairs = np.flatnonzero(left == k)
            picked = pairs[_assign_sparse(track[pairs], plot[pairs], cost[pairs])]
            chosen[plot[picked]] = picked
    return np.asarray(chosen)
