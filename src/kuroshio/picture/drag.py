"""Whether a ship's AIS drifts away from where radar sees it: the drag of a spoofed position.

What enters: plots given to rows that also hear AIS, and AIS reports that turn up elsewhere. What leaves: the mean
offset of radar from AIS over the last minutes with its error, the rows where it is no chance, and what is a jump. AIS
alone against radar alone is compared: the last AIS report carried on by its own velocity, and the raw plot; the fused
state, which the false report has pulled along, plays no part. The sum fades, so it is a CUSUM that forgets. Source:
Basseville, Nikiforov, Detection of Abrupt Changes 1993, 2.1 (geometric moving average). A radar whose registration is
in doubt adds nothing.
"""

from __future__ import annotations

import math

import numpy as np

from kuroshio.picture.compiled import inner
from kuroshio.picture.extent import extent_var
from kuroshio.picture.filter import Kin
from kuroshio.picture.motion import local_offset, move
from kuroshio.picture.seen import last_seen, seen_us
from kuroshio.picture.table import Life
from kuroshio.units import BoolArray, FloatArray, IntArray

FADE_S = 60.0
AIS_AGE_MAX_S = 200.0  # a ship at rest reports every 180 s (M.1371-5, annex 1, table 1)
AIS_AGE_MIN_S, AIS_OVERDUE = 30.0, 3.0  # older, and by so many usual intervals, an AIS place says nothing any more
AIS_VAR_M2 = 15.0**2
AIS_SPEED_SIGMA_MPS = 0.3
AIS_ACCELERATION_MPS2, FAST_MPS = 0.04, 5.0  # of a ship of that speed or more in a turn, between two of its reports
JUMP_M, JUMP_S, JUMP_SPEED_MPS, JUMP_BEND_MPS2 = 120.0, 60.0, 25.0, 0.03
WEIGHT_MIN = 4.0  # plots, faded
OFFSET_MIN_M = 80.0
OFFSET_END_M = 75.0
BIAS_KNOWN_M, BIAS_UNKNOWN_M = 20.0, 25.0  # lasting offset nobody lied about: registration, antenna, radar centre
EVIDENCE_MIN = 20.0  # squared distance in two dimensions; a run of `tests/unit/test_picture_drag.py` counts false ones
LOST_EVIDENCE_MIN, LOST_OFFSET_MIN_M = 12.0, 60.0  # where radar lost the row just as the two were parting
PARTED_EVIDENCE_MIN, PARTED_OFFSET_MIN_M = 4.0, 40.0  # where AIS left the row: it was out of the gate already
LOST_MISSES, LOST_S = 4, 60.0
SPEED_VAR_M2S2 = 4.0  # of the true ship's velocity when its AIS is found false


@inner
def note_offset(t, t_us, z):  # type: ignore[no-untyped-def]
    """Add a plot to a track's offset of radar from AIS; to be called before the track's last plot is noted.

    A ship that has fallen silent is nowhere by its AIS: carried on by its last velocity it would part from every ship
    that turns.
    """
    age = (t_us - last_seen(t, 0)) * 1e-6
    ve, vn = t.ais_v[0], t.ais_v[1]
    most = min(max(AIS_AGE_MIN_S, AIS_OVERDUE * t.gap_s), AIS_AGE_MAX_S)
    if abs(age) > most or math.isnan(ve):
        return
    e, n = local_offset(t.ais[0], t.ais[1], z[0], z[1])
    e -= age * ve
    n -= age * vn
    bend = 0.5 * AIS_ACCELERATION_MPS2 * min(1.0, math.hypot(ve, vn) / FAST_MPS) * age * age
    noise = AIS_VAR_M2 + (AIS_SPEED_SIGMA_MPS * age) ** 2 + bend * bend + extent_var(t)
    s0, s1, s2 = z[2] + noise, z[3], z[4] + noise
    det = s0 * s2 - s1 * s1
    i0, i1, i2 = s2 / det, -s1 / det, s0 / det
    gap = (t_us - last_seen(t, 1)) * 1e-6 if t.fed[1] > 0 else 0.0
    keep = math.exp(-max(gap, 0.0) / FADE_S)
    d = t.drag
    d[0] = keep * d[0] + i0
    d[1] = keep * d[1] + i1
    d[2] = keep * d[2] + i2
    d[3] = keep * d[3] + i0 * e + i1 * n
    d[4] = keep * d[4] + i1 * e + i2 * n
    d[5] = keep * d[5] + 1.0
    d[6] = keep * keep * d[6] + 1.0


