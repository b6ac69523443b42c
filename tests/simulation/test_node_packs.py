"""Packs of a node's alerts, of definitions and of rules: made of the archive, they come out the same offline."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks.behaviour.equality import T0, H, sea, surroundings  # noqa: E402

from kuroshio import behaviour, clock  # noqa: E402
from kuroshio.behaviour.pack import reproduce  # noqa: E402
from kuroshio.errors import InputError, NotFound, VerificationError  # noqa: E402
from kuroshio.node.packs import PackDesk  # noqa: E402
from kuroshio.node.rules import RuleDesk  # noqa: E402
from kuroshio.schema import ALERTS, STATICS, TRACKS  # noqa: E402
from kuroshio.store import Archive, Operations, url_of  # noqa: E402

STEP_US = 300_000_000


class Node:
    """Engine, archive and book of alerts, stepped as a node steps them."""

    def __init__(self, folder, definitions, zones):
        self.operations = Operations(url_of(folder / "operations.db"), now_us=1)
        self.archive = Archive(folder / "archive")
        self.engine = behaviour.Engine(definitions, zones=zones, lateness_s=300, repair_s=12 * 3600)
        self.now_us = T0
        self.rules = RuleDesk(
            definitions, zones, [], operations=self.operations,
            statics=lambda *_: STATICS.empty(), now_us=lambda: self.now_us,
        )  # fmt: skip
        self.rules.recover()
        self.packs = PackDesk(self.operations, partial(self.archive.read, TRACKS.name), definitions, zones)

    def watch(self, name, behaviours):
        rule = {"id": name, "behaviours": behaviours, "flags": [400], "max_per_day": 10_000}
        self.rules.propose(rule, by="x")
        self.rules.rehearse(name, by="x")
        self.rules.switch(name, "active", by="x")

    def run(self, rows, hours):
        """Steps of five minutes, each with the rows that came by then."""
        t = rows["observed_at"].cast("int64").to_numpy()
        order = np.argsort(t, kind="stable")
        rows, t = rows.take(pa.array(order)), t[order]
        begin = 0
        for now_us in range(T0, T0 + round(hours * H), STEP_US):
            end = int(np.searchsorted(t, now_us, side="right"))
            part = rows.slice(begin, end - begin)
            self.now_us, begin = now_us, end
            self.archive.append(TRACKS.name, TRACKS.conform(part))
            self.rules.step(self.engine.step(part, now_us=now_us))


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    definitions, zones = surroundings(tmp_path_factory.mktemp("definitions"))
    node = Node(tmp_path_factory.mktemp("node"), definitions, zones)
    node.named = [d.id for d in definitions.enabled if d.id != "identity_changed"]
    node.watch("all", node.named)
    node.run(sea(clock.generator(1), ships=7, hours=2.5), 16.0)
    yield node
    node.operations.close()


def _comes_out(node, path, alert_id, **known):
    path.write_bytes(node.packs.pack(alert_id, **known))
    again = reproduce(path)
    assert again["alert_id"] == alert_id
    return again


def test_alerts_of_every_definition_come_out_of_the_archive(node, tmp_path):
    rows = [r for r in node.operations.alerts().to_pylist() if r["change"] != "void"]
    of = {r["definition"]: r for r in rows if r["definition"] in node.named}
    assert len(of) > 12
    assert {"encounter_short", "loitering", "zone_entry", "dark_vessel"} & set(of)
    for row in [*of.values(), *(r for r in rows if r["definition"] == "gnss_interference")]:
        again = _comes_out(node, tmp_path / "an.evidence", row["alert_id"])
        assert again["evidence"] == row["evidence"]


def test_alerts_of_a_rule_come_out_with_the_rule(node, tmp_path):
    rows = [r for r in node.operations.alerts().to_pylist() if r["definition"] == "rule.all" and r["change"] != "void"]
    assert len(rows) > 5
    for row in rows[:8]:
        again = _comes_out(node, tmp_path / "an.evidence", row["alert_id"])
        assert json.loads(again["evidence"])["rule"]["asks"]["id"] == "all"


def test_an_alert_comes_out_as_it_was_known(node, tmp_path):
    found = 0
    for row in node.operations.alerts().to_pylist():
        first = node.operations.alert_history(row["alert_id"]).to_pylist()[0]
        if row["definition"] not in node.named or first["evidence"] == row["evidence"] or row["change"] == "void":
            continue
        known_us = round(first["known_at"].timestamp() * 1e6)
        changed = node.operations.alert_history(row["alert_id"]).to_pylist()[1]
        if changed["known_at"] == first["known_at"]:
            continue
        again = _comes_out(node, tmp_path / "an.evidence", row["alert_id"], known_at_us=known_us)
        assert again["end_at"] is None
        assert again["evidence"] == first["evidence"]
        with pytest.raises(NotFound):
            node.packs.pack(row["alert_id"], known_at_us=known_us - 1)
        found += 1
        if found == 3:
            break
    assert found == 3


def test_what_cannot_be_packed_is_refused_with_the_reason(node, tmp_path):
    with pytest.raises(NotFound, match="no alert"):
        node.packs.pack("nothing")
    row = next(r for r in node.operations.alerts().to_pylist() if r["definition"] in node.named)
    definitions, zones = node.engine.definitions, node.engine.zones
    empty = PackDesk(node.operations, partial(Archive(tmp_path / "empty").read, TRACKS.name), definitions, zones)
    with pytest.raises(NotFound, match="not kept"):
        empty.pack(row["alert_id"])
    kept = Archive(tmp_path / "some")
    for track in row["track_ids"]:
        whole = node.archive.read(TRACKS.name, track_id=track)
        kept.append(TRACKS.name, whole.slice(0, 2))
    with pytest.raises(VerificationError, match="archive"):
        PackDesk(node.operations, partial(kept.read, TRACKS.name), definitions, zones).pack(row["alert_id"])
    void = ALERTS.from_rows([row | {"change": "void", "alert_id": "withdrawn"}])
    node.operations.append_ruled(void, [], recorded_us=1)
    with pytest.raises(InputError, match="withdrawn"):
        node.packs.pack("withdrawn")
