"""Rows as they may be seen: TRACKS and ALERTS in, RELEASED_TRACKS and RELEASED_ALERTS out, under one decision.

Used by `seal` to send and by `view` to show, so that the partner view is exactly what would be sent. The coarse form
is built here from shifted cells and classes; the exact form from the state as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.exchange import coarsen
from kuroshio.exchange.columns import (
    COARSE_WITHHOLDS,
    PASSED,
    int64_of,
    on_steps,
    withheld_columns,
)
from kuroshio.exchange.lineage import lineage_column, provenance_of
from kuroshio.exchange.marking import LEAK_EVIDENCE, marked
from kuroshio.exchange.outlet import Outlet, bucket_s_of
from kuroshio.schema import TRACKS, Obligations
from kuroshio.schema.core import UTC_US
from kuroshio.schema.release import RELEASED_ALERTS, RELEASED_TRACKS, TRACK_FORMS, TRACKLETS
from kuroshio.units import US_PER_S

Floats = np.ndarray[Any, np.dtype[np.float64]]
UNKNOWN_SIGMA_M = 1000.0  # stated where a track carries no covariance


def is_coarse(obligations: Obligations) -> bool:
    """True when positions or times are coarsened; then speed, course and name are too."""
    return obligations.grid_deg > 0.0 or obligations.time_bucket_s > 0


def form_of(obligations: Obligations, outlet: Outlet) -> int:
    """Form of a release of tracks: the newest that its recipient is told, where all of its columns may leave."""
    exact = not is_coarse(obligations) and LEAK_EVIDENCE not in obligations.marking
    return outlet.form if exact and not withheld_columns(obligations.redact) & TRACKLETS else 1


def select_tracks(tracks: pa.Table, obligations: Obligations, outlet: Outlet) -> pa.Table:
    """Released rows for rows that are due, under the obligations, in the form that `form_of` names.

    Raises
    ------
    ReleaseRefused
        On a redaction that is not known or not possible.
    """
    withheld = withheld_columns(obligations.redact)
    if is_coarse(obligations):
        withheld |= COARSE_WITHHOLDS
    ids = int64_of(tracks, "track_id")
    columns: dict[str, Any] = {"ref": outlet.refs(ids.tolist())}
    marks = [[]] * tracks.num_rows if is_coarse(obligations) else lineage_column(tracks)
    columns["lineage"] = pa.array(marks, pa.list_(pa.string()))
    columns |= _motion(tracks, ids, obligations, outlet)
    form = form_of(obligations, outlet)
    if form > 1:
        columns |= _tracklets(tracks, ids, outlet)
    for name in PASSED:
        if name not in columns and name not in withheld:
            columns[name] = tracks.column(name)
    if is_coarse(obligations):
        columns["length_m"] = coarsen.length_class(_floats(tracks, "length_m"))
    chosen = {name: values for name, values in columns.items() if name not in withheld}
    for name in ("heading_deg", "p_exists", "p_identity", "length_m"):
        if name in chosen:
            values = chosen[name] if isinstance(chosen[name], np.ndarray) else _floats(tracks, name)
            chosen[name] = on_steps(values, name)
    return TRACK_FORMS[form].build(chosen, rows=tracks.num_rows)


def _tracklets(tracks: pa.Table, ids: Any, outlet: Outlet) -> dict[str, Any]:
    """Whole covariances and provenance of rows that rest on one party's own sensors; nulls for others."""
    partner, came = tracks.column("partner").to_pylist(), tracks.column("provenance").to_pylist()
    made = [
        provenance_of(outlet.secret, i) if giver is None else before
        for i, giver, before in zip(ids.tolist(), partner, came, strict=True)  # a hash a row
    ]
    values = {name: _floats(tracks, name) for name in sorted(TRACKLETS - {"provenance"})}
    known = np.all([np.isfinite(v) for v in values.values()], axis=0) & np.array([m is not None for m in made], bool)
    out: dict[str, Any] = {name: on_steps(np.where(known, v, np.nan), name) for name, v in values.items()}
    out["provenance"] = pa.array([m if k else None for m, k in zip(made, known.tolist(), strict=True)], pa.string())
    return out


def _floats(table: pa.Table, name: str) -> Floats:
    return table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)


