"""Rules of a node over late and mixed-up reports and restarts of its desk: in the end those of the whole archive."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks.behaviour.equality import T0, H, arrivals, sea, surroundings  # noqa: E402

from kuroshio import behaviour, clock, schema  # noqa: E402
from kuroshio.behaviour.rehearsal import Rules  # noqa: E402
from kuroshio.behaviour.rules import parse_rule  # noqa: E402
from kuroshio.errors import ConfigError, InputError, NotFound  # noqa: E402
from kuroshio.node.rules import RuleDesk  # noqa: E402
from kuroshio.schema import STATICS  # noqa: E402
from kuroshio.store import Operations, url_of  # noqa: E402

MANY = {"flags": [400], "max_per_day": 10_000}


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    return surroundings(tmp_path_factory.mktemp("definitions"))


def rules_of(definitions):
    every = [d.id for d in definitions.enabled]
    return [
        {"id": "all", "behaviours": every, **MANY},
        {"id": "meet", "behaviours": ["encounter", "encounter_short", "loitering"], **MANY, "title": "Meeting"},
        {"id": "here", "behaviours": every, "zones": ["custom"], "hours_utc": [22, 9], "max_per_day": 10_000},
    ]


class Desk:
    """A desk over a store, that can be started anew."""

    def __init__(self, folder, definitions, zones):
        self.operations = Operations(url_of(folder), now_us=1)
        self.now_us, self.setting = T0, (definitions, zones)
        self.start()

    def start(self):
        statics = lambda *_: STATICS.empty()  # noqa: E731
        self.desk = RuleDesk(*self.setting, [], operations=self.operations, statics=statics, now_us=lambda: self.now_us)
        self.desk.recover()


def plain(rows):
    """Alerts without what depends on when they were known."""
    found = []
    for row in rows:
        evidence = json.loads(row["evidence"])
        for of in evidence["raised_of"]:
            del of["grade"]
        row = {k: v for k, v in row.items() if k not in ("known_at", "change", "grade")}
        found.append(row | {"evidence": evidence})
    return sorted(found, key=lambda row: row["alert_id"])


@pytest.mark.parametrize("seed", range(6))
def test_live_rules_end_as_those_of_the_archive(setting, tmp_path, seed):
    definitions, zones = setting
    rng = clock.generator(seed)
    rows = sea(rng, ships=int(rng.integers(4, 9)), hours=float(rng.uniform(1.5, 4)))
    end = T0 + 40 * H
    asked = rules_of(definitions)
    live = Desk(tmp_path, definitions, zones)
    for rule in asked:
        live.desk.propose(rule, by="x")
        live.desk.rehearse(rule["id"], by="x")
        live.desk.switch(rule["id"], "active", by="x")
    engine = behaviour.Engine(definitions, zones=zones, lateness_s=300, repair_s=12 * 3600)
    arrival = arrivals(rng, rows["observed_at"].cast("int64").to_numpy())
    order = np.argsort(arrival, kind="stable")
    for part in np.split(order, np.sort(rng.integers(0, len(order), 12))):
        live.now_us = max(T0, engine.watermark_us, int(arrival[part].max()) + 1 if len(part) else T0)
        live.desk.step(engine.step(rows.take(pa.array(part)), now_us=live.now_us))
        if rng.random() < 0.4:
            live.start()
    live.now_us = end
    live.desk.step(engine.step(schema.TRACKS.empty(), now_us=end, watermark_us=end))
    said = [r for r in live.operations.alerts().to_pylist() if r["definition"].startswith("rule.")]
    mine = plain(r for r in said if r["change"] != "void")
    archive = behaviour.detect(rows, definitions, zones=zones, now_us=end)
    theirs = plain(Rules([parse_rule(r, "test") for r in asked], definitions, zones).apply(archive).to_pylist())
    assert len(mine) > 5
    assert mine == theirs
    live.operations.close()


def test_a_rule_is_refused_by_name_until_it_may_raise(setting, tmp_path):
    live = Desk(tmp_path, *setting)
    desk = live.desk
    for wrong in ({"id": "a", "behaviours": ["loitering"]}, {"id": "a", "behaviours": ["none"], "flags": [1]},
                  {"id": "a", "behaviours": ["loitering"], "zones": ["nowhere"]}, "text", {"id": "a b"}):  # fmt: skip
        with pytest.raises(InputError):
            desk.propose(wrong, by="x")
    with pytest.raises(NotFound):
        desk.rehearse("a", by="x")
    desk.propose({"id": "a", "behaviours": ["loitering"], "flags": [400]}, by="x")
    with pytest.raises(InputError, match="dry-run"):
        desk.switch("a", "active", by="x")
    desk.rehearse("a", by="x")
    assert desk.switch("a", "active", by="x")["state"] == "active"
    changed = desk.propose({"id": "a", "behaviours": ["loitering"], "flags": [401]}, by="x")
    assert changed["state"] == "proposed"
    with pytest.raises(InputError, match="dry-run"):  # the dry run was of another version
        desk.switch("a", "active", by="x")
    live.start()
    assert live.desk.one("a")["state"] == "proposed"
    live.operations.close()


def test_rules_of_the_node_file_follow_the_file(setting, tmp_path):
    live = Desk(tmp_path, *setting)
    first = parse_rule({"id": "a", "behaviours": ["loitering"], "flags": [400]}, "file")
    shadow = parse_rule({"id": "s", "behaviours": ["loitering"], "flags": [400], "shadow": True}, "file")

    def states(*files):
        statics = lambda *_: STATICS.empty()  # noqa: E731
        desk = RuleDesk(*setting, files, operations=live.operations, statics=statics, now_us=lambda: T0)
        desk.recover()
        return desk, {r["id"]: r["state"] for r in desk.all()}

    desk, found = states(first, shadow)
    assert found == {"a": "proposed", "s": "shadow"}
    desk.rehearse("a", by="x")
    desk.switch("a", "active", by="x")
    assert states(first, shadow)[1] == {"a": "active", "s": "shadow"}
    other = parse_rule({"id": "a", "behaviours": ["loitering"], "flags": [401]}, "file")
    assert states(other)[1] == {"a": "proposed", "s": "withdrawn"}
    with pytest.raises(InputError, match="node file"):
        states(other)[0].propose({"id": "a", "behaviours": ["loitering"], "flags": [402]}, by="x")
    missing = parse_rule({"id": "b", "behaviours": ["nothing"], "flags": [401]}, "file")
    with pytest.raises(ConfigError, match="nothing"):
        states(missing)
    live.operations.close()
