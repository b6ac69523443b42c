"""Three nodes of the shipped code that tell one another what they hold: what goes round tightens nobody's estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.exchange import rows_of
from kuroshio.exchange.lineage import is_own_provenance, mark_of
from kuroshio.links.tls import KeyFolder
from kuroshio.node import assemble
from kuroshio.node import unfused as unfused_rows
from kuroshio.schema import TIED_TRACKS, TRACKS, concat
from kuroshio.schema.release import LINEAGE_MAX, Release
from kuroshio.sensing.asterix_encode import encode_cat048
from kuroshio.testing import metrics
from kuroshio.testing.handnode import HandNode, trusting
from kuroshio.testing.sea.scene import Scene, four_radars, observations

PARTIES = ("PHL", "JPN", "USA")
SHIPS, DURATION_S, STEP_S, TELL_S = 12, 240, 5, 10
US = 1_000_000
STATE = ("lat_deg", "lon_deg", "ve_mps", "vn_mps", "cov_ee_m2", "cov_en_m2", "cov_nn_m2", "cov_vee_m2s2")
PASS_ON = """
levels: {order: [U, R, C, S, TS]}
vocabulary: {subject: [vessel, dark_vessel, alert], purpose: [maritime_safety]}
parties:
""" + "".join(
    f"  - {{code: {p}, name: {p}, offices: {{release_authority: ra, treaty_officer: to}},"
    " enforces: [retention, onward, purpose, marking]}\n"
    for p in PARTIES
)
ACCORD = """
accords:
  - id: TRIO
    title: the three tell one another everything, and may pass it on among themselves
    kinds: [information]
    parties: [PHL, JPN, USA]
    binding: treaty
    interpretation: {by: test, date: 2020-01-01, note: "illustrative; made up for a test"}
    status:
      - {state: in_force, from: 2020-01-01, recorded: 2020-01-01, source: test, confidence: in_force}
    clauses:
      - {id: Art.1, effect: permit, text: all of it, when: {subject: {in: [vessel, dark_vessel]}, level: {lte: R}}}
