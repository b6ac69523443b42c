"""Fixed answers of the stand-in node: cards, alerts, feeds, partners, releases, agreements, zones.

Every dict here has the shape that `kuroshio.api.models` documents; a test holds them to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.clock import rfc3339
from kuroshio.schema import FLAG_DARK
from kuroshio.testing.standin_sea import KIND_AIS, KIND_BOTH, KIND_DARK, VIEWS, ClosedSea
from kuroshio.units import US_PER_S, UtcMicros

SAMPLE = "Illustrative agreement, not a text in force."


def card(row: dict[str, Any], releases: list[dict[str, Any]]) -> dict[str, Any]:
    """Target card of one TRACKS row."""
    at = row["observed_at"].isoformat().replace("+00:00", "Z")
    source = (row["sources"] or ["-"])[0]
    fields = ("name", "mmsi", "imo", "call_sign", "ship_type", "length_m", "sog_mps", "cog_deg", "heading_deg")
    values = [
        {"field": name, "value": row[name], "source": source, "at": at} for name in fields if row[name] is not None
    ]
    claims = []
    if row["mmsi"]:
        claims = [{"mmsi": row["mmsi"], "name": row["name"], "probability": 0.99, "source": source, "at": at}]
    item = f"track:{row['track_id']}"
    return {
        "track_id": row["track_id"],
        "item_id": item,
        "status": row["status"],
        "flags": ["dark"] if row["flags"] & FLAG_DARK else [],
        "observed_at": at,
        "lat_deg": row["lat_deg"],
        "lon_deg": row["lon_deg"],
        "sog_mps": row["sog_mps"],
        "cog_deg": row["cog_deg"],
        "p_exists": row["p_exists"],
        "partner": row["partner"],
        "values": values,
        "sensors": [{"sensor": kind, "source": source, "last_at": at} for kind in row["sensors"] or []],
        "identity": claims,
        "releases": [r for r in releases if item in r["items"]],
        "history": [],
    }


def alerts(sea: ClosedSea, tick: int) -> list[dict[str, Any]]:
    """Alerts at a tick, newest first: dark ships that are there, a gap, a meeting and an entry."""
    lat, lon, _ = sea.position(tick)
    alive = sea.alive(tick)

    def row(
        number: int, definition: str, ships: list[int], begun: int, severity: str, text: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        first = ships[0]
        return {
            "alert_id": f"{definition}-{number:04d}",
            "definition": definition,
            "version": "1",
            "grade": "confirmed",
            "severity": severity,
            "state": "open" if alive[first] else "closed",
            "track_ids": [int(sea.track_id[i]) for i in ships],
            "mmsis": [int(sea.mmsi[i]) for i in ships if sea.mmsi[i]],
            "start_at": rfc3339(sea.start_us + begun * US_PER_S),
            "end_at": None if alive[first] else rfc3339(sea.start_us + tick * sea.tick_us),
            "known_at": rfc3339(sea.start_us + (begun + 40) * US_PER_S),
            "lat_deg": float(lat[first]),
            "lon_deg": float(lon[first]),
            "zone": facts.get("zone"),
            "summary": text,
            "evidence": facts,
            "verdicts": [],
            "exercise": False,
        }

    dark = np.flatnonzero(sea.kind == KIND_DARK)[:6]
    loud = np.flatnonzero((sea.kind == KIND_AIS) | (sea.kind == KIND_BOTH))[:8]
    rows = [
        row(
            int(i),
            "dark_vessel",
            [int(i)],
            -60 * n,
            "warning",
            f"Track {sea.track_id[i]} is held by basco-radar for 20 scans and sends no AIS in range of two receivers.",
            {
                "thresholds": [{"name": "scans_without_ais", "value": 20, "limit": 12, "margin": 8, "unit": ""}],
                "geometry": {"type": "Point", "coordinates": [float(lon[i]), float(lat[i])]},
                "inputs": [f"track:{sea.track_id[i]}"],
                "would_cancel": ["an AIS report within 900 m of the track"],
            },
        )
        for n, i in enumerate(dark)
    ]
    if len(loud) >= 4:
        a, b, c, d = (int(i) for i in loud[:4])
        gap = {"thresholds": [{"name": "gap_s", "value": 5400, "limit": 3600, "margin": 1800, "unit": "s"}]}
        met = {"thresholds": [{"name": "distance_m", "value": 180, "limit": 500, "margin": 320, "unit": "m"}]}
        near = {"zone": "Batanes protected waters", "thresholds": []}
        rows.append(row(1, "gap", [a], -400, "caution", f"MMSI {sea.mmsi[a]} was silent for 90 min in coverage.", gap))
        rows.append(row(2, "encounter", [b, c], -500, "warning", "Two ships within 180 m for 55 min.", met))
        rows.append(row(3, "zone_entry", [d], -600, "info", "Entry into Batanes protected waters.", near))
    return rows


def feeds(now_us: UtcMicros) -> list[dict[str, Any]]:
    """Health of four sources."""

    def feed(name: str, kind: str, state: str, age_s: float, rate: float, norm: float) -> dict[str, Any]:
        return {
            "name": name,
            "kind": kind,
            "state": state,
            "last_at": rfc3339(now_us - int(age_s * US_PER_S)),
            "age_s": age_s,
            "rate_per_s": rate,
            "norm_per_s": norm,
            "received": 48_213,
            "rejects": {"checksum": 12, "orphan_part": 3},
            "clock_offset_s": 0.4,
            "detail": "",
        }

    return [
        feed("basco-ais", "nmea", "ok", 0.4, 31.0, 30.0),
        feed("basco-radar", "asterix", "ok", 2.5, 12.0, 12.0),
        feed("sat-pass", "image", "late", 5400.0, 0.0, 0.01),
        feed("sanvicente-ais", "nmea", "silent", 610.0, 0.0, 18.0),
    ]


def partners(now_us: UtcMicros) -> list[dict[str, Any]]:
    """Health of each viewpoint."""
    return [
        {
            "party": party,
            "state": state,
            "sent_seq": 412,
            "accepted_seq": 412 - behind,
            "undelivered": behind,
            "withdrawn_unconfirmed": 0,
            "last_sent_at": rfc3339(now_us - 2 * US_PER_S),
            "last_received_at": rfc3339(now_us - int(quiet_s * US_PER_S)),
            "clock_offset_s": 0.1,
            "rate_per_s": 4.0,
            "accords": accords_named,
            "detail": "",
        }
        for party, state, behind, quiet_s, accords_named in (
            ("JPN", "connected", 0, 1.5, ["JPN-PHL-INFO-SAMPLE"]),
            ("USA", "behind", 37, 240.0, ["PHL-USA-INFO-SAMPLE"]),
            ("KOR", "none", 0, 0.0, []),
        )
    ]


def releases(sea: ClosedSea) -> list[dict[str, Any]]:
    """Six releases of the first dark ships, newest first."""
    rows = []
    dark = np.flatnonzero(sea.kind == KIND_DARK)[:6]
    for n, i in enumerate(dark):
        to = "JPN" if n % 2 == 0 else "USA"
        view = VIEWS[to]
        if view is None:
            continue
        rows.append(
            {
                "release_id": f"rel-{n:04d}",
                "to": to,
                "at": rfc3339(sea.start_us - n * 60 * US_PER_S),
                "accord": view.accord,
                "clause": view.clause,
                "obligations": {"grid_deg": view.dark_grid_deg, "redact": ["sources"]},
                "rows": 1,
                "items": [f"track:{sea.track_id[i]}"],
                "state": "received" if n else "sent",
                "seq": 412 - n,
                "digest": f"{n:064x}",
            }
        )
    return rows


def pending(sea: ClosedSea) -> list[dict[str, Any]]:
    """Two items that a release officer must answer."""
    dark = np.flatnonzero(sea.kind == KIND_DARK)[:2]
    return [
        {
            "item_id": f"track:{sea.track_id[i]}",
            "to": "USA",
            "kind": "information",
            "subject": "dark_vessel",
            "role": "release",
            "accord": "PHL-USA-INFO-SAMPLE",
            "clause": "5.2",
            "since": rfc3339(sea.start_us - 300 * US_PER_S),
            "summary": "Exact position of a dark vessel: the originator must consent.",
        }
        for i in dark
    ]


def accords() -> list[dict[str, Any]]:
    """Two sample agreements with their status history."""
    return [
        {
            "accord": name,
            "title": title,
            "parties": parties,
            "version": "1",
            "status": "in_force",
            "note": SAMPLE,
            "history": [
                {"status": "signed", "legal_at": "2026-01-15", "learned_at": "2026-01-16", "source": "sample"},
                {"status": "in_force", "legal_at": "2026-06-01", "learned_at": "2026-06-02", "source": "sample"},
            ],
            "conflicts": [],
            "clauses": [{"clause": clause, "effect": "oblige", "text": text}],
            "digest": "0" * 64,
        }
        for name, title, parties, clause, text in (
            ("JPN-PHL-INFO-SAMPLE", "Sharing of maritime data", ["JPN", "PHL"], "4.2", "Dark vessels in 0.05 deg."),
            ("PHL-USA-INFO-SAMPLE", "Exchange of maritime data", ["PHL", "USA"], "3.1", "Dark vessels in 0.1 deg."),
        )
    ]


def why(item_id: str, to: str) -> dict[str, Any]:
    """Trace of a decision."""
    view = VIEWS.get(to)
    if view is None:
        step = {"citation": "default", "effect": "deny", "text": "No agreement in force with this party."}
        return {"item_id": item_id, "to": to, "effect": "deny", "cited": "no accord in force", "reasons": [step]}
    step = {"citation": f"{view.accord} {view.clause}", "effect": "oblige", "text": "Dark vessels are coarsened."}
    return {
        "item_id": item_id,
        "to": to,
        "effect": "oblige",
        "cited": f"{view.accord} {view.clause}",
        "obligations": {"grid_deg": view.dark_grid_deg},
        "role": None,
        "reasons": [step],
        "rules_digest": "0" * 64,
    }


def withheld(tracks: pa.Table, party: str) -> list[dict[str, Any]]:
    """Each track missing or blurred in a party's view."""
    view = VIEWS[party]
    rows = []
    for row in tracks.select(["track_id", "lat_deg", "lon_deg", "flags"]).to_pylist():
        base = {"item_id": f"track:{row['track_id']}", "track_id": row["track_id"]}
        place = {"lat_deg": row["lat_deg"], "lon_deg": row["lon_deg"]}
        if view is None:
            reason = {"effect": "deny", "cited": "no accord in force", "reason": "No agreement in force."}
        elif row["lat_deg"] < view.south_deg:
            reason = {"effect": "deny", "cited": f"{view.accord} 2.1", "reason": "Outside the agreed area."}
        elif row["flags"] & FLAG_DARK:
            reason = {"effect": "oblige", "cited": f"{view.accord} {view.clause}", "reason": "Position coarsened."}
        else:
            continue
        rows.append({**base, **place, **reason})
    return rows


