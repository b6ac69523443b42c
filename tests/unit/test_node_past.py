"""What partners told is kept apart from what own sensors gave, and goes with the release that brought it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuroshio.node.config import ArchiveSection
from kuroshio.node.past import Past
from kuroshio.schema import ALERTS, OBSERVATIONS, TIED_TRACKS, TRACKS
from kuroshio.sensing.ais import encode_position
from kuroshio.store import DAY_US, Archive
from kuroshio.testing.accord_files import accord_files
from kuroshio.testing.handnode import HandNode, trusting

US = 1_000_000
T0 = 1_790_000_000 * US
RETENTION_S = 300


def row(track_id, at_s=0, partner=None, ref=None, fused=None, lat=20.0):  # type: ignore[no-untyped-def]
    return {
        "track_id": track_id, "observed_at": np.datetime64(T0 + at_s * US, "us").item(), "lat_deg": lat,
        "lon_deg": 121.0, "status": "confirmed", "partner": partner, "partner_track": ref, "fused_with": fused,
    }  # fmt: skip


def table(*rows):  # type: ignore[no-untyped-def]
    return TRACKS.from_rows(list(rows))


def swept(past: Past, now_us: int) -> None:
    past.sweep(now_us)
    past.close()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "archive") as opened:
        yield opened


def past_of(archive: Archive, held: set[str], **keep) -> Past:  # type: ignore[no-untyped-def]
    past = Past(archive, ArchiveSection(**keep))
    past.attach(lambda: set(held))
    swept(past, T0)
    return past


def test_a_row_that_rests_on_two_releases_goes_with_the_first_and_the_own_row_stays(archive: Archive) -> None:
    past = past_of(archive, {"r1", "r2"})
    past.heard("r1", table(row(0, partner="JPN", ref="a"), row(0, partner="JPN", ref="b")))
    past.heard("r2", table(row(0, partner="USA", ref="c")))
    fused = row(1, partner="JPN", ref="a", fused=["JPN:a", "USA:c"], lat=21.0)
    theirs, other = row(10**9, partner="JPN", ref="b"), row(10**9 + 1, partner="USA", ref="c")
    past.keep(table(fused, row(2), theirs, other), table(row(1), row(2), theirs, other))
    for flushed in (False, True):
        if flushed:
            archive.flush()
        assert {r["track_id"]: r["lat_deg"] for r in past.read().to_pylist()} == {
            1: 21.0, 2: 20.0, 10**9: 20.0, 10**9 + 1: 20.0,
        }  # fmt: skip
        assert archive.read(TRACKS.name)["partner"].null_count == 2 == archive.read(TRACKS.name).num_rows
    past.let_go(["r2"])
    shown = past.read(columns=["lat_deg"], track_id=[1, 10**9 + 1])
    assert shown.column_names == ["lat_deg"]
    assert shown["lat_deg"].to_pylist() == [20.0]
    assert {r["track_id"] for r in past.read().to_pylist()} == {1, 2, 10**9}
    swept(past, T0 + 601 * US)
    assert [r["releases"] for r in archive.read(TIED_TRACKS.name).to_pylist()] == [["r1"]]
    assert past.counters["rows_erased"] == 2
    assert archive.counts()["buffered"] == 0


def test_what_ended_while_the_node_was_down_is_never_shown_and_goes_with_the_first_sweep(archive: Archive) -> None:
    past = past_of(archive, {"r1", "r2"})
    for name in ("r1", "r2"):
        past.heard(name, table(row(0, partner="JPN", ref=name)))
        theirs = table(row(10**9, partner="JPN", ref=name))
        past.keep(theirs, theirs)
        archive.flush()
    archive.compact_all(min_parts=1)
    again = Past(archive, ArchiveSection())
    again.attach(lambda: {"r2"})
    again.restore(past.state())
    assert again.read().num_rows == 0  # nobody has looked yet
    swept(again, T0)
    assert again.read()["partner_track"].to_pylist() == ["r2"]
    assert archive.words(TIED_TRACKS.name, "releases") == {"r2"}
    later = table(row(10**9, 5, partner="JPN", ref="r2"))
    again.keep(later, later)  # the release of a track is known after a restart
    assert again.read().num_rows == 2


def test_partners_rows_of_an_older_archive_are_not_shown_and_go(archive: Archive) -> None:
    archive.append(TRACKS.name, table(row(1), row(10**9, partner="JPN", ref="a"), row(2, partner="JPN", ref="b")))
    archive.flush()
    past = Past(archive, ArchiveSection())
    assert past.read()["track_id"].to_pylist() == [1]
    swept(past, T0)
    assert archive.read(TRACKS.name)["track_id"].to_pylist() == [1]


def test_rows_of_a_release_that_is_gone_or_unknown_are_not_kept_and_counted(archive: Archive) -> None:
    past = past_of(archive, {"r1"})
    theirs = table(row(10**9, partner="JPN", ref="a"))
    past.keep(theirs, theirs)
    past.heard("r1", theirs)
    past.let_go(["r1"])
    past.keep(theirs, theirs)
    past.heard(None, theirs)
    past.keep(theirs, theirs)
    past.heard("r2", theirs)
    past.forget([("JPN", "a")])
    past.keep(theirs, theirs)
    assert past.counters["rows_untied"] == 4
    assert archive.read(TIED_TRACKS.name).num_rows == 0


def test_days_over_go_by_the_rule_of_the_node_file_with_a_record(archive: Archive) -> None:
    past = past_of(archive, set(), keep_days=5, keep_days_of={"tracks": 2})
    for day in range(8):
        past.keep(table(row(1, day * 86_400)), table(row(1, day * 86_400)))
        seen = {"obs_id": day, "observed_at": np.datetime64(T0 + day * DAY_US, "us").item(), "source": "x",
                "sensor": "ais", "lat_deg": 20.0, "lon_deg": 121.0, "cov_ee_m2": 1.0, "cov_en_m2": 0.0,
                "cov_nn_m2": 1.0}  # fmt: skip
        archive.append(OBSERVATIONS.name, OBSERVATIONS.from_rows([seen]))
    archive.flush()
    swept(past, T0 + 8 * DAY_US)
    assert len(archive.days(TRACKS.name)) == 2
    assert len(archive.days(OBSERVATIONS.name)) == 5
    assert past.counters["days_expired"] == 9 == len(archive.expired())
    rules = {r["table"]: r["rule"] for r in archive.expired()}
    assert rules == {"tracks": "[archive] keeps tracks 2 days", "observations": "[archive] keeps observations 5 days"}


def test_a_sweep_that_fails_is_counted_and_done_by_the_next(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    past = past_of(archive, {"r1"})
    theirs = table(row(10**9, partner="JPN", ref="a"))
    past.heard("r1", theirs)
    past.keep(theirs, theirs)
    archive.flush()
    past.let_go(["r1"])
    with monkeypatch.context() as broken:
        broken.setattr("kuroshio.store.disk.os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "no space")))
        swept(past, T0 + 601 * US)
    assert (past.counters["sweeps_failed"], past.read().num_rows) == (1, 0)
    swept(past, T0 + 1202 * US)
    assert archive.words(TIED_TRACKS.name, "releases") == set()


# -- two nodes


def heard_by(ships: dict[int, float], at_us: int) -> bytes:
    """Position reports of ships sailing north, by MMSI and longitude."""
    north = (at_us - T0) / US * 6.0 / 110_700
    return b"".join(
        encode_position(mmsi=mmsi, lat_deg=20.0 + north, lon_deg=lon, sog_mps=6.0, cog_deg=0.0,
                        tag_block={"c": at_us // US}) + b"\r\n"
        for mmsi, lon in ships.items()
    )  # fmt: skip


def opened(folder: Path, me: str, other: str) -> HandNode:
    return HandNode(folder / me, {
        "node": {"party": me, "name": me}, "accords": {"paths": [str(folder / "accords")]},
        "partners": [{"party": other, "url": "https://127.0.0.1:1"}],
        "sources": [{"name": "ais", "format": "aivdm", "link": "push"}],
    })  # fmt: skip


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[dict[str, HandNode]]:
    trusting(tmp_path, ["PHL", "JPN"], now_us=T0 - US)
    accords = accord_files(tmp_path / "accords", [("PHL", "JPN", {"retention_s": RETENTION_S})])
    text = json.loads((accords / "PHL-JPN.yaml").read_text())
    ends = {"id": "a4", "effect": "oblige", "text": "Alerts too.", "when": {"subject": {"in": ["alert"]}},
            "do": {"retention_s": RETENTION_S}}  # fmt: skip
    (accords / "PHL-JPN.yaml").write_text(json.dumps({**text, "clauses": [*text["clauses"], ends]}))
    nodes = {me: opened(tmp_path, me, other) for me, other in (("PHL", "JPN"), ("JPN", "PHL"))}
    yield nodes
    for node in nodes.values():
        node.close()


def told(nodes: dict[str, HandNode], *, steps: int) -> int:
    """JPN hears two ships and tells PHL, which hears one of them; the time after it."""
    now_us = T0
    for _ in range(steps):
        now_us += 10 * US
        for party, ships in (("JPN", {431000001: 121.0, 431000002: 121.5}), ("PHL", {431000001: 121.0})):
            nodes[party].step([("ais", now_us, heard_by(ships, now_us))], now_us=now_us)
        for parcel in nodes["JPN"].tell(now_us=now_us):
            nodes["PHL"].hear(parcel, "JPN", now_us=now_us)
    nodes["PHL"].step([], now_us=now_us)
    nodes["PHL"].parts.core.past.close()
    return now_us


def partners_rows(node: HandNode) -> int:
    archive = node.parts.archive
    archive.flush()
    assert archive.read(TRACKS.name)["partner"].null_count == archive.read(TRACKS.name).num_rows
    return int(archive.read(TIED_TRACKS.name).num_rows)


def test_retention_ends_in_the_archive_too(pair: dict[str, HandNode]) -> None:
    now_us = told(pair, steps=6)
    phl = pair["PHL"]
    past = phl.parts.core.past
    assert partners_rows(phl) >= 5
    mmsis = set(past.read()["mmsi"].to_pylist())
    assert mmsis == {431000001, 431000002}
    later_us = now_us + (RETENTION_S + 1) * US
    phl.room.settle([], now_us=later_us)
    assert set(past.read()["mmsi"].to_pylist()) == {431000001}
    phl.step([], now_us=later_us)
    swept(past, later_us + 601 * US)
    assert partners_rows(phl) == 0
    assert past.counters["sweeps_failed"] == 0
    assert phl.parts.archive.read(TRACKS.name, mmsi=431000001).num_rows >= 6


def test_a_recall_reaches_the_archive_also_over_a_crash(pair: dict[str, HandNode], tmp_path: Path) -> None:
    now_us = told(pair, steps=6)
    phl, jpn = pair["PHL"], pair["JPN"]
    before = partners_rows(phl)
    first, *others = [r["release_id"] for r in phl.ledger.holdings("JPN") if r["kind"] == "tracks"]
    jpn.sharing.recall(first, by="ra", reason="sent in error", now_us=now_us)
    (parcel,) = [p for p in jpn.parcels if p.kind == "recall"]
    phl.hear(parcel, "JPN", now_us=now_us)
    phl.crash()  # before anything was swept
    pair["PHL"] = phl = opened(tmp_path, "PHL", "JPN")
    phl.step([], now_us=now_us)
    phl.parts.core.past.close()
    left = phl.parts.archive.words(TIED_TRACKS.name, "releases")
    assert first not in left
    assert left <= set(others)
    assert 0 < partners_rows(phl) < before


def test_what_ended_while_the_node_was_down_is_not_shown_when_it_is_up_again(
    pair: dict[str, HandNode], tmp_path: Path
) -> None:
    now_us = told(pair, steps=6)
    pair["PHL"].close()
    seen = []
    for later_us in (now_us + 30 * US, now_us + (RETENTION_S + 1) * US):
        pair["PHL"] = phl = opened(tmp_path, "PHL", "JPN")
        phl.room.reload(now_us=later_us)
        phl.step([], now_us=later_us)
        seen.append(set(phl.parts.core.picture["mmsi"].to_pylist()))
        if later_us == now_us + 30 * US:
            phl.close()
    assert seen == [{431000001, 431000002}, {431000001}]


def test_a_release_of_long_ago_that_is_still_shown_can_be_recalled_after_a_restart(
    pair: dict[str, HandNode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kuroshio.node.mailroom.RELOAD_DRY", 1)
    phl, jpn = pair["PHL"], pair["JPN"]
    for k in range(1, 8):
        now_us = T0 + k * 10 * US
        heard = {431000001: 121.0, 431000002: 121.5} if k == 1 else {431000001: 121.0}
        jpn.step([("ais", now_us, heard_by(heard, now_us))], now_us=now_us)
        for parcel in jpn.tell(now_us=now_us):
            phl.hear(parcel, "JPN", now_us=now_us)
        phl.step([], now_us=now_us)
    first = min(phl.ledger.holdings("JPN"), key=lambda row: row["at_us"])["release_id"]
    phl.close()
    pair["PHL"] = phl = opened(tmp_path, "PHL", "JPN")
    phl.room.reload(now_us=now_us)
    phl.step([], now_us=now_us)
    assert set(phl.parts.core.picture["mmsi"].to_pylist()) == {431000001, 431000002}
    jpn.sharing.recall(first, by="ra", reason="sent in error", now_us=now_us)
    phl.hear(jpn.parcels[-1], "JPN", now_us=now_us)
    phl.step([], now_us=now_us + US)
    assert set(phl.parts.core.picture["mmsi"].to_pylist()) == {431000001}


def alert(name: str, at_us: int) -> dict[str, Any]:
    at = np.datetime64(at_us, "us").item()
    return {
        "alert_id": name, "definition": "loitering", "version": "1.0.0", "change": "open", "grade": "final",
        "severity": "info", "track_ids": [1], "start_at": at, "known_at": at, "evidence": "{}", "lat_deg": 20.0,
        "lon_deg": 121.0,
    }  # fmt: skip


def test_partners_alerts_leave_the_queue_by_recall_and_when_their_retention_ends(pair: dict[str, HandNode]) -> None:
    now_us = told(pair, steps=2)
    phl, jpn = pair["PHL"], pair["JPN"]
    for number, name in enumerate(("first", "second"), 1):
        jpn.sharing.alerts_out.add(ALERTS.from_rows([alert(name, now_us)]), number)
        for parcel in jpn.tell(now_us=now_us):
            phl.hear(parcel, "JPN", now_us=now_us)
    shown = {row["alert_id"]: row["release_id"] for row in phl.room.alerts_received()}
    assert len(shown) == 2
    jpn.sharing.recall(shown[min(shown)], by="ra", reason="sent in error", now_us=now_us)
    phl.hear(jpn.parcels[-1], "JPN", now_us=now_us)
    assert [row["alert_id"] for row in phl.room.alerts_received()] == [max(shown)]
    phl.room.settle([], now_us=now_us + (RETENTION_S + 1) * US)
    assert phl.room.alerts_received() == []