@inner
def jumped(t, t_us, z):  # type: ignore[no-untyped-def]
    """True when no ship goes from the last AIS place of a track to this one at the speeds it says it has."""
    dt = abs(t_us - last_seen(t, 0)) * 1e-6
    ve, vn = t.ais_v[0], t.ais_v[1]
    e, n = local_offset(t.ais[0], t.ais[1], z[0], z[1])
    if math.isnan(ve) or z[7] <= 0.0:
        return math.hypot(e, n) > JUMP_M + JUMP_SPEED_MPS * dt
    if dt <= JUMP_S:  # it has not turned far: it must be where its own course puts it
        return math.hypot(e - dt * (ve + z[5]) / 2.0, n - dt * (vn + z[6]) / 2.0) > JUMP_M + JUMP_BEND_MPS2 * dt * dt
    return math.hypot(e, n) > JUMP_M + 1.2 * dt * max(math.hypot(ve, vn), math.hypot(z[5], z[6]))


def offsets(drag: FloatArray) -> tuple[FloatArray, FloatArray]:
    """((rows, 2) mean offset east and north in m, (rows, 3) its covariance ee, en, nn in m2) of `Life.drag` rows."""
    s0, s1, s2, e, n, weight, squares = np.asarray(drag, np.float64).T
    det = s0 * s2 - s1 * s1
    with np.errstate(divide="ignore", invalid="ignore"):
        cov = np.column_stack([s2, -s1, s0]) / det[:, None]
        mean = np.column_stack([cov[:, 0] * e + cov[:, 1] * n, cov[:, 1] * e + cov[:, 2] * n])
        return mean, cov * (squares / weight)[:, None]


def dragged(life: Life, at: IntArray, t_us: int) -> BoolArray:
    """True for rows (with plots enough) whose AIS has left, or carried off, the place where radar sees them."""
    mean, cov = offsets(life.drag[at])
    slack = np.where(np.isnan(life.fit[at, 2]), BIAS_UNKNOWN_M, BIAS_KNOWN_M) ** 2
    c0, c1, c2 = cov[:, 0] + slack, cov[:, 1], cov[:, 2] + slack
    e, n = mean.T
    evidence = (c2 * e * e - 2.0 * c1 * e * n + c0 * n * n) / (c0 * c2 - c1 * c1)
    far = np.hypot(e, n)
    lost = (life.misses[at] >= LOST_MISSES) & (evidence > LOST_EVIDENCE_MIN) & (far > LOST_OFFSET_MIN_M)
    parted = t_us - life.conflict_us[at] < LOST_S * 1e6
    parted &= (evidence > PARTED_EVIDENCE_MIN) & (far > PARTED_OFFSET_MIN_M)
    recent = t_us - seen_us(life.seen[at], 1) < LOST_S * 1e6
    return np.asarray(recent & (lost | parted) | (evidence > EVIDENCE_MIN) & (far > OFFSET_MIN_M))


def free_of_ais(kin: Kin, life: Life, i: int) -> bool:
    """Put a row where radar sees it, its errors wide enough for what AIS had done to it; False where it is there.

    A row that radar already holds against its AIS stays as it is; the memory of one that was moved has to begin anew.
    """
    mean, cov = offsets(life.drag[i : i + 1])
    age = (kin.t_us[i] - seen_us(life.seen[i], 0)) * 1e-6
    ve, vn = life.ais_v[i].astype(np.float64)
    lat, lon, _ = move(life.ais[i, 0], life.ais[i, 1], age * ve + mean[0, 0], age * vn + mean[0, 1])
    life.drag[i] = 0.0
    if math.hypot(*local_offset(lat, lon, kin.lat[i], kin.lon[i])) < 0.5 * math.hypot(*mean[0]):
        return False
    kin.lat[i], kin.lon[i] = lat, lon
    kin.x[i, :, :2] = 0.0
    kin.x[i, :, 2], kin.x[i, :, 3] = kin.ve[i], kin.vn[i]
    lag = float(mean[0] @ mean[0]) / 4.0  # a growing offset is ahead of its mean
    kin.p[i] = 0.0
    kin.p[i, :, 0], kin.p[i, :, 1], kin.p[i, :, 4] = cov[0, 0] + lag, cov[0, 1], cov[0, 2] + lag
    kin.p[i, :, 7] = kin.p[i, :, 9] = SPEED_VAR_M2S2
    return True