def dry_run(tracks: pa.Table, at: str) -> dict[str, Any]:
    """Counts of what would flow."""
    dark = int(np.count_nonzero(tracks.column("flags").to_numpy() & FLAG_DARK))
    rest = tracks.num_rows - dark
    return {
        "at": at,
        "items": tracks.num_rows,
        "by_effect": {"permit": rest, "oblige": dark, "decide": 0, "deny": 0},
        "by_party": [{"to": "JPN", "permit": rest, "oblige": dark, "decide": 0, "deny": 0}],
        "by_clause": [{"cited": "DRAFT 1.1", "effect": "permit", "items": rest}],
        "examples": [],
    }


def zones() -> dict[str, Any]:
    """A zone, a radar's coverage and a receiver."""
    box = [[121.5, 20.0], [122.4, 20.0], [122.4, 21.0], [121.5, 21.0], [121.5, 20.0]]
    angle = np.linspace(0.0, 2.0 * np.pi, 49)
    ring = [[121.97 + 0.6 * float(np.cos(a)), 20.45 + 0.56 * float(np.sin(a))] for a in angle]
    ring[-1] = ring[0]

    def feature(kind: str, name: str, geometry: str, coordinates: Any) -> dict[str, Any]:
        place = {"type": geometry, "coordinates": coordinates}
        return {"type": "Feature", "properties": {"kind": kind, "name": name}, "geometry": place}

    return {
        "type": "FeatureCollection",
        "features": [
            feature("zone", "Batanes protected waters", "Polygon", [box]),
            feature("coverage", "basco-radar", "Polygon", [ring]),
            feature("sensor", "basco-radar", "Point", [121.97, 20.45]),
        ],
    }


def record(now_us: UtcMicros, tick: int) -> dict[str, Any]:
    """State of the record."""
    return {
        "size": 412 + tick,
        "root": "0" * 64,
        "checkpoint_at": rfc3339(now_us),
        "cosigned_by": ["JPN"],
        "self_check": {"at": rfc3339(now_us), "ok": True, "detail": ""},
    }
