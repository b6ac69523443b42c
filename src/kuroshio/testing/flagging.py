"""How well flags tell: dark ships, spoofed positions, and what is flagged for nothing.

What enters: columns of truth and tracks, and their pairs. What leaves: precision, recall, delays and false flags by
vessel-hour. What counts: a ship is dark where it sends no AIS while a radar holds it; it should be flagged once that
has lasted `DARK_GRACE_S`. A ship that claims to be far away is dark where it really is: a flag on it is not held
against the tracker. A ship spoofs from the first instant its claimed place differs from the true one; its MMSI
should get one of the flags uncorroborated, conflict or drag. Two ships with one MMSI should too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kuroshio.schema import FLAG_CONFLICT, FLAG_DARK, FLAG_DRAG, FLAG_UNCORROBORATED
from kuroshio.units import US_PER_S, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from kuroshio.testing.metrics import Columns

DARK_GRACE_S = 480.0  # a slow ship may be silent for 420 s before it is called dark
SPOOF_FLAGS = FLAG_UNCORROBORATED | FLAG_CONFLICT | FLAG_DRAG
SIZES_M = (300.0, 2000.0)


def _flags(tr: Columns) -> IntArray:
    return np.nan_to_num(tr.number("flags")).astype(np.int64)


def _lasting_s(gt: Columns, state: BoolArray) -> FloatArray:
    """Seconds for which a ship has been in a state without a break, by truth row; rows stand ship by ship in time."""
    begin = state & ~np.concatenate([[False], state[:-1] & (gt.ident[1:] == gt.ident[:-1])])
    since = np.maximum.accumulate(np.where(begin, np.arange(len(state)), 0))
    return np.where(state, (gt.t_us - gt.t_us[since]) / US_PER_S, 0.0)


def _hours(gt: Columns, rows: BoolArray) -> float:
    """Vessel-hours of the truth rows marked: the time to the next row of the same ship."""
    step = np.append(gt.t_us[1:] - gt.t_us[:-1], 0) * np.append(gt.ident[1:] == gt.ident[:-1], False)
    return float(np.sum(step[rows])) / US_PER_S / 3600.0


def dark(gt: Columns, tr: Columns, true_row: IntArray, shown_row: IntArray, pairs: IntArray) -> dict[str, Any]:
    """Precision and recall of the dark flag over ships and instants, and ships once flagged.

    Parameters
    ----------
    true_row, shown_row
        Rows of truth and tracks at the scored instants; ``pairs`` are indices into them.
    """
    is_dark = gt.number("dark") > 0
    held = gt.is_word("held_by", "radar") | ~np.full(len(is_dark), gt.has("held_by"))
    ripe = is_dark & held & (_lasting_s(gt, is_dark & held) >= DARK_GRACE_S)
    flagged = (_flags(tr)[shown_row] & FLAG_DARK) > 0
    of = np.full(len(shown_row), -1, np.int64)
    of[pairs[:, 1]] = true_row[pairs[:, 0]]
    ship = of[flagged]
    away = np.nan_to_num(gt.number("spoof_m")) >= SIZES_M[0]
    ship = ship[(ship < 0) | ~away[ship]]
    right = int(np.sum(is_dark[ship[ship >= 0]]))
    found = np.zeros(len(is_dark), np.bool_)
    found[ship[ship >= 0]] = True
    wanted = true_row[ripe[true_row]]
    ships = np.unique(gt.ident[wanted])
    once = np.unique(gt.ident[wanted[found[wanted]]])
    return {
        "precision": right / len(ship) if len(ship) else None,
        "recall": float(np.mean(found[wanted])) if len(wanted) else None,
        "ships": len(ships),
        "ships_flagged": len(once),
        "flagged_instants": len(ship),
        "false_instants": len(ship) - right,
        "false_on_no_ship": int(np.sum(ship < 0)),
    }


def _onsets(tr: Columns, bits: int) -> BoolArray:
    """Rows in which a track gets one of the flags it did not have in its row before."""
    now = _flags(tr) & bits
    before = np.concatenate([[0], np.where(tr.ident[1:] == tr.ident[:-1], now[:-1], 0)]) if len(now) else now
    return np.asarray((now & ~before) > 0)


def spoof(gt: Columns, tr: Columns) -> dict[str, Any]:
    """Recall, precision and delay of the flags about false positions, by MMSI, and false flags by vessel-hour."""
    mmsi = np.nan_to_num(gt.number("mmsi")).astype(np.int64)
    codes, words = gt.words("spoof")
    said = np.nan_to_num(tr.number("mmsi")).astype(np.int64)
    raised = _onsets(tr, SPOOF_FLAGS) & (said > 0)
    kinds: dict[str, Any] = {}
    liars: list[IntArray] = []
    for code, word in enumerate(words):
        if word == "none":
            continue
        rows = np.flatnonzero((codes == code) & (mmsi > 0))
        who, first = _first(mmsi[rows], gt.t_us[rows])
        size = np.zeros(len(who))
        np.maximum.at(size, np.searchsorted(who, mmsi[rows]), np.nan_to_num(gt.number("spoof_m")[rows]))
        liars.append(who)
        delay = _delays(who, first, said[raised], tr.t_us[raised])
        hit = np.isfinite(delay)
        kinds[word] = {
            "ships": len(who),
            "recall": float(np.mean(hit)) if len(who) else None,
            "delay_s_median": float(np.median(delay[hit])) if hit.any() else None,
            "delay_s_max": float(delay[hit].max()) if hit.any() else None,
        }
        for least in SIZES_M:
            big = size >= least
            if word == "jump":
                kinds[word][f"recall_over_{least:.0f}_m"] = float(np.mean(hit[big])) if big.any() else None
    guilty = np.unique(np.concatenate(liars)) if liars else np.zeros(0, np.int64)
    flagged = np.unique(said[raised])
    honest = ~np.isin(mmsi, guilty)
    false = int(np.sum(raised & ~np.isin(said, guilty)))
    hours = _hours(gt, honest & (mmsi > 0))
    return {
        "kinds": kinds,
        "precision": float(np.mean(np.isin(flagged, guilty))) if len(flagged) else None,
        "false_flags": false,
        "false_flags_per_vessel_h": false / hours if hours > 0 else None,
        "vessel_hours": hours,
    }


def _first(who: IntArray, t_us: IntArray) -> tuple[IntArray, IntArray]:
    """(each identity, its earliest time)."""
    order = np.lexsort((t_us, who))
    names, at = np.unique(who[order], return_index=True)
    return names, t_us[order][at]


def _delays(who: IntArray, from_us: IntArray, said: IntArray, at_us: IntArray) -> FloatArray:
    """Seconds from each identity's onset to the first flag on it not before; infinity without one."""
    place = np.searchsorted(who, said)
    place = np.minimum(place, max(len(who) - 1, 0))
    mine = (who[place] == said) if len(who) else np.zeros(len(said), np.bool_)
    late = (at_us - from_us[place]) / US_PER_S if len(who) else np.zeros(len(said))
    out = np.full(len(who), np.inf)
    keep = mine & (late >= 0)
    np.minimum.at(out, place[keep], late[keep])
    return out
