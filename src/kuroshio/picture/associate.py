"""Which plot belongs to which track: the exact assignment of least cost.

What enters: candidate pairs with a cost, negative when belonging together is better than both staying alone. What
leaves: the pair chosen for each plot. Source: shortest augmenting paths with potentials (Jonker, Volgenant, Computing
38, 1987), on sparse rows with a heap: a search stops where its cost exceeds leaving the row alone, so it stays local
and a percolated scene costs no more than its pairs (docs/adr/0122).
"""

from __future__ import annotations

import numpy as np

from kuroshio.picture.compiled import inner, kernel


@inner
def _push(heap_key, heap_col, size, key, col):  # type: ignore[no-untyped-def]
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if heap_key[up] <= key:
            break
        heap_key[at], heap_col[at] = heap_key[up], heap_col[up]
        at = up
    heap_key[at], heap_col[at] = key, col


@inner
def _pop(heap_key, heap_col, size):  # type: ignore[no-untyped-def]
    """Take the least away; ``size`` is that before."""
    key, col = heap_key[size - 1], heap_col[size - 1]
    at, last = 0, size - 1
    while True:
        down = 2 * at + 1
        if down >= last:
            break
        if down + 1 < last and heap_key[down + 1] < heap_key[down]:
            down += 1
        if heap_key[down] >= key:
            break
        heap_key[at], heap_col[at] = heap_key[down], heap_col[down]
        at = down
    heap_key[at], heap_col[at] = key, col


@kernel
def _solve(border, col, cost, n_cols):  # type: ignore[no-untyped-def]
    """Pair chosen for each row, -1 where it stays alone; pairs of row ``i`` are ``border[i]:border[i + 1]``.

    A row may always stay alone at cost 0. ``u`` and ``v`` are potentials: the cost of a pair less both is never
    negative, and 0 for pairs chosen; a row alone has ``u`` 0 at most.
    """
    n = len(border) - 1
    u, v = np.zeros(n), np.zeros(n_cols)
    chosen, owner = np.full(n, -1, np.int64), np.full(n_cols, -1, np.int64)
    free, waiting = np.empty(n, np.int64), 0
    for i in range(n):
        best = -1
        for e in range(border[i], border[i + 1]):
            if cost[e] < u[i]:
                u[i], best = cost[e], e
        if best >= 0 and owner[col[best]] < 0:
            owner[col[best]], chosen[i] = i, best
        elif best >= 0:
            free[waiting] = i
            waiting += 1
    far = np.inf
    dist, via, done = np.full(n_cols, far), np.empty(n_cols, np.int64), np.zeros(n_cols, np.bool_)
    touched, settled = np.empty(n_cols, np.int64), np.empty(n_cols, np.int64)
    heap_key, heap_col = np.empty(len(col) + 1), np.empty(len(col) + 1, np.int64)
    from_row = np.empty(n_cols, np.int64)
    for k in range(waiting):
        row, base = free[k], 0.0
        size, n_touched, n_settled = 0, 0, 0
        alone, end_row, end_col = -u[row], row, -1  # the cheapest end so far: some row of the tree stays alone
        while True:
            for e in range(border[row], border[row + 1]):
                j = col[e]
                d = base + cost[e] - u[row] - v[j]
                if not done[j] and d < dist[j] and d < alone:
                    if dist[j] == far:
                        touched[n_touched] = j
                        n_touched += 1
                    dist[j], via[j], from_row[j] = d, e, row
                    _push(heap_key, heap_col, size, d, j)
                    size += 1
            while size > 0 and (done[heap_col[0]] or heap_key[0] > dist[heap_col[0]]):
                _pop(heap_key, heap_col, size)
                size -= 1
            if size == 0 or heap_key[0] >= alone:
                break
            j, base = heap_col[0], heap_key[0]
            _pop(heap_key, heap_col, size)
            size -= 1
            if owner[j] < 0:
                alone, end_col = base, j
                break
            done[j] = True
            settled[n_settled] = j
            n_settled += 1
            row = owner[j]
            if base - u[row] < alone:
                alone, end_row = base - u[row], row
        start = free[k]
        u[start] += alone
        for q in range(n_settled):
            j = settled[q]
            u[owner[j]] += alone - dist[j]
            v[j] -= alone - dist[j]
        j = end_col
        if j < 0 and end_row != start:  # the end row gives its plot up
            j = col[chosen[end_row]]
            chosen[end_row] = -1
        while j >= 0:
            i, e = from_row[j], via[j]
            back = col[chosen[i]] if chosen[i] >= 0 else -1
            owner[j], chosen[i] = i, e
            j = back
        for q in range(n_touched):
            dist[touched[q]], done[touched[q]] = far, False
    return chosen


@kernel
def _by_row(track, cost):  # type: ignore[no-untyped-def]
    """(pairs worth something in order of row, border of each row that has any)."""
    n, straight = 0, True
    pairs = np.empty(len(track), np.int64)
    for e in range(len(track)):
        if cost[e] < 0.0:
            pairs[n] = e
            straight &= n == 0 or track[pairs[n - 1]] <= track[e]
            n += 1
    pairs = pairs[:n]
    if not straight:  # the gate finds them in order
        pairs = pairs[np.argsort(track[pairs], kind="mergesort")]
    rows = 0
    border = np.zeros(n + 1, np.int64)
    for q in range(n):
        if q == 0 or track[pairs[q]] != track[pairs[q - 1]]:
            rows += 1
        border[rows] = q + 1
    return pairs, border[: rows + 1]


@kernel
def assign(track, plot, cost, n_plots):  # type: ignore[no-untyped-def]
    """Pair of each plot in the assignment of least total cost, -1 where the plot stays alone.

    Parameters
    ----------
    track, plot
        Row and plot of each candidate pair, shape (pairs,).
    cost
        Cost of each pair; only negative ones can be chosen.
    n_plots
        Upper bound of ``plot``.
    """
    chosen = np.full(n_plots, -1, np.int64)
    pairs, border = _by_row(track, cost)
    if len(pairs) > 0:
        picked = _solve(border, plot[pairs], cost[pairs], n_plots)
        for e in picked:
            if e >= 0:
                chosen[plot[pairs[e]]] = pairs[e]
    return chosen
