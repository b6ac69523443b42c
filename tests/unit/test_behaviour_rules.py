"""Definitions and rules: overrides, refusals with file and key, bounds, budgets, shadow, dry run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio import behaviour
from kuroshio.behaviour.definition import FOLDER, fill
from kuroshio.behaviour.detector import REGISTRY
from kuroshio.behaviour.examples import picture, raised
from kuroshio.behaviour.identity import imo_valid
from kuroshio.behaviour.pages import write_pages
from kuroshio.behaviour.rehearsal import Rules
from kuroshio.behaviour.rules import load_rules, precision
from kuroshio.cli.rule import app
from kuroshio.errors import ConfigError

ALL = behaviour.load_definitions()
H = 3_600_000_000


def write(tmp_path, text, name="u.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_every_shipped_definition_is_whole_and_its_prose_is_filled():
    assert len(ALL) == len(list(FOLDER.glob("*.toml"))) >= 24
    for d in ALL.values():
        assert d.kernel in REGISTRY
        assert "{" not in d.prose(), d.id
        assert d.known_false_positives
        assert d.cancelled_by
        for t in d.thresholds.values():
            assert t.meaning, (d.id, t.name)
            assert t.source, (d.id, t.name)
            assert (t.measured is None) == (t.sense == "parameter"), (d.id, t.name)


def test_the_page_and_picture_of_every_alert_are_those_of_its_definition(tmp_path):
    folder = Path(__file__).resolve().parents[2] / "docs" / "reference" / "alerts"
    written = {path.relative_to(tmp_path): path for path in write_pages(tmp_path)}
    assert len(written) == 2 * len(ALL) + 1
    for name, path in written.items():
        assert (folder / name).read_text("utf-8") == path.read_text("utf-8"), (
            f"python -m kuroshio.behaviour.pages {folder}"
        )
    known = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert known == set(written)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_definition_has_an_example_that_raises_it_and_a_picture_of_it(name):
    alert, example = raised(ALL, name)
    assert alert["definition"] == name
    places = json.loads(alert["evidence"])["geometry"]
    svg, sentence = picture(ALL, name)
    assert sentence == alert["summary"]
    assert svg.startswith("<svg")
    assert "nan" not in svg.lower().replace("nance", "")
    for place in places:
        assert place["label"] in svg
    shown = {int(t) for t in example.rows["track_id"].to_pylist()} & set(alert["track_ids"])
    assert all(f">{track}</text>" in svg for track in list(shown)[:20])


def test_override_changes_the_version_and_nothing_else(tmp_path):
    path = write(tmp_path, "id: ais_gap\nthresholds: {silence_s: 3600}\nseverity: warning\n")
    changed = behaviour.load_definitions(path)["ais_gap"]
    assert changed["silence_s"] == 3600
    assert changed["min_reports"] == ALL["ais_gap"]["min_reports"]
    assert changed.severity == "warning"
    assert changed.version.startswith(ALL["ais_gap"].version + "+")
    assert behaviour.load_definitions(path).digest != ALL.digest
    toml = write(tmp_path, 'id = "meet"\nextends = "encounter"\n[thresholds]\nmin_duration_s = 60\n', "u.toml")
    assert set(behaviour.load_definitions(toml)) == {*ALL, "meet"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id: ais_gap\nthreshold: {}", "unknown key 'threshold'"),
        ("id: ais_gap\nthresholds: {silence: 1}", "unknown key 'silence'"),
        ("id: ais_gap\nthresholds: {silence_s: long}", "silence_s = 'long'"),
        ("id: ais_gap\nthresholds: {silence_s: true}", "silence_s = True"),
        ("id: ais_gap\nthresholds: {silence_s: -5}", "outside"),
        ("id: ais_gap\nthresholds: {silence_s: .nan}", "outside"),
        ("id: cable_loitering\nthresholds: {zone_kinds: [cabel]}", "'cabel' is none of"),
        ("id: loitering\nthresholds: {exclude_zone_kinds: [5]}", "5 is none of"),
        ("id: distress\nthresholds: {mmsi_prefixes: [97]}", "digits"),
        ("id: encounter\nthresholds: {exclude_mmsi_prefixes: [x]}", "digits"),
        ("id: zone_entry\nthresholds: {event: both}", "none of entry, exit"),
        ("id: drift\nthresholds: {raise_n: 1.5}", "not a whole number"),
        ("[" * 3000, "cannot be read"),
        ("id: nothing", "no definition 'nothing'"),
        ("id: x\nextends: nothing", "no definition 'nothing'"),
        ("thresholds: {}", "'id' is missing"),
        ("id: ais_gap\nseverity: bad", "severity 'bad'"),
        ("id: ais_gap\nkernel: zone", "kernel 'zone'"),
        ("id: Bad-Name\nextends: ais_gap", "Bad-Name"),
        ("- 1", "table of keys"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_bad_override_is_refused_with_file_and_key(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        behaviour.load_definitions(path)
    assert "u.yaml" in str(caught.value)


def test_fill_takes_names_only_and_never_reaches_into_values():
    assert fill("{a:.1f} {b} {c} {a.__class__}", {"a": 1.25, "b": None}) == "1.2 unknown {c} {a.__class__}"


def test_imo_check_digit():
    assert imo_valid(9074729)
    assert not imo_valid(9074728)
    assert not imo_valid(12345678)


def alerts(count=6):
    t = 472_222 * H + np.arange(0, 30 * H, H // 20)
    parts = []
    for k in range(count):
        lat = np.full(len(t), 20.0 + k)
        parts.append((np.full(len(t), 412_000_000 + k if k % 2 else 525_000_000 + k), t, lat, np.full(len(t), 121.0)))
    mmsi, t, lat, lon = (np.concatenate(c) for c in zip(*parts, strict=True))
    return pa.table(
        {"mmsi": mmsi, "observed_at": pa.array(t).cast(pa.timestamp("us", tz="UTC")), "lat_deg": lat, "lon_deg": lon}
    )


RULE = "rules:\n  - {id: r, title: Watch, behaviours: [loitering], flags: [412], severity: alarm}\n"


def test_rule_raises_what_it_names_at_its_severity(tmp_path):
    found = behaviour.detect(alerts(), ALL.only("loitering"))
    rules = Rules(load_rules(write(tmp_path, RULE)), ALL)
    raised = rules.apply(found).to_pylist()
    assert found.num_rows == 6
    assert [a["mmsis"][0] // 1_000_000 for a in raised] == [412] * 3
    assert {a["severity"] for a in raised} == {"alarm"}
    assert raised[0]["summary"].startswith("Watch: Loitering")


def test_shadow_budget_hours_silence_and_zone(tmp_path):
    found = behaviour.detect(alerts(), ALL.only("loitering"))
    ring = [[120, 19.5], [122, 19.5], [122, 21.5], [120, 21.5], [120, 19.5]]
    zones = behaviour.load_zones(
        {"type": "Feature", "properties": {"name": "Bank"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    )

    def raised(change):
        item = {"id": "r", "behaviours": ["loitering"], "flags": [412, 525]} | change
        rules = Rules(load_rules(write(tmp_path, json.dumps({"rules": [item]}))), ALL, zones)
        return rules.apply(found).num_rows, dict(rules.counts)

    assert raised({})[0] == 6
    assert raised({"shadow": True}) == (0, {"r.shadow_raised": 6})
    assert raised({"max_per_day": 2}) == (2, {"r.raised": 2, "r.over_budget": 4})
    assert raised({"zones": ["Bank"]})[0] == 2
    assert raised({"mmsi": [525_000_000]})[0] == 1
    assert raised({"not_mmsi": [525_000_000]})[0] == 5
    start = found["start_at"][0].as_py()
    assert raised({"hours_utc": [start.hour, start.hour + 1]})[0] == 6
    assert raised({"hours_utc": [start.hour + 1, start.hour]})[0] == 0
    assert raised({"silent_until": "2100-01-01"})[0] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [{id: r, behaviours: [loitering]}]", "no bound"),
        ("rules: [{id: r, flags: [412]}]", "names no behaviour"),
        ("rules: [{id: r, behaviours: [loitering], flags: [x]}]", "flags"),
        ("rules: [{id: r, behaviours: [loitering], flags: [1], zone: x}]", "unknown key 'zone'"),
        ("rules: [{id: r, behaviours: [loitering], flags: [1], hours_utc: [1]}]", "hours_utc"),
        ("rules: [{id: r, behaviours: [loitering], flags: [1], max_per_day: 0}]", "max_per_day"),
        ("rules: [{behaviours: [loitering]}]", "'id' is missing"),
        ("rule: []", "list under the key"),
    ],
)
def test_a_bad_rule_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_rules(write(tmp_path, text))


def test_a_rule_that_names_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no behaviour 'x'"):
        Rules(load_rules(write(tmp_path, "rules: [{id: r, behaviours: [x], flags: [1]}]")), ALL)
    with pytest.raises(ConfigError, match="no zone 'Bank'"):
        Rules(load_rules(write(tmp_path, "rules: [{id: r, behaviours: [loitering], zones: [Bank]}]")), ALL)


def test_dry_run_command_counts_by_day(tmp_path):
    pq.write_table(alerts(), tmp_path / "p.parquet")
    arguments = ["dry-run", str(write(tmp_path, RULE)), str(tmp_path / "p.parquet"), "--json"]
    (run,) = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)["rules"]
    assert run["raised"] == run["by_behaviour"]["loitering"] == sum(run["by_day"].values()) == 3


def test_precision_counts_the_last_verdict():
    rule_of = {"a": "r", "b": "r", "c": "s"}
    said = [("a", "false"), ("a", "true"), ("b", "false"), ("c", "duplicate"), ("z", "true")]
    assert precision(rule_of, said)["r"] == {"true": 1, "false": 1, "duplicate": 0, "precision": 0.5}
    assert precision(rule_of, said)["s"]["precision"] is None
