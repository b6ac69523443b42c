"""The stages joined: what waits in a decoder survives a checkpoint, and joined blocks are whole."""

from __future__ import annotations

from kuroshio import behaviour, clock, picture
from kuroshio.node.config import SourceSection
from kuroshio.node.core import join
from kuroshio.node.pipeline import Pipeline
from kuroshio.sensing import formats
from kuroshio.sensing.ais import encode

NOW = 1_790_000_000_000_000


def pipeline(format_: str = "aivdm", *, exercise: bool = False) -> Pipeline:
    section = SourceSection(name="feed", format=format_, link="push")
    decoder = formats.open_decoder(format_, "feed", {})
    engine = behaviour.Engine(behaviour.load_definitions())
    return Pipeline({"feed": section}, {"feed": decoder}, picture.Tracker(), engine, exercise=exercise)


def test_a_message_cut_by_a_checkpoint_is_whole_after_it(tmp_path):
    first, second = encode({"msg_type": 5, "mmsi": 431000001, "name": "KUROSHIO", "call_sign": "JTEST"})
    before = pipeline()
    step = before.step([("feed", NOW, first.strip() + b"\r\n" + second[:20])], now_us=NOW)
    assert "statics" not in step.reports
    assert before.settled, "its state can be saved"
    before.save(tmp_path)
    after = pipeline()
    after.restore(tmp_path)
    step = after.step([("feed", NOW, second[20:].strip() + b"\r\n")], now_us=NOW + 1)
    assert step.reports["statics"]["name"].to_pylist() == ["KUROSHIO"]


def two_stations(deduplicate_s: float) -> Pipeline:
    sections = {n: SourceSection(name=n, format="aivdm", link="push") for n in ("north", "south")}
    decoders = {n: formats.open_decoder("aivdm", n, {}) for n in sections}
    engine = behaviour.Engine(behaviour.load_definitions())
    return Pipeline(sections, decoders, picture.Tracker(), engine, deduplicate_s=deduplicate_s)


def heard(station, second):
    told = {"msg_type": 1, "mmsi": 431000001, "lat_deg": 20.0, "lon_deg": 122.0, "sog_mps": 5.0, "cog_deg": 90.0}
    return encode(told, tag_block={"s": station, "c": NOW // 1_000_000 + second})[0] + b"\r\n"


def test_a_transmission_that_two_sources_hear_is_one_observation_and_both_are_healthy(tmp_path):
    node = two_stations(10.0)
    step = node.step([("north", NOW, heard("n", 0)), ("south", NOW, heard("s", 1))], now_us=NOW)
    assert step.observations["station"].to_pylist() == ["n"]
    (again,) = step.reports["receptions"].to_pylist()
    assert (again["source"], again["station"], again["first_source"]) == ("south", "s", "north")
    assert {n: (r.observations, r.ledger.messages) for n, r in step.sources.items()} == {
        "north": (1, 1),
        "south": (1, 1),
    }
    node.save(tmp_path)
    after = two_stations(10.0)
    after.restore(tmp_path)
    assert after.step([("south", NOW, heard("s", 3))], now_us=NOW).observations.num_rows == 0
    assert after.step([("south", NOW + 30_000_000, heard("s", 30))], now_us=NOW).observations.num_rows == 1


def test_without_a_window_every_reception_is_an_observation():
    step = two_stations(0.0).step([("north", NOW, heard("n", 0)), ("south", NOW, heard("s", 1))], now_us=NOW)
    assert step.observations.num_rows == 2
    assert "receptions" not in step.reports


def test_a_decoder_without_a_state_holds_the_checkpoint_back():
    table = pipeline("marinecadastre")
    header = (
        b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,Cargo"
    )
    row = b"338148873,2022-01-03T00:00:00,33.60716,-117.91483,0.0,280.0,511,CAZADOR,,,37,,14,,,"
    table.step([("feed", NOW, header + b"\r\n" + row)], now_us=NOW)
    assert not table.settled
    table.step([], now_us=NOW, ended=["feed"])
    assert table.settled


def test_neighbouring_blocks_of_a_source_are_one_and_keep_their_order():
    joined = join([("a", 1, b"1"), ("b", 2, b"x"), ("a", 3, b"2"), ("b", 4, b"y")])
    assert joined == [("a", 3, b"12"), ("b", 4, b"xy")]


def test_blocks_that_arrived_far_apart_keep_their_own_arrival():
    joined = join([("a", 0, b"1"), ("a", 200_000, b"2"), ("a", 400_000, b"3"), ("a", 400_001, b"4")])
    assert joined == [("a", 200_000, b"12"), ("a", 400_001, b"34")]


def spot(uid: str, opex: str) -> bytes:
    """A ship as Cursor on Target, with or without the mark of an exercise."""
    time = clock.rfc3339(NOW)
    return (
        f'<event version="2.0" uid="{uid}" type="a-f-S" how="m-g" time="{time}" start="{time}" '
        f'stale="{clock.rfc3339(NOW + 600_000_000)}"{opex}><point lat="20" lon="122" hae="0" ce="10" le="10"/>'
        "<detail/></event>\n"
    ).encode()


def test_what_its_source_marks_as_of_an_exercise_does_not_enter_a_real_picture():
    real = pipeline("cot")
    step = real.step([("feed", NOW, spot("drill", ' opex="e"') + spot("ship", ""))], now_us=NOW)
    assert [bool(drill) for drill in step.observations["exercise"].to_pylist()] == [False]
    assert step.sources["feed"].observations == 2, "it was heard"
    assert step.counters["kept_out_exercise"] == 1
    assert not any(step.tracks["exercise"].to_pylist())


def test_every_observation_of_an_exercise_is_marked_whatever_its_format_says():
    """Only AIS was: what a radar or a Cursor on Target feed saw went to partners as real."""
    drill = pipeline("cot", exercise=True)
    step = drill.step([("feed", NOW, spot("ship", "") + spot("drill", ' opex="e"'))], now_us=NOW)
    assert step.observations["exercise"].to_pylist() == [True, True]
    assert all(step.tracks["exercise"].to_pylist())
