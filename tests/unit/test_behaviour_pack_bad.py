"""Packs cut, spoilt or made up whole with digests that hold: each is refused in words."""

from __future__ import annotations

import contextlib
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
from kuroshio.cli.main import app
from kuroshio.errors import InputError, KuroshioError
from kuroshio.testing.fuzz.lies import lying

N, T0 = 40, 1_700_000_000_000_000
ALL = behaviour.load_definitions().only("zone_entry")
RING = [[[120.9, 20.03], [121.1, 20.03], [121.1, 20.05], [120.9, 20.05], [120.9, 20.03]]]
ROWS = pa.table(
    {
        "mmsi": np.full(N, 431_000_001),
        "observed_at": pa.array(T0 + np.arange(N) * 60_000_000, pa.timestamp("us", tz="UTC")),
        "lat_deg": 20.0 + np.arange(N) * 0.002,
        "lon_deg": np.full(N, 121.0),
    }
)


def area(**properties):
    shape = {"type": "Polygon", "coordinates": RING}
    return {"type": "Feature", "properties": {"name": "Area", "kind": "custom", **properties}, "geometry": shape}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    zones, path = behaviour.load_zones(area()), tmp_path_factory.mktemp("pack") / "a.evidence"
    (alert,) = behaviour.detect(ROWS, ALL, zones=zones).to_pylist()
    make_pack(path, alert, ROWS, ALL, zones=zones)
    return path.read_bytes(), verify_pack(path)


@pytest.mark.parametrize("times", [{"valid_from": "2023-11-14T22:13:20.000001Z"}, {"valid_to": "2024-02-29T00:00:00Z"}])
def test_the_pack_of_a_zone_that_holds_for_a_time_gives_its_alert_again(tmp_path, times):
    zones = behaviour.load_zones(area(**times))
    (alert,) = behaviour.detect(ROWS, ALL, zones=zones).to_pylist()
    make_pack(tmp_path / "a", alert, ROWS, ALL, zones=zones)
    assert reproduce(tmp_path / "a")["evidence"] == alert["evidence"]


def write(path, parts, **manifest):
    """A pack of the parts, all digests right but where another manifest is given."""
    told = json.loads(parts["manifest.json"])
    told["sha256"] = {k: hashlib.sha256(v).hexdigest() for k, v in parts.items() if k != "manifest.json"}
    told = {k: v for k, v in (told | manifest).items() if v != "left out"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (parts | {"manifest.json": json.dumps(told).encode()}).items():
            archive.writestr(name, data)


@pytest.mark.parametrize("data", [None, b"", b"junk", b"[]", b"{}", b"null", b"[" * 100_000, b'{"features": 3}'])
@pytest.mark.parametrize("name", ["alert.json", "definition.json", "rows.arrow", "zones.geojson", "map.svg"])
def test_a_part_of_another_form_is_refused_whatever_its_digest_says(parts, tmp_path, name, data):
    body = {k: v for k, v in parts[1].items() if k != name} | ({} if data is None else {name: data})
    write(tmp_path / "a", body)
    if name == "map.svg":
        done = CliRunner().invoke(app, ["alert", "show", str(tmp_path / "a"), "-o", str(tmp_path / "m.svg")])
        assert (done.exit_code == 0) == (data is not None)
        assert data is not None or isinstance(done.exception, InputError)
        return
    with pytest.raises(KuroshioError):
        reproduce(tmp_path / "a")


def test_rows_whose_offsets_lie_are_refused_before_they_are_read(parts, tmp_path):
    named = ROWS.append_column("name", pa.array([f"SHIP {k:03d}" for k in range(N)]))
    write(tmp_path / "a", parts[1] | {"rows.arrow": lying(named, "name")})
    with pytest.raises(InputError, match=r"(?i)offset|length"):
        reproduce(tmp_path / "a")


@pytest.mark.parametrize("value", ["left out", None, [], {}, "x", 1e400, True])
@pytest.mark.parametrize("key", ["alert_id", "looked_at_us", "sha256", "format"])
def test_a_manifest_of_another_form_is_refused(parts, tmp_path, key, value):
    write(tmp_path / "a", parts[1], **{key: value})
    with pytest.raises(KuroshioError):
        reproduce(tmp_path / "a")


def test_thresholds_of_another_form_are_refused(parts, tmp_path):
    for value in (None, [], "x", float("nan"), 1e308):
        definition = json.loads(parts[1]["definition.json"])
        for threshold in definition["thresholds"]:
            threshold["value"] = value
        write(tmp_path / "a", parts[1] | {"definition.json": json.dumps(definition).encode()})
        with pytest.raises(KuroshioError):
            reproduce(tmp_path / "a")


def test_a_cut_or_spoilt_file_is_refused_or_comes_out_the_same(parts, tmp_path):
    raw, rng = parts[0], clock.generator(3)
    write(tmp_path / "a", parts[1])
    with zipfile.ZipFile(tmp_path / "a", "a") as twice, pytest.warns(UserWarning, match="Duplicate"):
        twice.writestr("alert.json", parts[1]["alert.json"])
    with pytest.raises(KuroshioError):
        verify_pack(tmp_path / "a")
    for cut in (0, 10, len(raw) // 2, len(raw) - 1):
        (tmp_path / "a").write_bytes(raw[:cut])
        with pytest.raises(KuroshioError):
            verify_pack(tmp_path / "a")
    for k in range(400):
        spoilt = bytearray(raw)
        spoilt[-1 - int(rng.integers(0, 600 if k % 2 else len(raw)))] = int(rng.integers(0, 256))
        (tmp_path / "a").write_bytes(bytes(spoilt))
        with contextlib.suppress(KuroshioError):
            assert verify_pack(tmp_path / "a") == parts[1]


@pytest.mark.parametrize(
    ("column", "value"), [("evidence", "junk"), ("evidence", "[]"), ("evidence", '{"raised_of": 3}')]
)
def test_alerts_of_another_form_make_no_pack(tmp_path, column, value):
    alerts = behaviour.detect(ROWS, ALL, zones=behaviour.load_zones(area()))
    i = alerts.schema.get_field_index(column)
    pq.write_table(alerts.set_column(i, alerts.schema.field(i), pa.array([value])), tmp_path / "alerts.parquet")
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    words = [str(tmp_path / "alerts.parquet"), alerts["alert_id"][0].as_py(), "--rows", str(tmp_path / "rows.parquet")]
    done = CliRunner().invoke(app, ["alert", "pack", *words, "-o", str(tmp_path / "a")])
    assert isinstance(done.exception, InputError), done.exception


def test_a_pack_that_cannot_be_written_says_so(tmp_path):
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    (tmp_path / "z.geojson").write_text(json.dumps(area()))
    zones, alerts = ["--zones", str(tmp_path / "z.geojson")], str(tmp_path / "alerts.parquet")
    table = behaviour.detect(ROWS, ALL, zones=behaviour.load_zones(area()))
    pq.write_table(table, alerts)
    words = [alerts, table["alert_id"][0].as_py(), "--rows", str(tmp_path / "rows.parquet"), *zones]
    done = CliRunner().invoke(app, ["alert", "pack", *words, "-o", str(tmp_path / "no" / "a")])
    assert isinstance(done.exception, InputError), done.exception