release_orders:
""" + "".join(
    f"  - {{id: {p}-ORDER, by: {p}.release_authority, party: {p}, to: {[q for q in PARTIES if q != p]},"
    " valid: {from: 2020-01-01, until: 2035-01-01}, when: {subject: {in: [vessel, dark_vessel]}}}\n"
    for p in PARTIES
)


@dataclass
class Trio:
    """Three nodes that each hear one radar, or none, and tell those whom a map names."""

    folder: Path
    scene: Scene
    radar_of: dict[str, int]
    tells: dict[str, tuple[str, ...]]
    meddle: Callable[[HandNode], None] = lambda node: None
    tracklets: bool = False
    nodes: dict[str, HandNode] = field(default_factory=dict)
    shots: dict[str, list[pa.Table]] = field(default_factory=dict)
    told: list[tuple[str, str, Release]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.start_us = int(self.scene.truth["observed_at"].cast(pa.int64())[0].as_py())
        trusting(self.folder, PARTIES, now_us=self.start_us - US)
        (self.folder / "book.yaml").write_text(PASS_ON + ACCORD, encoding="utf-8")
        for party in PARTIES:
            self.nodes[party] = self.open(party)
            self.shots[party] = []
        self.bytes = {party: self._blocks(number) for party, number in self.radar_of.items()}

    def open(self, party: str) -> HandNode:
        radar = self.radar_of.get(party)
        sources = []
        if radar is not None:
            site = self.scene.radars[radar]
            sensor = {
                "kind": "radar", "lat_deg": site.lat_deg, "lon_deg": site.lon_deg, "max_range_m": site.range_m,
                "scan_s": site.scan_s, "pd": site.p_detection, "range_sigma_m": site.range_sigma_m,
                "bearing_sigma_deg": site.bearing_sigma_deg, "false_plots_a_scan": max(site.clutter_per_scan, 0.1),
            }  # fmt: skip
            sources = [{"name": "radar", "format": "asterix", "link": "push", "sensor": sensor}]
        node = HandNode(
            self.folder / party,
            {
                "node": {"party": party, "name": party},
                "accords": {"paths": ["../book.yaml"]},
                "partners": [
                    {"party": p, "url": "https://127.0.0.1:1", "tracklets": self.tracklets}
                    for p in self.tells.get(party, ())
                ],
                "sources": sources,
            },
        )
        self.meddle(node)
        return node

    def _blocks(self, number: int) -> list[tuple[int, bytes]]:
        """(arrival, bytes) of one radar, a block a step."""
        site = self.scene.radars[number]
        named = np.array(self.scene.observations["source"].to_pylist()) == site.name
        rows = self.scene.observations.filter(pa.array(named))
        at = rows["observed_at"].cast(pa.int64()).to_numpy()
        out = []
        for step in range(0, DURATION_S, STEP_S):
            a, b = np.searchsorted(at, [self.start_us + step * US, self.start_us + (step + STEP_S) * US])
            part = rows.slice(a, b - a)
            data = encode_cat048(
                sac=1, sic=number + 1, at_us=at[a:b], range_m=part["range_m"].to_numpy(),
                bearing_deg=part["bearing_deg"].to_numpy(),
            )  # fmt: skip
            out.append((self.start_us + (step + STEP_S) * US, b"".join(data)))
        return out

    def play(self, until_s: int = DURATION_S) -> Trio:
        for k in range(until_s // STEP_S):
            now_us = self.start_us + (k + 1) * STEP_S * US
            for party, node in self.nodes.items():
                data = self.bytes[party][k][1] if party in self.bytes else b""
                node.step([("radar", now_us, data)] if data else [], now_us=now_us)
                self.shots[party].append(node.snapshot(now_us))
            if (k + 1) * STEP_S % TELL_S == 0:
                for party, node in self.nodes.items():
                    for parcel in node.tell(now_us=now_us):
                        self.told.append((party, parcel.to, Release.from_bytes(parcel.data)))
                        self.nodes[parcel.to].hear(parcel, party, now_us=now_us)
        return self

    def anees(self, party: str) -> float:
        score = metrics.score(
            concat(TRACKS, self.shots[party]), self.scene.truth, hold_s=1.0, skip_s=100.0, cutoff_m=2000.0
        )
        return float(score.anees)

    def rms_m(self, party: str) -> float:
        score = metrics.score(
            concat(TRACKS, self.shots[party]), self.scene.truth, hold_s=1.0, skip_s=100.0, cutoff_m=2000.0
        )
        return float(score.position_error_m)

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()


@pytest.fixture(scope="module")
def scene() -> Scene:
    assemble.warm_up()
    radar = {"range_m": 130_000.0, "scan_s": 10.0, "range_sigma_m": 50.0, "bearing_sigma_deg": 0.3}
    sites = four_radars((20.0, 122.0), 25.0, p_detection=0.9, clutter_per_scan=2.0, **radar)[:3]
    return observations(41, SHIPS, float(DURATION_S), half_nm=25.0, radars=sites, dark_share=1.0, truth_step_s=STEP_S)


EVERY = {p: tuple(q for q in PARTIES if q != p) for p in PARTIES}
RING = {"PHL": ("JPN",), "JPN": ("USA",), "USA": ("PHL",)}
A_RADAR_EACH = {"PHL": 0, "JPN": 1, "USA": 2}
HONEST = 1.05


def _passes_fused_tracks_on(node: HandNode) -> None:
    """As a partner of another make might: what it tells rests on what it was told."""
    node.parts.core.shared = lambda picture: picture  # type: ignore[method-assign]


def _knows_no_marks(node: HandNode) -> None:
    """As if every lineage had been stripped on its way."""
    node.desk.gave = lambda mark: False  # type: ignore[method-assign]


def _fused_and_stripped(node: HandNode) -> None:
    _passes_fused_tracks_on(node)
    _knows_no_marks(node)


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory, scene: Scene) -> Iterator[Callable[..., Trio]]:
    """Trios played once each, by name: the tests read what is left of them."""
    made: dict[str, Trio] = {}
    folder = tmp_path_factory.mktemp("trio")

    def play(name: str, *arguments: Any, until_s: int = DURATION_S) -> Trio:
        if name not in made:
            made[name] = Trio(folder / name.replace(" ", "-"), scene, *arguments).play(until_s)
        return made[name]

    yield play
    for one in made.values():
        one.close()


def _columns(table: pa.Table) -> pa.Table:
    return table.select([*STATE, "track_id", "observed_at", "partner", "sensors", "status", "hits"])


@pytest.mark.slow
def test_own_data_that_comes_round_changes_nothing(trio: Callable[..., Trio]) -> None:
    """A tells B, B tells C, C tells A, and only A has a sensor: all that A hears is its own."""
    alone, ring = trio("one alone", {"PHL": 0}, {}), trio("blind ring", {"PHL": 0}, RING)
    assert {p: n.room.echo_rows.get("USA", 0) > 100 for p, n in ring.nodes.items()} == {
        "PHL": True, "JPN": False, "USA": False,
    }  # fmt: skip
    for before, after in zip(alone.shots["PHL"], ring.shots["PHL"], strict=True):
        assert _columns(after).equals(_columns(before))
    for party in ("JPN", "USA"):  # and no ship is there twice because it was told twice
        assert ring.shots[party][-1].num_rows == ring.shots["PHL"][-1].num_rows
    assert ring.anees("PHL") == alone.anees("PHL") <= HONEST


def _knows_provenance_alone(node: HandNode) -> None:
    """As if every mark had been stripped on its way, and no provenance."""
    keys = KeyFolder(node.config.keys)
    node.desk.gave = lambda mark: is_own_provenance(keys.secret, mark)  # type: ignore[method-assign]


@pytest.mark.slow
@pytest.mark.parametrize("meddle", [lambda node: None, _knows_provenance_alone])
def test_own_tracklets_that_come_round_change_nothing(
    meddle: Callable[[HandNode], None], trio: Callable[..., Trio]
) -> None:
    alone = trio("one alone", {"PHL": 0}, {})
    ring = trio(f"tracklets ring {meddle.__name__}", {"PHL": 0}, RING, meddle, True)
    back = [r for g, t, rel in ring.told if (g, t) == ("USA", "PHL") for r in rows_of(rel).to_pylist()]
    assert sum(row["provenance"] is not None for row in back) > 100  # it is the whole states that come back
    assert ring.nodes["PHL"].room.echo_rows["USA"] > 100
    for before, after in zip(alone.shots["PHL"], ring.shots["PHL"], strict=True):
        assert _columns(after).equals(_columns(before))


@pytest.mark.slow
def test_three_that_tell_tracklets_know_more_and_stay_honest(trio: Callable[..., Trio]) -> None:
    crossed = trio("own tracks told", A_RADAR_EACH, EVERY, lambda node: None)
    whole = trio("tracklets told", A_RADAR_EACH, EVERY, lambda node: None, True)
    assert {rel.fields["wire"] for _, _, rel in crossed.told if rel.kind == "tracks"} == {1}
    assert {rel.fields["wire"] for _, _, rel in whole.told if rel.kind == "tracks"} == {2}
    for party in PARTIES:
        assert 0.3 < whole.anees(party) <= HONEST, party
        assert whole.rms_m(party) < 0.9 * crossed.rms_m(party), party  # measured: 0.81 to 0.83


@pytest.mark.slow
def test_stripped_of_its_lineage_own_data_is_still_not_counted_twice(trio: Callable[..., Trio]) -> None:
    alone, ring = trio("one alone", {"PHL": 0}, {}), trio("blind ring stripped", {"PHL": 0}, RING, _knows_no_marks)
    assert ring.nodes["PHL"].room.echo_rows["USA"] == 0
    for before, after in zip(alone.shots["PHL"], ring.shots["PHL"], strict=True):
        was = {r["track_id"]: r for r in before.to_pylist()}
        for row in after.to_pylist():
            if row["track_id"] in was:
                own = was[row["track_id"]]
                assert row["cov_ee_m2"] + row["cov_nn_m2"] >= (own["cov_ee_m2"] + own["cov_nn_m2"]) * (1 - 1e-9)
    assert ring.anees("PHL") <= HONEST
    counts = {party: max(shot.num_rows for shot in shots) for party, shots in ring.shots.items()}
    assert all(count <= SHIPS + 4 for count in counts.values()), counts  # rumours do not breed tracks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tells", "meddle"),
    [
        ("own tracks told", EVERY, lambda node: None),
        ("fused tracks passed on", EVERY, _passes_fused_tracks_on),
        ("fused tracks round a ring", RING, _passes_fused_tracks_on),
        ("fused and stripped", EVERY, _fused_and_stripped),
        ("fused and stripped round a ring", RING, _fused_and_stripped),
    ],
)
def test_three_that_tell_one_another_stay_honest(name: str, tells: Any, meddle: Any, trio: Callable[..., Trio]) -> None:
    shared = trio(name, A_RADAR_EACH, tells, meddle)
    assert shared.told
    for party in PARTIES:
        assert 0.3 < shared.anees(party) <= HONEST, (name, party)


@pytest.mark.slow
def test_what_is_told_is_what_own_sensors_hold_and_shows_no_third_party(trio: Callable[..., Trio]) -> None:
    alone = trio("three alone", A_RADAR_EACH, {})
    shared = trio("own tracks told", A_RADAR_EACH, EVERY, lambda node: None)
    node = shared.nodes["JPN"]
    shot = shared.shots["JPN"][-1]
    fused = shot.filter(pa.array(unfused_rows.is_fused(shot)))
    assert fused.num_rows > SHIPS // 2  # it does use what it was told
    outlet = node.desk.outlet("USA")
    own = {outlet.ref(row["track_id"]): row for row in alone.nodes["JPN"].parts.core.picture.to_pylist()}
    rows = [
        row
        for giver, to, release in shared.told
        if (giver, to, release.kind) == ("JPN", "USA", "tracks")
        for row in rows_of(release).to_pylist()
        if row["ref"] in own and row["observed_at"] == own[row["ref"]]["observed_at"]
    ]
    assert len(rows) > SHIPS // 2
    for row in rows:  # to the last digit that is told, what this node would hold had it never heard of the others
        assert row["lineage"] == []
        for name, step in (("lat_deg", 1e-7), ("lon_deg", 1e-7), ("cov_ee_m2", 0.01), ("cov_nn_m2", 0.01)):
            assert row[name] == pytest.approx(own[row["ref"]][name], abs=step), name
    for giver, to, release in shared.told:
        third = next(p for p in PARTIES if p not in (giver, to))
        if release.kind == "tracks" and release.fields["originator"] == giver:
            assert third not in release.header.decode()
            assert release.fields["lineage"] == [giver]


@pytest.mark.slow
def test_what_partners_told_is_apart_from_what_own_sensors_gave_in_the_archive(trio: Callable[..., Trio]) -> None:
    alone = trio("three alone", A_RADAR_EACH, {})
    shared = trio("own tracks told", A_RADAR_EACH, EVERY, lambda node: None)
    past = shared.nodes["JPN"].parts.core.past
    past.close()
    own, was = (t.nodes["JPN"].parts.archive.read(TRACKS.name, columns=[*STATE, "track_id", "observed_at"])
                for t in (shared, alone))  # fmt: skip
    assert own.equals(was)  # for ever what this node would have had it never heard of the others
    tied = shared.nodes["JPN"].parts.archive.read(TIED_TRACKS.name)
    assert past.counters["rows_untied"] == 0
    made = {release.release_id: giver for giver, _, release in shared.told}
    for row in tied.to_pylist():
        givers = {named.split(":")[0] for named in row["fused_with"] or [f"{row['partner']}:"]}
        assert {made[r] for r in row["releases"]} >= givers
    fused = tied.filter(pa.array(unfused_rows.is_fused(tied)))
    assert fused.num_rows > SHIPS
    rows = past.read()
    assert rows.num_rows == own.num_rows + tied.num_rows - fused.num_rows
    at = {(r["track_id"], r["observed_at"]): r["cov_ee_m2"] for r in rows.to_pylist()}
    assert all(at[r["track_id"], r["observed_at"]] == r["cov_ee_m2"] for r in fused.to_pylist())


@pytest.mark.slow
def test_marks_reach_their_giver_and_tell_nobody_else_a_name(trio: Callable[..., Trio]) -> None:
    ring = trio("short ring", {"PHL": 0}, RING, until_s=120)
    phl, jpn = ring.nodes["PHL"], ring.nodes["JPN"]
    to_jpn = {r["ref"] for g, t, rel in ring.told if (g, t) == ("PHL", "JPN") for r in rows_of(rel).to_pylist()}
    passed = [r for g, t, rel in ring.told if (g, t) == ("JPN", "USA") for r in rows_of(rel).to_pylist()]
    back = [r for g, t, rel in ring.told if (g, t) == ("USA", "PHL") for r in rows_of(rel).to_pylist()]
    assert passed
    assert back
    assert {len(r["lineage"]) for r in passed} == {1}
    assert {len(r["lineage"]) for r in back} == {2} <= set(range(LINEAGE_MAX + 1))
    for row in passed:
        assert row["lineage"][0] in {mark_of(ref) for ref in to_jpn}
        assert not set(row["lineage"]) & to_jpn  # the reference itself stays between the two
    assert all(phl.desk.gave(mark) for row in back for mark in row["lineage"][1:])
    assert not any(ring.nodes["USA"].desk.gave(mark) for row in passed for mark in row["lineage"])
    assert all(jpn.desk.gave(row["lineage"][0]) for row in back)
    phl.close()
    again = ring.open("PHL")  # after a restart it knows them still
    ring.nodes["PHL"] = again
    again.sharing.resume(again.parts.core.picture, now_us=ring.start_us + 120 * US)
    live = {r for r in to_jpn if again.desk.outlet("JPN").track_of(r) is not None}
    assert len(live) > SHIPS // 2
    assert all(again.desk.gave(mark_of(ref)) for ref in live)
