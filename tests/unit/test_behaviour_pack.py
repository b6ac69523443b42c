"""Evidence packs: made, verified, reproduced byte for byte; any change is found."""

from __future__ import annotations

import hashlib
import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio import behaviour, clock
from kuroshio.behaviour.pack import make_pack, reproduce, verify_pack
from kuroshio.cli.alert import app as alert_app
from kuroshio.cli.detect import app as detect_app
from kuroshio.errors import InputError, NotFound, VerificationError

H = 3_600_000_000
T0 = 472_222 * H
ALL = behaviour.load_definitions()
SQUARE = [[121, 20], [122, 20], [122, 21], [121, 21], [121, 20]]
ZONE = {
    "type": "Feature",
    "properties": {"name": "Reserve", "kind": "reserve"},
    "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
}


def rows():
    t = T0 + np.arange(0, 8 * H, H // 20)
    n = len(t)
    lon = np.concatenate([np.full(n, 121.5), np.full(n, 121.5015), 120 + np.arange(n) * 0.02])
    return pa.table(
        {
            "mmsi": np.repeat([11, 12, 13], n),
            "observed_at": pa.array(np.tile(t, 3)).cast(pa.timestamp("us", tz="UTC")),
            "lat_deg": np.full(3 * n, 20.5),
            "lon_deg": lon,
        }
    )


@pytest.fixture(scope="module")
def found():
    zones = behaviour.load_zones(ZONE)
    alerts = behaviour.detect(rows(), ALL, zones=zones).to_pylist()
    assert {"encounter", "loitering", "zone_entry", "zone_exit"} <= {a["definition"] for a in alerts}
    return zones, alerts


def test_every_alert_packs_and_reproduces_and_the_same_twice_is_the_same_bytes(found, tmp_path):
    zones, alerts = found
    for alert in alerts:
        make_pack(tmp_path / "a", alert, rows(), ALL, zones=zones)
        make_pack(tmp_path / "b", alert, rows(), ALL, zones=zones)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        again = reproduce(tmp_path / "a")
        assert again["evidence"] == alert["evidence"]
        assert again["summary"] == alert["summary"]
    parts = verify_pack(tmp_path / "a")
    assert parts["map.svg"].startswith(b"<svg")
    assert b"polyline" in parts["map.svg"]


@pytest.mark.parametrize("part", ["alert.json", "rows.arrow", "definition.json", "map.svg"])
def test_a_changed_part_is_found(found, tmp_path, part):
    zones, alerts = found
    make_pack(tmp_path / "a", alerts[0], rows(), ALL, zones=zones)
    with zipfile.ZipFile(tmp_path / "a") as old, zipfile.ZipFile(tmp_path / "b", "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info, data[:-2] + b"xx" if info.filename == part else data)
    with pytest.raises(VerificationError, match=part):
        verify_pack(tmp_path / "b")


def test_an_alert_that_the_rows_do_not_make_is_refused(found, tmp_path):
    zones, alerts = found
    with pytest.raises(VerificationError, match="does not come out"):
        make_pack(tmp_path / "a", alerts[0] | {"alert_id": "0" * 20}, rows(), ALL, zones=zones)
    with pytest.raises(VerificationError, match="different"):
        make_pack(tmp_path / "a", alerts[0] | {"summary": "nothing"}, rows(), ALL, zones=zones)
    with pytest.raises(NotFound):
        make_pack(tmp_path / "a", alerts[0] | {"definition": "x"}, rows(), ALL, zones=zones)
    (tmp_path / "c").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="not an evidence pack"):
        verify_pack(tmp_path / "c")


RULE = """
rules:
  - {id: reserve, behaviours: [encounter, loitering, zone_entry], zones: [Reserve], severity: alarm}
  - {id: silent, behaviours: [ais_gap, ais_disabling], mmsi: [412000003]}
"""


def test_a_step_after_a_long_silence_packs_with_the_report_it_is_held_against(tmp_path):
    t = T0 + np.asarray([0, 1, 30, 31]) * H  # 6,700 km in 29 hours: the report before is older than the lead
    at = pa.array(t).cast(pa.timestamp("us", tz="UTC"))
    lon = np.asarray([121.0, 121.1, 185.0, 185.1]) - np.asarray([0, 0, 360, 360])
    data = pa.table({"mmsi": [11] * 4, "track_id": [1] * 4, "observed_at": at, "lat_deg": [20.0] * 4, "lon_deg": lon})
    (alert,) = behaviour.detect(data, ALL.only("impossible_kinematics")).to_pylist()
    (point,) = json.loads(alert["evidence"])["geometry"]
    assert (point["label"], point["lon_deg"]) == ("before the first step", 121.1)
    assert clock.parse_rfc3339(point["at"]) == t[1]
    make_pack(tmp_path / "a", alert, data, ALL)
    assert reproduce(tmp_path / "a")["alert_id"] == alert["alert_id"]


@pytest.mark.parametrize("stated", [False, True])
def test_a_ship_whose_track_began_anew_before_the_rows_of_the_pack_keeps_the_number_of_that_track(tmp_path, stated):
    """Heard for 3 hours on each of three days, 30 hours apart: without a track told each is a segment of its number."""
    t = np.concatenate([T0 + k * 33 * H + np.arange(0, 3 * H, H // 6) for k in range(3)])
    own = {"mmsi": np.full(len(t), 11), "t": t, "lon": 121.0 + (t - T0) / H * 0.01}
    other = {"mmsi": np.full(10, 12), "t": T0 + np.arange(10) * 9 * H, "lon": np.full(10, 140.0)}
    c = {name: np.concatenate([own[name], other[name]]) for name in own}
    at = pa.array(c["t"]).cast(pa.timestamp("us", tz="UTC"))
    data = pa.table({"mmsi": c["mmsi"], "observed_at": at, "lat_deg": np.full(len(at), 20.0), "lon_deg": c["lon"]})
    if stated:  # of some rows alone
        data = data.append_column("track_id", pa.array(c["mmsi"] * 7, mask=c["mmsi"] == 11))
    found = behaviour.detect(data, ALL.only("ais_gap"), now_us=T0 + 80 * H).to_pylist()
    gaps = [a for a in found if a["mmsis"] == [11]]
    assert [a["track_ids"] for a in gaps] == [[11_000], [11_001], [11_002]]
    for alert in gaps:
        make_pack(tmp_path / "a", alert, data, ALL)
        assert reproduce(tmp_path / "a")["track_ids"] == alert["track_ids"]
        drawn = verify_pack(tmp_path / "a")["map.svg"]
        assert (b">11<" in drawn) != stated


def silent_among_others():
    t = T0 + np.arange(0, 16 * H, H // 20)
    parts = [(412_000_000 + n, t[(t < T0 + 4 * H) | (t > T0 + 11 * H)] if n == 3 else t) for n in range(6)]
    return pa.table(
        {
            "mmsi": np.concatenate([np.full(len(s), m) for m, s in parts]),
            "observed_at": pa.array(np.concatenate([s for _, s in parts])).cast(pa.timestamp("us", tz="UTC")),
            "lat_deg": np.concatenate([30.0 + (m % 10) * 0.02 + (s - T0) / H * 0.01 for m, s in parts]),
            "lon_deg": np.full(sum(len(s) for _, s in parts), 121.5),
        }
    )


def jammed(status=None):
    """Eight ships in one cell for three hours, of which three jump to and fro in the second."""
    t = T0 + np.arange(0, 3 * H, H // 60)
    count, n = 8, len(t)
    lat, lon = np.repeat(20.10 + 0.01 * np.arange(count), n), np.tile(121.05 + 1e-5 * np.arange(n), count)
    hit = (np.repeat(np.arange(count), n) < 3) & (np.tile((t // H) == T0 // H + 1, count))
    lat = lat + np.where(hit & (np.tile(np.arange(n), count) % 2 == 1), 0.9, 0.0)
    at = pa.array(np.tile(t, count)).cast(pa.timestamp("us", tz="UTC"))
    mmsi = 412_000_000 + np.repeat(np.arange(count), n)
    table = {"mmsi": mmsi, "observed_at": at, "lat_deg": lat, "lon_deg": lon}
    if status is not None:
        table |= {"track_id": mmsi % 100, "status": np.full(count * n, status), "last_ais_at": at}
    return pa.table(table)


@pytest.mark.parametrize("status", [None, "confirmed"])
def test_a_pack_of_interference_holds_a_row_of_each_ship_that_was_not_hit(tmp_path, status):
    data, only = jammed(status), ALL.only("gnss_interference")
    alerts = {json.loads(a["evidence"])["values"]["vessels"]: a for a in behaviour.detect(data, only).to_pylist()}
    alert = alerts[8]  # in tracks there is another where they land, of these three alone
    assert json.loads(alert["evidence"])["values"]["vessels_hit"] == 3
    make_pack(tmp_path / "a", alert, data, ALL)
    assert reproduce(tmp_path / "a")["evidence"] == alert["evidence"]
    kept = pa.ipc.open_file(pa.BufferReader(verify_pack(tmp_path / "a")["rows.arrow"])).read_all()["mmsi"].to_pylist()
    assert [kept.count(412_000_000 + n) for n in range(8)] == [180] * 3 + [1] * 5
    others = data.filter(pa.compute.less(data["mmsi"], 412_000_006))  # without two of them it is another alert
    with pytest.raises(VerificationError):
        make_pack(tmp_path / "b", alert, others, ALL)


@pytest.mark.parametrize(("rule", "data", "rests"), [("reserve", rows, 2), ("silent", silent_among_others, 1)])
def test_the_alert_of_a_rule_packs_and_reproduces_with_the_rule_and_all_it_was_raised_of(tmp_path, rule, data, rests):
    (tmp_path / "rules.yaml").write_text(RULE)
    (tmp_path / "z.geojson").write_text(json.dumps(ZONE))
    pq.write_table(data(), tmp_path / "p.parquet")
    run, table, zones = CliRunner().invoke, str(tmp_path / "p.parquet"), ["--zones", str(tmp_path / "z.geojson")]
    arguments = [table, "-o", str(tmp_path), "--rules", str(tmp_path / "rules.yaml"), "--json", *zones]
    assert run(detect_app, arguments, catch_exceptions=False).exit_code == 0
    alerts = pq.read_table(tmp_path / "alerts.parquet").to_pylist()
    mine = [a for a in alerts if a["definition"] == f"rule.{rule}"]
    alert = max(mine, key=lambda a: len(json.loads(a["evidence"])["raised_of"]))
    assert len(json.loads(alert["evidence"])["raised_of"]) >= rests
    pack = tmp_path / "a.evidence"
    make = ["pack", str(tmp_path / "alerts.parquet"), alert["alert_id"], "--rows", table, "-o", str(pack), *zones]
    run(alert_app, make, catch_exceptions=False)
    done = json.loads(run(alert_app, ["reproduce", str(pack), "--json"], catch_exceptions=False).stdout)
    assert done["alert"]["evidence"] == alert["evidence"]
    assert done["alert"]["definition"] == f"rule.{rule}"
    with zipfile.ZipFile(pack) as old, zipfile.ZipFile(tmp_path / "b", "w") as new:  # another rule, digests put right
        parts = {i.filename: old.read(i) for i in old.infolist()}
        parts["rule.json"] = parts["rule.json"].replace(b'"max_per_day":100', b'"max_per_day":99')
        manifest = json.loads(parts["manifest.json"])
        manifest["sha256"]["rule.json"] = hashlib.sha256(parts["rule.json"]).hexdigest()
        parts["manifest.json"] = json.dumps(manifest).encode()
        for name, data_of in parts.items():
            new.writestr(name, data_of)
    with pytest.raises(VerificationError, match="does not come out"):
        reproduce(tmp_path / "b")


def test_commands_detect_pack_reproduce(tmp_path):
    pq.write_table(rows(), tmp_path / "p.parquet")
    (tmp_path / "z.geojson").write_text(json.dumps(ZONE))
    run = CliRunner().invoke
    options = ["--zones", str(tmp_path / "z.geojson")]
    done = run(
        detect_app,
        [str(tmp_path / "p.parquet"), "-o", str(tmp_path / "out"), "--json", *options],
        catch_exceptions=False,
    )
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["alerts_by_definition"]["encounter"] == 1
    alerts = pq.read_table(tmp_path / "out" / "alerts.parquet").to_pylist()
    one = next(a["alert_id"] for a in alerts if a["definition"] == "encounter")
    pack = str(tmp_path / "e.pack")
    arguments = [
        "pack",
        str(tmp_path / "out" / "alerts.parquet"),
        one,
        "--rows",
        str(tmp_path / "p.parquet"),
        "-o",
        pack,
    ]
    run(alert_app, [*arguments, *options], catch_exceptions=False)
    done = run(alert_app, ["reproduce", pack, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["alert"]["alert_id"] == one
    assert run(alert_app, ["show", pack, "-o", str(tmp_path / "m.svg")], catch_exceptions=False).exit_code == 0
    assert (tmp_path / "m.svg").read_text().startswith("<svg")
    with pytest.raises(InputError, match="no such file"):
        run(detect_app, [str(tmp_path / "none.parquet")], catch_exceptions=False)
