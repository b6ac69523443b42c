"""How far a radar's plots scatter over a ship: known where its length is, else learned from the plots themselves.

What enters: plots given to tracks. What leaves: the variance that a ship's size adds to a plot's own. A plot lies
anywhere on the ship, one sigma of a sixth of its length each way; a ship without AIS says no length, and taken for a
point it seems to dart about, so that its velocity is wrong and its track is lost. A plot is kept for replay as the
radar gave it, with the hull as it was known: what is learned from it is learned again when a late report changes the
track it is held against.
"""

from __future__ import annotations

import math

from kuroshio.picture.compiled import inner
from kuroshio.picture.filter import combined
from kuroshio.picture.motion import agility, local_offset, process_noise

EXTENT_MAX_M2 = (400.0 / 6.0) ** 2  # of the longest ships
EXTENT_BORN_M2 = (40.0 / 6.0) ** 2  # until plots have said otherwise
BORN_PLOTS, MEMORY_PLOTS = 4, 24
HULL_UNKNOWN = -1.0  # metres; 0 is a report that no hull widens
PLOT_VAR_MAX_M2 = 2.0 * EXTENT_MAX_M2  # a coarser radar does not show what a ship's size adds


@inner
def extent_var(t):  # type: ignore[no-untyped-def]
    """Variance (m2, each way) of where on the ship of a track a plot lies."""
    return t.extent if math.isnan(t.fit[2]) else t.fit[2] * t.fit[2] / 36.0


@inner
def hull_of(t):  # type: ignore[no-untyped-def]
    """Length of a ship (m) that a radar plot of it lies on; `HULL_UNKNOWN` where it is not known."""
    return HULL_UNKNOWN if math.isnan(t.fit[2]) else t.fit[2]


@inner
def learn_extent(t, t_us, z, motion, pc):  # type: ignore[no-untyped-def]
    """Take what a plot is off its track, beyond what plot, track and a manoeuvre explain, into the running mean."""
    noise = (z[2] + z[4]) / 2.0
    dt = (t_us - t.t_us) * 1e-6
    if noise > PLOT_VAR_MAX_M2 or dt < 0.0:
        return
    e, n = local_offset(t.lat, t.lon, z[0], z[1])
    e -= dt * t.ve
    n -= dt * t.vn
    combined(t, pc)
    known = (pc[0] + pc[4]) / 2.0 + dt * (pc[2] + pc[6]) + dt * dt * (pc[7] + pc[9]) / 2.0
    known += process_noise(dt, motion.q1 * agility(t.ve, t.vn))[0] + noise
    excess = min((e * e + n * n) / 2.0 - known, EXTENT_MAX_M2)
    weight = min(BORN_PLOTS + t.fed[1], MEMORY_PLOTS)
    t.extent = max(t.extent + (excess - t.extent) / weight, 0.0)
