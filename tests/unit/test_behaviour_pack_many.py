"""Evidence packs of interference that hit more ships than its alert names."""

from __future__ import annotations

import functools
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kuroshio import behaviour, clock, schema
from kuroshio.behaviour.others import others_about, stretches
from kuroshio.behaviour.pack import make_pack, reproduce, select_rows, verify_pack

S, H = 1_000_000, 3_600_000_000
T0 = 472_222 * H
ALL = behaviour.load_definitions().only("gnss_interference")


def jammed(seed: int, lon0: float, form: str) -> pa.Table:
    """Two hundred ships in a cell, most of which jump or point across their course from the second hour on."""
    rng, parts = clock.generator(seed), []
    for ship in range(200):
        n = int(rng.integers(20, 120))
        t = T0 + np.cumsum(rng.choice([2, 3, 5, 6, 60, 300, 600], n)) * S
        jump = (rng.random(n) < rng.choice([0.0, 0.1, 0.5])) & (t >= T0 + H - 300 * S)
        heading, sog = rng.choice([0.0, 120.0, np.nan], n), rng.choice([0.0, 6.0, 60.0], n)
        lat = 20.1 + rng.normal(0, 0.02) + np.where(jump, rng.choice([-0.015, 0.03, 0.9], n), 0.0)
        lon = lon0 + rng.normal(0, 0.02) + np.where(jump, rng.choice([0.0, 1.0], n), 0.0)
        rows = {"mmsi": np.full(n, 431_000_000 + ship), "observed_at": t, "lat_deg": lat, "sog_mps": sog}
        rows |= {"lon_deg": (lon + 180.0) % 360.0 - 180.0, "cog_deg": np.zeros(n), "heading_deg": heading}
        parts.append(rows)
    c = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if form == "tracks":
        c |= {"track_id": c["mmsi"] % 1000, "status": ["confirmed"] * len(c["mmsi"]), "last_ais_at": c["observed_at"]}
        return schema.TRACKS.build(c)
    at = pa.array(c.pop("observed_at")).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"observed_at": at} | {k: pa.array(v, from_pandas=True) for k, v in c.items()})


@pytest.mark.parametrize(
    ("seed", "lon0", "form"), [(1, 121.1, "positions"), (2, 180.0, "tracks"), (3, -180.0, "tracks")]
)
def test_all_interference_packs_and_reproduces_however_many_it_hit(tmp_path, seed, lon0, form) -> None:
    rows = jammed(seed, lon0, form)
    alerts = behaviour.detect(rows, ALL, now_us=T0 + 48 * H).to_pylist()
    hit = [json.loads(a["evidence"])["values"]["vessels_hit"] for a in alerts]
    assert max(hit) > 80
    assert min(hit) <= 50
    for alert in alerts:
        make_pack(tmp_path / "a", alert, rows, ALL)
        assert reproduce(tmp_path / "a")["evidence"] == alert["evidence"]
        kept = pa.ipc.open_file(pa.BufferReader(verify_pack(tmp_path / "a")["rows.arrow"])).read_all()
        named = select_rows(rows, alert).num_rows
        assert kept.num_rows - named <= 2 * 200


def test_a_node_that_reads_a_stretch_of_time_finds_the_same_rows(tmp_path) -> None:
    rows, d = jammed(4, 121.1, "tracks"), ALL["gnss_interference"]
    alert = max(
        behaviour.detect(rows, ALL, now_us=T0 + 48 * H).to_pylist(),
        key=lambda a: json.loads(a["evidence"])["values"]["vessels_hit"],
    )
    ((first_us, over_us, (west, south, east, north)),) = stretches(alert, d)
    at = rows["observed_at"].cast("int64")
    read = rows.filter(pc.and_(pc.greater_equal(at, first_us), pc.less(at, over_us)))
    lat, lon = read["lat_deg"], read["lon_deg"]
    box = [
        pc.greater_equal(lat, south),
        pc.less_equal(lat, north),
        pc.greater_equal(lon, west),
        pc.less_equal(lon, east),
    ]
    ships = pc.unique(read.filter(functools.reduce(pc.and_, box))["mmsi"])
    read = read.filter(pc.is_in(read["mmsi"], ships))
    some = others_about(read, alert, d)
    assert some is not None
    assert others_about(some, alert, d).sort_by("observed_at").equals(some.sort_by("observed_at"))
    own = rows.filter(pc.is_in(rows["mmsi"], pa.array(alert["mmsis"])))
    make_pack(tmp_path / "a", alert, pa.concat_tables([own, some]), ALL)
    assert reproduce(tmp_path / "a")["alert_id"] == alert["alert_id"]
