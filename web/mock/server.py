"""A pretend node for working on the page: the wire contract with synthetic ships, one process, no product code.

Run: ``../.venv/bin/python mock/server.py [port] [ships]``. Any user name, password "kuroshio". Development only.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from aiohttp import WSMsgType, web

PAGE = Path(__file__).parents[2] / "src/kuroshio/api/page"
CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
NAMES = "DIWATA,BAGONG ALON,SAKURA MARU,KAIYO,PACIFIC HERON,LUZON STAR,HAI YUN,MAYON SPIRIT,BATANES EXPRESS,TENYO,CORAL".split(",")


def iso(us: float) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Sea:
    def __init__(self, n: int) -> None:
        r = np.random.default_rng(7)
        self.n, self.seq = n, 100
        self.id = np.arange(1, n + 1)
        centres = np.array([[119.6, 16.2], [120.9, 19.6], [122.6, 17.4], [121.6, 20.7], [123.4, 14.9], [119.4, 18.4]])
        c = centres[r.integers(0, len(centres), n)]
        self.lon = c[:, 0] + r.normal(0, 0.6, n)
        self.lat = c[:, 1] + r.normal(0, 0.6, n)
        east_coast = (self.lon > 120.35) & (self.lon < 122.35) & (self.lat < 18.5)
        self.lon[east_coast] += 2.2
        self.sog = np.abs(r.normal(5.5, 2.5, n))
        self.sog[r.random(n) < 0.12] = 0.0
        self.cog = r.random(n) * 360
        self.sensors = np.where(r.random(n) < 0.45, 3, 1).astype(np.uint8)
        kind = r.random(n)
        self.sensors[kind < 0.08] = 2
        self.sensors[(kind >= 0.08) & (kind < 0.10)] = 4
        self.sensors[(kind >= 0.10) & (kind < 0.16)] = 32
        self.sensors[(kind >= 0.16) & (kind < 0.18)] = 8
        self.flags = np.zeros(n, np.int32)
        self.flags[:3] = 1
        self.sensors[:3] = 2
        self.lon[:3], self.lat[:3] = [121.35, 120.2, 122.0], [19.75, 20.4, 20.9]
        self.flags[3:5] = 4
        self.flags[5:6] = 8
        self.sensors[3:6] = 1
        self.status = np.ones(n, np.uint8)
        self.status[r.random(n) < 0.03] = 2
        self.status[r.random(n) < 0.03] = 0
        self.age = np.where(r.random(n) < 0.06, r.random(n) * 2400, r.random(n) * 20) * 1e6
        self.grid = np.zeros(n, np.float32)
        partners = np.flatnonzero(self.sensors == 32)
        self.grid[partners[::2]] = 11119.5
        self.type = r.choice([30, 70, 71, 80, 81, 60, 52, 0], n).astype(np.uint8)
        self.opened = time.time() * 1e6 - 40 * 60e6

    def step(self, dt: float) -> np.ndarray:
        moving = (self.sog > 0) & (self.grid == 0)
        d = self.sog * dt
        rad = np.radians(self.cog)
        self.lat += np.where(moving, d * np.cos(rad) / 111195, 0)
        self.lon += np.where(moving, d * np.sin(rad) / (111195 * np.cos(np.radians(self.lat))), 0)
        self.cog = (self.cog + np.random.default_rng(self.seq).normal(0, 0.4, self.n)) % 360
        self.seq += 1
        return np.flatnonzero(np.random.default_rng(self.seq).random(self.n) < 0.3)

    def table(self, rows: np.ndarray, viewpoint: str | None, kind: str) -> pa.Table:
        now = time.time() * 1e6
        if viewpoint:
            rows = rows[(self.id[rows] % 5 != 0)]
        grid = self.grid.copy()
        if viewpoint:
            grid[:3] = 22239.0
        g = grid[rows] / 111195
        lat, lon = self.lat[rows], self.lon[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            lat = np.where(g > 0, (np.floor(lat / g) + 0.5) * g, lat)
            lon = np.where(g > 0, (np.floor(lon / g) + 0.5) * g, lon)
        ais = (self.sensors[rows] & 1) > 0
        cog = self.cog[rows]
        slow = self.sog[rows] < 0.25
        radar_only = (self.sensors[rows] & 1) == 0
        nulls = lambda values, mask: pa.array(values.astype(np.float32), mask=mask)  # noqa: E731
        return pa.table(
            {
                "track_id": self.id[rows].astype(np.int64),
                "lat_deg": lat,
                "lon_deg": lon,
                "sog_mps": self.sog[rows].astype(np.float32),
                "cog_deg": nulls(cog, slow),
                "heading_deg": nulls((cog + 2) % 360, ~ais),
                "length_m": nulls(np.full(len(rows), 120.0) + self.id[rows] % 90, ~ais),
                "ellipse_major_m": np.where(radar_only, 900.0, 60.0).astype(np.float32),
                "ellipse_minor_m": np.where(radar_only, 260.0, 40.0).astype(np.float32),
                "ellipse_angle_deg": ((self.id[rows] * 37) % 180).astype(np.float32),
                "observed_at": (now - self.age[rows]).astype(np.int64),
                "status": self.status[rows],
                "sensors": self.sensors[rows],
                "flags": self.flags[rows],
                "mmsi": np.where(ais, 548000000 + self.id[rows], 0).astype(np.int64),
                "ship_type": np.where(ais, self.type[rows], 0).astype(np.uint8),
                "name": pa.array([f"{NAMES[i % len(NAMES)]} {i}" if a else None for i, a in zip(self.id[rows], ais)]),
                "partner": pa.array(["USA" if s == 32 else None for s in self.sensors[rows]]),
                "grid_m": grid[rows].astype(np.float32),
                "p_exists": np.full(len(rows), 0.97, np.float32),
                "exercise": np.zeros(len(rows), bool),
            }
        ).replace_schema_metadata({"seq": str(self.seq), "kind": kind, "removed": "", "now_us": str(int(now))})

    def alerts(self) -> list[dict]:
        now = self.opened

        def alert(i, definition, severity, tracks, summary, evidence, ago):
            return {
                "alert_id": f"a{i:04d}", "definition": definition, "version": "1.0", "change": "open", "grade": "confirmed",
                "severity": severity, "track_ids": tracks, "mmsis": [], "start_at": iso(now - ago * 60e6),
                "end_at": None, "known_at": iso(now - ago * 60e6 + 45e6), "lat_deg": float(self.lat[tracks[0] - 1]),
                "lon_deg": float(self.lon[tracks[0] - 1]), "zone": None, "summary": summary, "evidence": evidence,
                "exercise": False, "verdicts": VERDICTS.get(f"a{i:04d}", []),
            }  # fmt: skip

        line = {"type": "LineString", "coordinates": [[121.1, 19.3], [121.2, 19.55], [121.35, 19.75]]}
        zone = {"type": "Polygon", "coordinates": [[[121, 19.5], [121.8, 19.5], [121.8, 20], [121, 20], [121, 19.5]]]}
        return [
            alert(1, "dark_vessel", "alarm", [1], "Held by radar Basco for 34 min at 11.2 kn inside the Babuyan box; no AIS report within 4.1 km", {"thresholds": [{"name": "minutes held without AIS", "value": 34, "limit": 15, "unit": "min", "margin": 19}, {"name": "distance to nearest AIS report", "value": 4100, "limit": 1500, "unit": "m", "margin": 2600}], "geometry": {"type": "GeometryCollection", "geometries": [line, zone]}, "inputs": ["obs:81723", "obs:81790"], "would_cancel": "an AIS report within 1500 m of the radar track in the last 15 minutes"}, 12),
            alert(2, "encounter", "warning", [10, 11], "Two vessels within 0.3 nm below 2 kn for 52 min, 38 nm from the coast", {"thresholds": [{"name": "separation", "value": 540, "limit": 926, "unit": "m", "margin": 386}]}, 25),
            alert(3, "gap", "caution", [6], "No AIS for 2 h 10 min where 94 of 100 reports are usually heard", {"thresholds": [{"name": "gap", "value": 130, "limit": 60, "unit": "min", "margin": 70}]}, 44),
            alert(4, "zone_entry", "caution", [21], "Entered Batanes protected waters at 9 kn, type fishing", {}, 51),
            alert(5, "identity_conflict", "warning", [4], "MMSI 548000004 is claimed at two places 61 nm apart", {}, 63),
            alert(6, "loitering", "info", [31], "Within 2 nm for 6 h at under 1.5 kn", {}, 90),
        ] + [alert(100 + k, "gap", "info", [40 + k], f"No AIS for {60 + k} min", {}, 100 + k) for k in range(30)]


VERDICTS: dict[str, list[dict]] = {}
SEA = Sea(int(sys.argv[2]) if len(sys.argv) > 2 else 600)
SOCKETS: list[tuple[web.WebSocketResponse, str | None]] = []
RELEASES = [
    {"release_id": f"r{k:03d}", "to": to, "item_id": f"track:{k}", "accord": "jp-ph-info", "clause": clause, "obligations": ob, "rows": 12 + k, "at": iso(time.time() * 1e6 - k * 9e7), "state": state}
    for k, (to, clause, ob, state) in enumerate([("JPN", "4.2", {"grid_deg": 0.1, "delay_s": 300, "retention_s": 2592000}, "received"), ("JPN", "4.1", {}, "received"), ("USA", "3(b)", {"onward": False}, "sent"), ("JPN", "4.2", {"grid_deg": 0.1}, "withdrawn"), ("USA", "3(b)", {}, "confirmed")] * 4, 1)
]  # fmt: skip
PENDING = [{"item_id": "track:2", "to": "USA", "accord": "ph-us-info", "clause": "3(c)", "role": "release officer", "text": "A dark vessel inside the territorial sea goes only after a release officer signs", "since": iso(time.time() * 1e6 - 9e8), "kind": "information", "subject": "dark_vessel"}]


def info() -> dict:
    return {"party": "PHL", "name": "Coast Watch North", "mode": "simulated", "version": "0.1.0", "now": iso(time.time() * 1e6), "center": [121.3, 18.6], "zoom": 6.3, "viewpoints": ["JPN", "USA", "KOR"], "notice": ""}


def feeds() -> list[dict]:
    now = time.time() * 1e6
    return [
        {"name": "ais-basco", "kind": "tcp", "sensor": "ais", "state": "ok", "last_at": iso(now - 1e6), "rate_per_min": 812, "norm_per_min": 800, "messages": 91822, "rejects": 41, "rejects_by_reason": {"checksum": 30, "too_short": 11}, "clock_offset_s": 0.2},
        {"name": "radar-basco", "kind": "asterix", "sensor": "radar", "state": "ok", "last_at": iso(now - 4e6), "rate_per_min": 240, "norm_per_min": 240, "messages": 20110, "rejects": 0, "clock_offset_s": -0.1},
        {"name": "ais-aparri", "kind": "udp", "sensor": "ais", "state": "silent", "last_at": iso(now - 26 * 60e6), "rate_per_min": 0, "norm_per_min": 310, "messages": 40211, "rejects": 3, "clock_offset_s": None, "detail": "silent since 26 min; norm is an item each 0.2 s"},
        {"name": "sat-sar", "kind": "file", "sensor": "image", "state": "late", "last_at": iso(now - 96 * 60e6), "rate_per_min": 0.2, "norm_per_min": 0.3, "messages": 91, "rejects": 0, "clock_offset_s": 0},
    ]


def partners() -> list[dict]:
    now = time.time() * 1e6
    return [
        {"party": "JPN", "name": "Japan", "direction": "out", "state": "ok", "last_at": iso(now - 3e6), "undelivered": 0, "unconfirmed": 0, "rate_per_min": 88},
        {"party": "JPN", "name": "Japan", "direction": "in", "state": "ok", "last_at": iso(now - 5e6), "undelivered": 0, "unconfirmed": 0, "rate_per_min": 41},
        {"party": "USA", "name": "United States", "direction": "out", "state": "late", "last_at": iso(now - 400e6), "undelivered": 212, "unconfirmed": 1, "rate_per_min": 0, "detail": "link down, 212 items wait"},
    ]


def accords() -> list[dict]:
    return [
        {"accord": "jp-ph-info", "title": "Information sharing, Japan and the Philippines", "parties": ["JPN", "PHL"], "kind": "information", "status": "in_force", "status_at": "2026-09-11", "illustrative": True, "history": [{"status": "signed", "legal_at": "2026-02-01", "learned_at": "2026-02-02", "source": "foreign ministry notice"}, {"status": "in_force", "legal_at": "2026-09-11", "learned_at": "2026-09-12", "source": "exchange of notes"}], "conflicts": [{"text": "One report dates entry into force 2026-09-01", "sources": ["wire report", "exchange of notes"]}], "clauses": [{"clause": "4.1", "effect": "permit", "text": "AIS tracks of vessels in the strait"}, {"clause": "4.2", "effect": "oblige", "text": "Dark vessels, on a grid of 0.1 degree, five minutes late"}], "duties": [{"text": "Yearly security visit", "party": "JPN", "due_at": "2026-12-31", "state": "open"}]},
        {"accord": "ph-us-info", "title": "Information sharing, the Philippines and the United States", "parties": ["PHL", "USA"], "kind": "information", "status": "in_force", "status_at": "2024-11-18", "clauses": [{"clause": "3(b)", "effect": "permit", "text": "Tracks without originator limits"}, {"clause": "3(c)", "effect": "decide", "text": "Inside the territorial sea a release officer signs"}]},
        {"accord": "kr-ph-draft", "title": "Draft, Korea and the Philippines", "parties": ["KOR", "PHL"], "kind": "information", "status": "draft", "clauses": []},
        {"accord": "jp-us-info", "title": "Information sharing, Japan and the United States", "parties": ["JPN", "USA"], "kind": "information", "status": "in_force", "status_at": "2007-08-10", "clauses": []},
    ]


def withheld(viewpoint: str) -> list[dict]:
    out = []
    for i in range(1, 61):
        if i % 5 == 0:
            out.append({"item_id": f"track:{i}", "track_id": i, "name": f"{NAMES[i % len(NAMES)]} {i}", "mmsi": 548000000 + i, "lat_deg": float(SEA.lat[i - 1]), "lon_deg": float(SEA.lon[i - 1]), "effect": "deny", "kind": "missing", "accord": "jp-ph-info", "clause": "7.1", "text": "Originator USA limits it to PHL: the third-party rule holds"})
    out += [{"item_id": f"track:{i}", "track_id": i, "name": None, "mmsi": None, "lat_deg": float(SEA.lat[i - 1]), "lon_deg": float(SEA.lon[i - 1]), "effect": "oblige", "kind": "blurred", "accord": "jp-ph-info", "clause": "4.2", "text": "Dark vessels go on a grid of 0.2 degree, five minutes late", "obligations": {"grid_deg": 0.2, "delay_s": 300}} for i in (1, 2, 3)]
    return out


def zones() -> dict:
    def circle(lon, lat, m):
        return [[lon + m / 111195 / math.cos(math.radians(lat)) * math.sin(a), lat + m / 111195 * math.cos(a)] for a in np.linspace(0, 2 * math.pi, 61)]

    feature = lambda g, **p: {"type": "Feature", "properties": p, "geometry": g}  # noqa: E731
    features = [feature({"type": "Polygon", "coordinates": [[[121, 19.5], [121.8, 19.5], [121.8, 20], [121, 20], [121, 19.5]]]}, kind="zone", name="Babuyan box"), feature({"type": "Polygon", "coordinates": [[[121.5, 20.2], [122.4, 20.2], [122.4, 21.1], [121.5, 21.1], [121.5, 20.2]]]}, kind="zone", name="Batanes protected waters")]
    for name, lon, lat, r in [("Basco", 121.97, 20.45, 70e3), ("Aparri", 121.64, 18.36, 60e3), ("Bolinao", 119.9, 16.4, 60e3)]:
        features.append(feature({"type": "Polygon", "coordinates": [circle(lon, lat, r)]}, kind="coverage", name=name))
        features.append(feature({"type": "Point", "coordinates": [lon, lat]}, kind="sensor", sensor="radar", name=f"Radar {name}"))
    return {"type": "FeatureCollection", "features": features}


def target(i: int, viewpoint: str | None) -> dict:
    now = time.time() * 1e6
    k = i - 1
    dark = bool(SEA.flags[k] & 1)
    names = [s for b, s in zip((1, 2, 4, 8, 16, 32), ("ais", "radar", "image", "vms", "human", "partner")) if SEA.sensors[k] & b]
    return {
        "track_id": i,
        "values": [{"name": "sog_mps", "value": round(float(SEA.sog[k]), 2), "unit": "m/s", "source": "ais-basco" if not dark else "radar-basco", "observed_at": iso(now - 2e6)}, {"name": "cog_deg", "value": round(float(SEA.cog[k]), 1), "unit": "deg", "source": "fused", "observed_at": iso(now - 2e6)}] + ([] if dark else [{"name": "destination", "value": "PHMNL", "unit": "", "source": "ais-basco", "observed_at": iso(now - 300e6)}]),
        "sensors": [{"sensor": s, "source": f"{s}-basco", "last_at": iso(now - 3e6)} for s in names],
        "identity": [] if dark else [{"claim": "mmsi", "value": 548000000 + i, "source": "AIS message 1", "first_at": iso(now - 9e9), "last_at": iso(now - 2e6), "conflict": bool(SEA.flags[k] & 4)}, {"claim": "name", "value": f"{NAMES[i % len(NAMES)]} {i}", "source": "AIS message 5", "first_at": iso(now - 8e9), "last_at": iso(now - 3e8), "conflict": False}],
        "releases": [{"to": "JPN", "clause": "jp-ph-info 4.2", "obligations": {"grid_deg": 0.2, "delay_s": 300}, "at": iso(now - 6e8), "state": "received"}] if i % 2 else [],
        "decisions": [{"to": "JPN", "effect": "oblige" if dark else "permit", "clause": "jp-ph-info 4.2", "text": "Dark vessels go on a grid of 0.2 degree, five minutes late" if dark else "AIS tracks flow"}, {"to": "USA", "effect": "decide", "clause": "ph-us-info 3(c)", "text": "A release officer signs"}, {"to": "KOR", "effect": "deny", "clause": "", "text": "No agreement in force between PHL and KOR"}],
        "history": [[float(SEA.lon[k] - 0.02 * j * math.sin(math.radians(SEA.cog[k]))), float(SEA.lat[k] - 0.02 * j * math.cos(math.radians(SEA.cog[k]))), iso(now - j * 6e8)] for j in range(20, 0, -1)],
        "alerts": [a["alert_id"] for a in SEA.alerts() if i in a["track_ids"]],
    }  # fmt: skip


def problem(status: int, title: str, detail: str = "", code: str = "") -> web.Response:
    return web.json_response({"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "advice": ""}, status=status, content_type="application/problem+json")


routes = web.RouteTableDef()
A = "/api/v1"


@web.middleware
async def guard(request: web.Request, handler):
    if request.path.startswith(A) and request.path != f"{A}/session" and request.cookies.get("k") != "1":
        return problem(401, "Sign in first", code="api.unauthenticated")
    if request.method != "GET" and request.headers.get("X-Kuroshio-Request") != "1":
        return problem(403, "Missing request header")
    response = await handler(request)
    if not isinstance(response, web.WebSocketResponse):
        response.headers["Content-Security-Policy"] = CSP
    return response


@routes.get(f"{A}/session")
async def who(request):
    return web.json_response({"user": "watch", "roles": ["watch", "release", "policy"]}) if request.cookies.get("k") == "1" else problem(401, "Nobody is signed in")


@routes.post(f"{A}/session")
async def sign_in(request):
    body = await request.json()
    if body.get("password") != "kuroshio":
        return problem(401, "User or password is wrong", code="api.bad_credentials")
    response = web.json_response({"user": body["user"], "roles": ["watch", "release", "policy"]})
    response.set_cookie("k", "1", httponly=True, samesite="Strict")
    return response


@routes.delete(f"{A}/session")
async def sign_out(request):
    response = web.json_response({})
    response.del_cookie("k")
    return response


def listing(path, make):
    @routes.get(f"{A}/{path}")
    async def handler(request):
        return web.json_response(make(request))


listing("info", lambda r: info())
listing("feeds", lambda r: feeds())
listing("partners", lambda r: partners())
listing("releases", lambda r: RELEASES)
listing("pending", lambda r: PENDING)
listing("accords", lambda r: accords())
listing("zones", lambda r: zones())
listing("withheld", lambda r: withheld(r.query["viewpoint"]))
listing("record", lambda r: {"size": 48213, "root": "9f2c" * 16, "checkpoint_at": iso(time.time() * 1e6 - 3e7), "cosignatures": [{"party": "JPN", "at": iso(time.time() * 1e6)}], "self_check": {"ok": True, "at": iso(time.time() * 1e6), "text": "all leaves re-hashed"}})
listing("alerts", lambda r: SEA.alerts())
listing("tracks/{id}", lambda r: target(int(r.match_info["id"]), r.query.get("viewpoint")))
listing("why", lambda r: {"item": r.query["item"], "to": r.query["to"], "effect": "oblige", "clause": "jp-ph-info 4.2", "role": None, "obligations": {"grid_deg": 0.2, "delay_s": 300}, "reasons": [{"citation": "jp-ph-info 2.1", "kind": "status", "effect": None, "text": "in force since 2026-09-11"}, {"citation": "jp-ph-info 4.2", "kind": "basis", "effect": "oblige", "text": "dark vessels, on a grid, late"}, {"citation": "originator", "kind": "tie", "effect": None, "text": "own sensor: no tie"}], "rules_digest": "ab" * 32})


@routes.post(f"{A}/alerts/{{id}}/verdict")
async def verdict(request):
    body = await request.json()
    VERDICTS.setdefault(request.match_info["id"], []).append({**body, "by": "watch", "at": iso(time.time() * 1e6)})
    await push("alerts", SEA.alerts())
    return web.json_response({})


@routes.post(f"{A}/releases/{{id}}/recall")
async def recall(request):
    for r in RELEASES:
        if r["release_id"] == request.match_info["id"]:
            r["state"] = "withdrawn"
    await push("releases", RELEASES)
    return web.json_response({})


@routes.post(f"{A}/pending/{{item}}/{{party}}")
async def consent(request):
    PENDING.clear()
    return web.json_response({})


@routes.post(f"{A}/operate")
async def operate(request):
    return web.json_response({"ok": True})


@routes.post(f"{A}/dry-run")
async def dry_run(request):
    text = (await request.json())["accord"]
    if "parties" not in text:
        return problem(422, "The draft is not an agreement file", "line 1: missing key 'parties'", "accord.schema")
    return web.json_response({"counts": {"permit": 311, "oblige": 42, "decide": 3, "deny": 244}, "by_party": [{"party": "KOR", "permit": 311, "oblige": 42, "decide": 3, "deny": 244}], "by_clause": [{"accord": "kr-ph-draft", "clause": "5.1", "effect": "permit", "count": 311}, {"accord": "kr-ph-draft", "clause": "5.2", "effect": "oblige", "count": 42}], "examples": [{"item_id": "track:1", "to": "KOR", "effect": "oblige", "clause": "5.2", "text": "dark vessel on a grid of 0.1 degree", "lat_deg": 19.7, "lon_deg": 121.3}]})


def ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


async def push(kind, items):
    for ws, _ in SOCKETS:
        await ws.send_str(json.dumps({"type": kind, "items": items}))


@routes.get(f"{A}/stream")
async def stream(request):
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    viewpoint = request.query.get("viewpoint")
    await ws.send_bytes(ipc(SEA.table(np.arange(SEA.n), viewpoint, "snapshot")))
    for kind, items in (("alerts", SEA.alerts()), ("feeds", feeds()), ("info", [info()])):
        await ws.send_str(json.dumps({"type": kind, "items": items}))
    SOCKETS.append((ws, viewpoint))
    async for message in ws:
        if message.type == WSMsgType.ERROR:
            break
    SOCKETS.remove((ws, viewpoint))
    return ws


async def live(app):
    async def run():
        while True:
            await asyncio.sleep(1)
            rows = SEA.step(1.0)
            for ws, viewpoint in list(SOCKETS):
                if not ws.closed:
                    await ws.send_bytes(ipc(SEA.table(rows, viewpoint, "delta")))
            if random.random() < 0.1:
                await push("feeds", feeds())

    task = asyncio.create_task(run())
    yield
    task.cancel()


@routes.get("/")
async def index(request):
    return web.FileResponse(PAGE / "index.html")


if __name__ == "__main__":
    app = web.Application(middlewares=[guard])
    app.add_routes(routes)
    app.router.add_static("/", PAGE)
    app.cleanup_ctx.append(live)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8099, print=None)