def _motion(tracks: pa.Table, ids: Any, obligations: Obligations, outlet: Outlet) -> dict[str, Any]:
    """Position, time, covariance and velocity, exact or coarse."""
    lat, lon, sog, cog = (_floats(tracks, n) for n in ("lat_deg", "lon_deg", "sog_mps", "cog_deg"))
    ee, en, nn = (_floats(tracks, n) for n in ("cov_ee_m2", "cov_en_m2", "cov_nn_m2"))
    unknown = ~(np.isfinite(ee) & np.isfinite(en) & np.isfinite(nn))
    ee, nn = (np.where(unknown, UNKNOWN_SIGMA_M**2, v) for v in (ee, nn))
    en = np.where(unknown, 0.0, en)
    vee, ven, vnn = (_floats(tracks, n) for n in ("cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2"))
    # one number for both axes: the longer axis of the ellipse, or the receiver would take the velocity as better known
    vel_sigma = np.sqrt(np.maximum(0.5 * (vee + vnn) + np.hypot(0.5 * (vee - vnn), np.nan_to_num(ven)), 0.0))
    at = int64_of(tracks, "observed_at")
    bucket_s, grid = bucket_s_of(obligations), obligations.grid_deg
    if bucket_s:
        at = at // (bucket_s * US_PER_S) * (bucket_s * US_PER_S)
    if grid > 0.0:
        dlat, dlon = outlet.offsets_deg(ids, grid)
        add_ee, add_nn = coarsen.stated_variance_m2(lat, grid, float(bucket_s), sog)
        lat, lon = coarsen.cell_centre(lat + dlat, lon + dlon, grid)
        lat, lon = _where_shown(tracks, ids, bucket_s, outlet, lat, lon)
        ee, nn, en = ee + add_ee, nn + add_nn, np.zeros_like(en)
    elif bucket_s:
        moved = (np.nan_to_num(sog, nan=10.0) * bucket_s) ** 2 / 3.0
        ee, nn = ee + moved, nn + moved
    elif LEAK_EVIDENCE in obligations.marking:
        lat, lon, ee, nn = marked(outlet.secret, outlet.recipient, at, lat, lon, ee, nn)
    if is_coarse(obligations):
        sog, cog = coarsen.speed_class(sog), coarsen.course_sector(cog)
        cog = np.where(sog > 0.0, cog, np.nan)
        vel_sigma = np.full_like(sog, coarsen.SPEED_CLASS_MPS)
    values = {
        "lat_deg": lat,
        "lon_deg": lon,
        "cov_ee_m2": ee,
        "cov_en_m2": en,
        "cov_nn_m2": nn,
        "sog_mps": sog,
        "cog_deg": cog,
        "vel_sigma_mps": vel_sigma,
    }
    stepped: dict[str, Any] = {name: on_steps(v, name) for name, v in values.items()}
    stepped["observed_at"] = pa.array(at, pa.int64()).cast(UTC_US)
    return stepped


def _where_shown(
    tracks: pa.Table, ids: Any, bucket_s: int, outlet: Outlet, lat: Floats, lon: Floats
) -> tuple[Floats, Floats]:
    """A track that ends in a bucket already used stays in the cell it was shown in: two rows would show a crossing."""
    ended = pc.equal(tracks.column("status").cast(pa.string()), "ended").to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(ended.astype(bool))
    if not len(rows):
        return lat, lon
    shown = outlet.shown_cells({int(ids[r]) for r in rows})
    at = int64_of(tracks, "observed_at")
    for row in rows.tolist():  # tracks that end are few
        last = shown.get(int(ids[row]))
        if last is not None and last[2] // (bucket_s * US_PER_S) == at[row] // (bucket_s * US_PER_S):
            lat[row], lon[row] = last[0], last[1]
    return lat, lon


