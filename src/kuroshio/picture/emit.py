"""Lines of the journal as Arrow: the TRACKS table, links and events.

What enters: `Log` arrays. What leaves: tables, built when they are read. It changes nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.picture.claims import ClaimBook, flags_of
from kuroshio.picture.compiled import kernel
from kuroshio.picture.identity import OUTCOME_WORDS
from kuroshio.picture.ingest import REASONS
from kuroshio.picture.journal import EVENT_WORDS, LOG_CROSS, LOG_INTS, LOG_SEEN
from kuroshio.picture.lifecycle import exists_probability
from kuroshio.picture.model import RADAR, SENSOR_KINDS, Motion
from kuroshio.picture.motion import agility, process_noise
from kuroshio.picture.partner_states import CROSS
from kuroshio.picture.seen import NEVER, seen_columns
from kuroshio.picture.table import STATUS_WORDS
from kuroshio.schema import EVENTS, FLAG_CONFLICT, FLAG_DRAG, LINKS, TRACKS
from kuroshio.schema.core import UTC_US
from kuroshio.units import US_PER_S, FloatArray, IntArray

COURSE_MIN_MPS = 0.25
AHEAD_S = {"sigma_1min_m": 60.0, "sigma_5min_m": 300.0, "sigma_15min_m": 900.0}
EVIDENCE = ("reports", "reports and radar", "contradicted", "operator")
SAID = OUTCOME_WORDS + REASONS  # outcomes of reports used, reasons of those refused
LAST_KINDS = ("ais", "radar", "image", "vms", "human")
_AT = {name: k for k, name in enumerate(LOG_INTS)}


def labels(codes: Any, words: tuple[str, ...]) -> pa.DictionaryArray:
    """Dictionary column from codes."""
    return pa.DictionaryArray.from_arrays(pa.array(np.asarray(codes, np.int32)), pa.array(words, pa.string()))


def _times(values: IntArray) -> pa.Array:
    return pa.array(values, pa.int64(), mask=values <= NEVER // 2).cast(UTC_US)


def _nullable(values: FloatArray, scale: float = 1.0) -> pa.Array:
    return pa.array(values * scale, pa.float64(), mask=np.isnan(values))


def _sets(masks: IntArray, words: list[str]) -> pa.Array:
    """List column of the words whose bits are set."""
    used, index = np.unique(masks, return_inverse=True)
    lists = [[w for k, w in enumerate(words) if int(m) >> k & 1] for m in used]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(index.ravel()))


@kernel
def sigmas_ahead(floats, ahead_s, q0, q1):  # type: ignore[no-untyped-def]
    """(rows, times) one sigma of the position (m, mean of the axes) so many seconds on; ``floats`` as `LOG_FLOATS`."""
    out = np.empty((len(floats), len(ahead_s)))
    for h in range(len(ahead_s)):
        dt = ahead_s[h]
        low, high = process_noise(dt, q0)[0], process_noise(dt, q1)[0]
        for k in range(len(floats)):
            f = floats[k]
            share = agility(f[2], f[3])  # process noise is proportional to its density
            spread = f[4] + f[6] + 2.0 * dt * (f[15] + f[18]) + dt * dt * (f[7] + f[9])
            out[k, h] = math.sqrt(max(spread / 2.0 + share * ((1.0 - f[10]) * low + f[10] * high), 0.0))
    return out


def _evidence(pin: IntArray, flags: IntArray, sensors: IntArray, mmsi: IntArray) -> pa.Array:
    """What each binding of an MMSI rests on, null where there is none."""
    radar = sensors >> RADAR & 1
    code = np.where(flags & (FLAG_CONFLICT | FLAG_DRAG), 2, np.where(radar, 1, 0))
    code = np.where(pin & 1, 3, code)
    return pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32), mask=mmsi == 0), pa.array(EVIDENCE))


def tracks_table(ints: IntArray, floats: FloatArray, book: ClaimBook, sources: list[str], motion: Motion) -> pa.Table:
    """TRACKS rows of the lines of a journal, in their order."""
    n = len(ints)
    if n == 0:
        return TRACKS.empty()
    col = {name: ints[:, k] for name, k in _AT.items()}
    ve, vn = floats[:, 2], floats[:, 3]
    sog = np.hypot(ve, vn)
    cog = np.degrees(np.arctan2(ve, vn)) % 360.0 % 360.0  # a hair west of north is 360 after the first
    claims = book.columns(col["claim"])
    superseded = col["superseded_by"]
    ahead = sigmas_ahead(np.ascontiguousarray(floats), np.array(list(AHEAD_S.values())), motion.q0, motion.q1)
    kinds, times, first = seen_columns(np.ascontiguousarray(ints[:, LOG_SEEN:]), col["sources"], len(sources))
    newest = kinds.max(axis=1)
    return TRACKS.build(
        {
            "track_id": col["uid"],
            "observed_at": _times(col["t_us"]),
            "lat_deg": floats[:, 0],
            "lon_deg": floats[:, 1],
            "ve_mps": ve,
            "vn_mps": vn,
            "cov_ee_m2": floats[:, 4],
            "cov_en_m2": floats[:, 5],
            "cov_nn_m2": floats[:, 6],
            "cov_vee_m2s2": floats[:, 7],
            "cov_ven_m2s2": floats[:, 8],
            "cov_vnn_m2s2": floats[:, 9],
            **{name: floats[:, LOG_CROSS + k] for k, name in enumerate(CROSS)},
            "sog_mps": sog,
            "cog_deg": pa.array(cog, mask=sog < COURSE_MIN_MPS),
            "heading_deg": _nullable(floats[:, 13]),
            "p_exists": exists_probability(floats[:, 11]),
            "p_manoeuvre": floats[:, 10],
            "status": labels(np.asarray(col["status"]) - 1, STATUS_WORDS[1:]),  # a free row has no status to tell
            "mmsi": pa.array(col["mmsi"], mask=col["mmsi"] == 0),
            "p_identity": pa.array(exists_probability(floats[:, 12]), mask=np.isnan(floats[:, 12])),
            "flags": col["flags"].astype(np.int32),
            "hits": col["hits"].astype(np.int32),
            "sensors": _sets(col["sensors"], list(SENSOR_KINDS)),
            "sources": _sets(col["sources"], sources),
            "sources_last_at": pa.ListArray.from_arrays(pa.array(first), _times(times)),
            **{f"last_{kind}_at": _times(kinds[:, k]) for k, kind in enumerate(LAST_KINDS)},
            "first_at": _times(col["born_us"]),
            "age_s": pa.array((col["t_us"] - newest) / US_PER_S, mask=newest <= NEVER // 2),
            **{name: ahead[:, k] for k, name in enumerate(AHEAD_S)},
            "identity_evidence": _evidence(col["pin"], col["flags"], col["sensors"], col["mmsi"]),
            "flag": flags_of(col["mmsi"]),
            "nav_status": pa.array(col["nav"].astype(np.int16), mask=col["nav"] < 0),
            "superseded_by": pa.array(superseded, mask=superseded == 0),
            "exercise": col["exercise"].astype(np.bool_),
            **claims,
        },
        n,
    )


def links_table(obs_id: IntArray, t_us: IntArray, uid: IntArray, d2: FloatArray, code: IntArray) -> pa.Table:
    """LINKS rows: what became of each observation; no track where ``uid`` is 0. ``code`` counts in `SAID`."""
    return pa.Table.from_arrays(
        [
            pa.array(obs_id),
            _times(t_us),
            pa.array(uid, mask=uid == 0),
            pa.array(d2, mask=(uid == 0) | np.isnan(d2)),
            labels(code, SAID),
        ],
        schema=LINKS.arrow,
    )


def events_table(events: IntArray) -> pa.Table:
    """EVENTS rows of a journal."""
    return pa.Table.from_arrays(
        [
            _times(events[:, 0]),
            pa.array(events[:, 1]),
            labels(events[:, 2], EVENT_WORDS),
            pa.array(events[:, 3]),
            pa.array(events[:, 4]),
        ],
        schema=EVENTS.arrow,
    )
