"""The simulated sea: same bytes for one seed, however it is asked; and the story it says it plays is what it plays."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kuroshio import clock
from kuroshio.errors import ConfigError, InputError
from kuroshio.geo import bearing_deg, distance_m
from kuroshio.sensing import observe
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats import open_decoder
from kuroshio.testing.sea import HARBOUR, PHILIPPINE_SEA, SCENARIOS, Emission, Scenario, Sea
from kuroshio.testing.sea.geography import LAND, ZONE
from kuroshio.testing.sea.land import inside, on_land, shadow_ranges_m
from kuroshio.units import US_PER_S

START = 1_780_000_000_000_000
HOUR = 3_600 * US_PER_S
PLAYED = 3_300 * US_PER_S


def digest(emissions: list[Emission]) -> str:
    whole = hashlib.sha256()
    for e in emissions:
        whole.update(f"{e.at_us} {e.source} ".encode() + e.data)
    return whole.hexdigest()


@pytest.fixture(scope="module")
def played() -> tuple[Sea, list[Emission]]:
    sea = Sea(7, start_us=START)
    return sea, list(sea.emissions(START + PLAYED))


@pytest.fixture(scope="module")
def decoded(played: tuple[Sea, list[Emission]]) -> dict[str, Decoded]:
    sea, emissions = played
    decoders = {
        s.name: open_decoder(s.format, s.name, s.options) for s in sea.scenario.sources if s.format != "detections_csv"
    }
    minutes: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for e in emissions:
        minutes[e.source, e.at_us // 60_000_000].append(e.data)
    parts: dict[str, list[Decoded]] = defaultdict(list)
    for (name, minute), data in minutes.items():
        if name in decoders:
            parts[name].append(decoders[name].feed(b"".join(data), minute * 60_000_000))
    for name, decoder in decoders.items():
        parts[name].append(decoder.flush())
    return {name: Decoded.join(found) for name, found in parts.items()}


def test_one_seed_same_bytes_however_the_time_is_cut() -> None:
    until = START + 200 * US_PER_S
    one = list(Sea(3, start_us=START).emissions(until))
    cut = Sea(3, start_us=START)
    two = [e for second in (1, 7, 8, 50, 133, 200) for e in cut.emissions(START + second * US_PER_S)]
    assert digest(one) == digest(two)
    assert digest(one) != digest(list(Sea(4, start_us=START).emissions(until)))
    assert all(a.at_us <= b.at_us for a, b in itertools.pairwise(one))
    assert one[-1].at_us < until


def test_another_radar_does_not_change_what_ships_do() -> None:
    fewer = dataclasses.replace(PHILIPPINE_SEA, radars=PHILIPPINE_SEA.radars[:1], satellite_radar=())
    until = START + 120 * US_PER_S
    few = [e for e in Sea(3, start_us=START, scenario=fewer).emissions(until) if "ais" in e.source]
    full = [e for e in Sea(3, start_us=START).emissions(until) if "ais" in e.source]
    assert digest(few) == digest(full)


def test_every_source_speaks_and_every_line_decodes(
    played: tuple[Sea, list[Emission]], decoded: dict[str, Decoded]
) -> None:
    sea, emissions = played
    counts = Counter(e.source for e in emissions)
    assert set(counts) == {s.name for s in sea.scenario.sources}
    for name, found in decoded.items():
        assert found.ledger.lines == found.ledger.accounted > 100, name
        assert not found.ledger.rejected, name


def test_positions_decoded_are_where_the_truth_is(
    played: tuple[Sea, list[Emission]], decoded: dict[str, Decoded]
) -> None:
    sea, _ = played
    honest = {s.mmsi for s in sea.ships if s.role in ("lane", "fishing", "moored", "rendezvous", "loiterer", "gap")}
    rows = observe(decoded["phl-ais-basco"]).to_pylist()[::61]
    assert len(rows) > 30
    checked = 0
    for row in rows:
        if row["mmsi"] not in honest:
            continue
        at = round(row["observed_at"].timestamp() * 1e6)
        truth = sea.truth(at)
        ship = truth.filter(pc.equal(truth["mmsi"], row["mmsi"])).to_pylist()[0]
        error = float(distance_m(row["lat_deg"], row["lon_deg"], ship["lat_deg"], ship["lon_deg"]))
        assert error < 80.0  # GNSS error and up to five seconds of turning between kept states
        checked += 1
    assert checked > 20


def test_radar_errors_are_as_declared(played: tuple[Sea, list[Emission]], decoded: dict[str, Decoded]) -> None:
    sea, _ = played
    rows = decoded["phl-radar-batanes"].table("observations").to_pylist()[::61]
    near = 0
    for row in rows:
        at = round(row["observed_at"].timestamp() * 1e6)
        truth = sea.truth(at)
        d = distance_m(row["lat_deg"], row["lon_deg"], truth["lat_deg"].to_numpy(), truth["lon_deg"].to_numpy())
        near += bool(d.min() < 4.0 * np.sqrt(max(row["cov_ee_m2"], row["cov_nn_m2"])) + 150.0)
    assert len(rows) > 100
    assert near / len(rows) > 0.6  # the rest is clutter


def test_the_dark_ship_is_on_radar_and_never_on_ais(
    played: tuple[Sea, list[Emission]], decoded: dict[str, Decoded]
) -> None:
    sea, _ = played
    dark = sea.story()["dark"]
    mmsi = sea.ships[dark["ship_id"]].mmsi
    for name, found in decoded.items():
        if "ais" in name:
            assert mmsi not in found.table("positions")["mmsi"].to_pylist()
    first, last = (clock.parse_rfc3339(t) for t in dark["radar_windows"]["phl-radar-batanes"])
    assert first == START
    assert last > START + 2 * HOUR
    plots = decoded["phl-radar-batanes"].table("observations")
    times = plots["observed_at"].cast(pa.int64()).to_numpy()
    scans_seen = 0
    for minute in range(1, 55):
        at = START + minute * 60 * US_PER_S
        truth = sea.truth(at).to_pylist()[dark["ship_id"]]
        assert truth["dark"]
        assert truth["mmsi"] is None
        close = np.abs(times - at) < 6 * US_PER_S
        d = distance_m(
            truth["lat_deg"], truth["lon_deg"], plots["lat_deg"].to_numpy()[close], plots["lon_deg"].to_numpy()[close]
        )
        scans_seen += bool((d < 2500.0).any())
    assert scans_seen > 45


def test_the_pair_meets_close_and_slow_for_as_long_as_told(played: tuple[Sea, list[Emission]]) -> None:
    sea, _ = played
    story = sea.story()["rendezvous"]
    begin, end = clock.parse_rfc3339(story["from"]), clock.parse_rfc3339(story["to"])
    for at in range(begin + 30 * US_PER_S, min(end, START + PLAYED), 120 * US_PER_S):
        one, two = (sea.truth(at).to_pylist()[i] for i in story["ship_ids"])
        assert float(distance_m(one["lat_deg"], one["lon_deg"], two["lat_deg"], two["lon_deg"])) < 400.0
        assert np.hypot(one["ve_mps"], one["vn_mps"]) < 1.0
    before = sea.truth(START + 30 * US_PER_S).to_pylist()
    one, two = (before[i] for i in story["ship_ids"])
    assert float(distance_m(one["lat_deg"], one["lon_deg"], two["lat_deg"], two["lon_deg"])) > 1_000.0


def test_the_gap_is_silent_between_its_times_and_heard_outside(
    played: tuple[Sea, list[Emission]], decoded: dict[str, Decoded]
) -> None:
    sea, _ = played
    story = sea.story()["gap"]
    off, on = clock.parse_rfc3339(story["from"]), clock.parse_rfc3339(story["to"])
    heard = decoded["phl-ais-basco"].table("positions")
    times = heard.filter(pc.equal(heard["mmsi"], story["mmsi"]))["observed_at"].cast(pa.int64()).to_numpy()
    assert (times < off).sum() > 20
    assert (times >= on).sum() > 20
    assert not ((times >= off) & (times < on)).any()


def test_the_spoofers_lie_from_their_time_on(played: tuple[Sea, list[Emission]], decoded: dict[str, Decoded]) -> None:
    sea, _ = played
    heard = decoded["phl-ais-basco"].table("positions")
    for lie in sea.story()["spoofed"]:
        since = clock.parse_rfc3339(lie["from"])
        errors = []
        for row in heard.filter(pc.equal(heard["mmsi"], lie["mmsi"])).to_pylist()[::9]:
            at = round(row["observed_at"].timestamp() * 1e6)
            ship = sea.truth(at).to_pylist()[lie["ship_id"]]
            error = float(distance_m(row["lat_deg"], row["lon_deg"], ship["lat_deg"], ship["lon_deg"]))
            errors.append((at, error))
        assert max(e for at, e in errors if at < since) < 80.0
        late = [e for at, e in errors if at > since + 900 * US_PER_S]
        assert min(late) > (20_000.0 if lie["how"] == "jump" else 1_700.0)


def test_the_intruder_crosses_the_edge_when_told(played: tuple[Sea, list[Emission]]) -> None:
    sea, _ = played
    story = sea.story()["intruder"]
    enters = clock.parse_rfc3339(story["enters_at"])
    places = [sea.truth(enters + s * US_PER_S).to_pylist()[story["ship_id"]] for s in (-60, 60)]
    zone = [inside(np.array([p["lat_deg"]]), np.array([p["lon_deg"]]), ZONE)[0] for p in places]
    assert zone == [False, True]
    ring = sea.story()["zone"]["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]


def test_the_loiterer_is_slow_and_the_duplicate_is_two(played: tuple[Sea, list[Emission]]) -> None:
    sea, _ = played
    truth = sea.truth(START + 1800 * US_PER_S).to_pylist()
    slow = truth[sea.story()["loiterer"]["ship_id"]]
    assert np.hypot(slow["ve_mps"], slow["vn_mps"]) < 1.0
    one, two = (truth[i] for i in sea.story()["duplicate"]["ship_ids"])
    assert one["mmsi"] == two["mmsi"] == sea.story()["duplicate"]["mmsi"]
    assert float(distance_m(one["lat_deg"], one["lon_deg"], two["lat_deg"], two["lon_deg"])) > 300_000.0


def test_reports_come_at_the_itu_intervals() -> None:
    quiet = dataclasses.replace(
        PHILIPPINE_SEA.stations[0], loss=0.0, burst_per_hour=0.0, height_m=200_000.0
    )  # hears everything
    scenario = Scenario("all-heard", stations=(quiet,), radars=())
    fresh = Sea(7, start_us=START, scenario=scenario)
    decoder = open_decoder("aivdm", quiet.name, {})
    rows = Decoded.join([decoder.feed(e.data, e.at_us) for e in fresh.emissions(START + 500 * US_PER_S)])
    found = rows.table("positions")
    for ship in fresh.ships:
        if ship.role != "lane":
            continue
        times = found.filter(pc.equal(found["mmsi"], ship.mmsi))["observed_at"].cast(pa.int64()).to_numpy()
        gaps = np.diff(times) / 1e6
        assert len(gaps) > 20
        assert np.median(gaps) < 12.0
        assert np.median(gaps) > 1.5
    statics = rows.table("statics")
    assert len(set(statics["mmsi"].to_pylist())) == len({s.mmsi for s in fresh.ships if s.has_ais})


def test_ships_keep_to_the_sea() -> None:
    sea = Sea(5, start_us=START, scenario=dataclasses.replace(PHILIPPINE_SEA, radars=(), stations=(), fishing_boats=60))
    bad = Counter()
    for minutes in range(0, 361, 20):
        at = START + minutes * 60 * US_PER_S
        list(sea.emissions(at))
        truth = sea.truth(at)
        land = on_land(truth["lat_deg"].to_numpy(), truth["lon_deg"].to_numpy(), LAND)
        for row in truth.filter(pa.array(land)).to_pylist():
            bad[(row["role"], row["kind"])] += row["role"] != "moored"
    assert sum(bad.values()) == 0, bad


def test_motion_respects_rudder_and_engine(played: tuple[Sea, list[Emission]]) -> None:
    sea, _ = played
    course = np.stack([state[4] for _, state in list(sea._history)])
    turn = (np.diff(course, axis=0) + 180) % 360 - 180
    seconds = np.diff([at for at, _ in sea._history]) / 1e6
    assert np.abs(turn / seconds[:, None]).max() <= 3.0 + 1e-9


def test_land_shades_the_radar_beyond_it() -> None:
    shade = shadow_ranges_m((20.475, 121.995), LAND)
    assert np.isfinite(shade[180:230]).any()  # Sabtang, Babuyan
    assert np.isinf(shade[60:120]).all()  # open Pacific


def test_truth_is_refused_outside_what_is_known(played: tuple[Sea, list[Emission]]) -> None:
    sea, _ = played
    for at in (START - 1, sea.at_us + 1):
        with pytest.raises(InputError):
            sea.truth(at)


def test_scenarios_name_their_sources_for_a_node_file() -> None:
    from kuroshio.node.config import SensorSection, SourceSection

    assert set(SCENARIOS) == {"philippine-sea", "philippine-sea-day", "harbour"}
    parties = {s.party for s in PHILIPPINE_SEA.sources}
    assert parties == {"PHL", "JPN", "USA"}
    for spec in PHILIPPINE_SEA.sources:
        SourceSection(
            name=spec.name, format=spec.format, link="udp" if spec.transport == "udp" else "tcp", port=1,
            options=dict(spec.options), sensor=SensorSection(**spec.sensor),
        )  # fmt: skip


def test_a_scenario_with_two_sources_of_one_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="one name"):
        Scenario("twice", stations=PHILIPPINE_SEA.stations[:1] * 2)


def test_the_harbour_is_crowded_badly_registered_and_merges_what_is_close() -> None:
    sea = Sea(2, start_us=START, scenario=HARBOUR)
    until = START + 45 * US_PER_S
    site = HARBOUR.radars[0]
    decoder = open_decoder("asterix", site.name, next(s.options for s in HARBOUR.sources if s.name == site.name))
    data = b"".join(e.data for e in sea.emissions(until) if e.source == site.name)
    rows = decoder.feed(data, until).table("observations")
    sharp = dataclasses.replace(HARBOUR, radars=(dataclasses.replace(site, resolution_m=0.0),))
    unmerged = b"".join(
        e.data for e in Sea(2, start_us=START, scenario=sharp).emissions(until) if e.source == site.name
    )
    apart = open_decoder("asterix", "sharp", dict(HARBOUR.sources[1].options)).feed(unmerged, until)
    assert 0.5 < rows.num_rows / apart.table("observations").num_rows < 0.97
    errors = []
    for row in rows.to_pylist()[::40]:
        if row["range_m"] < 3_000.0:
            continue
        there = sea.truth(round(row["observed_at"].timestamp() * 1e6))
        d = distance_m(row["lat_deg"], row["lon_deg"], there["lat_deg"].to_numpy(), there["lon_deg"].to_numpy())
        nearest = int(d.argmin())
        bearing = bearing_deg(*site.at, there["lat_deg"][nearest].as_py(), there["lon_deg"][nearest].as_py())
        if d.min() < 250.0:
            errors.append((row["bearing_deg"] - bearing + 180.0) % 360.0 - 180.0)
    assert len(errors) > 20
    assert np.median(errors) > 0.2  # the bias of 0.6 degree, blurred by taking a neighbour for the ship