def select_alerts(alerts: pa.Table, obligations: Obligations, outlet: Outlet) -> pa.Table:
    """RELEASED_ALERTS for alerts under the obligations; the sentence goes only where nothing in it is withheld.

    Under a grid an alert names one ship at most; where it is about a place on the map, none, and not the place: ships
    said to have met, or a ship said to be at a known border, would give the hidden shift of their tracks away.
    """
    withheld = set(withheld_columns(obligations.redact))
    coarse = is_coarse(obligations)
    if coarse or withheld:
        withheld.add("summary")
    track_lists = [ids or [] for ids in alerts.column("track_ids").to_pylist()]
    alert_ids, zones = alerts.column("alert_id").to_pylist(), alerts.column("zone").to_pylist()
    mmsi_lists = alerts.column("mmsis").to_pylist()
    bucket_us = bucket_s_of(obligations) * US_PER_S

    def time(name: str) -> pa.Array:
        values = alerts.column(name).cast(pa.int64()).to_pylist()
        return pa.array([v if v is None or not bucket_us else v // bucket_us * bucket_us for v in values], pa.int64())

    lat, lon = _floats(alerts, "lat_deg"), _floats(alerts, "lon_deg")
    if obligations.grid_deg > 0.0:
        on_map = np.array([zone is not None for zone in zones], bool)
        alone = [not m and len(ids) == 1 for m, ids in zip(on_map, track_lists, strict=True)]
        mmsi_lists = [mmsis if a else None for mmsis, a in zip(mmsi_lists, alone, strict=True)]
        track_lists = [[] if m else sorted(ids)[:1] for m, ids in zip(on_map, track_lists, strict=True)]
        lat, lon = _alert_cells(track_lists, np.where(on_map, np.nan, lat), lon, obligations.grid_deg, outlet)
    columns: dict[str, Any] = {
        "alert_ref": [outlet.alert_ref(a) for a in alert_ids],
        "refs": pa.array([[outlet.ref(i) for i in ids] for ids in track_lists], pa.list_(pa.string())),
        "mmsis": pa.array(
            [None if ids is None else [str(i) for i in ids] for ids in mmsi_lists], pa.list_(pa.string())
        ),
        "lat_deg": on_steps(lat, "lat_deg"),
        "lon_deg": on_steps(lon, "lon_deg"),
        **{name: time(name).cast(UTC_US) for name in ("start_at", "end_at", "known_at")},
        **{n: alerts.column(n) for n in ("definition", "version", "change", "grade", "severity", "exercise")},
        "zone": zones,
        "summary": alerts.column("summary"),
    }
    if coarse:
        withheld.add("zone")  # a zone's border is finer than a cell
    return RELEASED_ALERTS.build({k: v for k, v in columns.items() if k not in withheld}, rows=alerts.num_rows)


def _alert_cells(
    track_lists: Sequence[Sequence[int]], lat: Floats, lon: Floats, grid_deg: float, outlet: Outlet
) -> tuple[Floats, Floats]:
    """Cells of alerts, shifted as the track each names; NaN stays NaN."""
    named = np.array([ids[0] if ids else 0 for ids in track_lists], np.int64)
    dlat, dlon = outlet.offsets_deg(named, grid_deg)
    lat, lon = coarsen.cell_centre(lat + dlat, lon + dlon, grid_deg)
    return lat, np.where(np.isnan(lat), np.nan, lon)


def as_tracks(released: pa.Table, *, track_ids: Sequence[int], partner: str | None, held_by: str) -> pa.Table:
    """TRACKS rows of released rows: what a screen or a fusion engine reads.

    Parameters
    ----------
    released
        RELEASED_TRACKS.
    track_ids
        Number of each row at this node.
    partner
        Party the rows came from; None for a view of one's own releases.
    held_by
        Word for the sources column, such as ``partner:PHL``.
    """
    rows = released.num_rows
    sog, cog = _floats(released, "sog_mps"), np.radians(_floats(released, "cog_deg"))
    variance = _floats(released, "vel_sigma_mps") ** 2
    whole = released.column("provenance").is_valid().to_numpy(zero_copy_only=False)
    at = released.column("observed_at")
    columns: dict[str, Any] = {
        "track_id": pa.array(track_ids, pa.int64()),
        "ve_mps": np.where(sog == 0.0, 0.0, sog * np.sin(cog)),
        "vn_mps": np.where(sog == 0.0, 0.0, sog * np.cos(cog)),
        "cov_vee_m2s2": np.where(whole, _floats(released, "cov_vee_m2s2"), variance),
        "cov_ven_m2s2": np.where(
            whole, _floats(released, "cov_ven_m2s2"), np.where(np.isfinite(variance), 0.0, np.nan)
        ),
        "cov_vnn_m2s2": np.where(whole, _floats(released, "cov_vnn_m2s2"), variance),
        "sources": pa.array([[held_by]] * rows, pa.list_(pa.string())),
        "partner": [partner] * rows,
        "partner_track": released.column("ref"),
    }
    if partner is not None:
        columns["last_partner_at"] = at
        columns["sources_last_at"] = pa.array(
            [[when] for when in at.to_pylist()], TRACKS.arrow.field("sources_last_at").type
        )
        columns["sensors"] = pa.array([["partner"]] * rows, pa.list_(pa.string()))
    same = set(TRACKS.names) & set(RELEASED_TRACKS.names)
    for name in same - set(columns):
        columns[name] = released.column(name)
    return TRACKS.build(columns, rows=rows)
