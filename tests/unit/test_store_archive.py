"""The archive: what was flushed is there, once, in one order, and questions get exactly their rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kuroshio import clock, schema
from kuroshio.errors import InputError, StoreError
from kuroshio.store import Archive, disk
from kuroshio.store.layout import hilbert_cell

DAY = 86_400_000_000
START = 20_000 * DAY


def observations(rows: int, seed: int = 1, days: float = 2.0) -> pa.Table:
    rng = clock.generator(seed)
    mmsi = rng.integers(200_000_000, 200_000_040, rows)
    return schema.OBSERVATIONS.build(
        {
            "obs_id": rng.permutation(rows) + seed * 10**9,
            "observed_at": pa.array(START + rng.integers(0, int(days * DAY), rows)).cast(pa.timestamp("us", "UTC")),
            "source": np.array(["basco", "aparri"])[rng.integers(0, 2, rows)].tolist(),
            "sensor": ["ais"] * rows,
            "lat_deg": rng.uniform(-90, 90, rows),
            "lon_deg": rng.uniform(-180, 180, rows),
            "cov_ee_m2": np.full(rows, 100.0),
            "cov_en_m2": np.zeros(rows),
            "cov_nn_m2": np.full(rows, 100.0),
            "mmsi": pa.array(mmsi, pa.int64(), mask=mmsi == 200_000_000),
        }
    )


def same(found: pa.Table, wanted: pa.Table) -> bool:
    order = [("observed_at", "ascending"), ("obs_id", "ascending")]
    return found.sort_by(order).equals(wanted.select(found.column_names).combine_chunks().sort_by(order))


@pytest.mark.parametrize("stage", ["memory", "flushed", "compacted", "reopened", "mixed"])
def test_a_question_gets_exactly_its_rows(tmp_path: Path, stage: str) -> None:
    rows = observations(3000)
    archive = Archive(tmp_path)
    for at in range(0, 3000, 1000):
        archive.append("observations", rows.slice(at, 1000))
        if stage != "memory" and not (stage == "mixed" and at == 2000):
            archive.flush()
        if stage == "mixed" and at == 0:
            archive.compact_all(min_parts=1)
    if stage in ("compacted", "reopened"):
        assert archive.compact_all() == 2
    if stage == "reopened":
        archive.close()
        archive = Archive(tmp_path)
    found = archive.read("observations")
    assert found.schema.equals(schema.OBSERVATIONS.arrow)
    assert same(found, rows)
    assert found.column("observed_at").to_pylist() == sorted(found.column("observed_at").to_pylist())

    times = rows.column("observed_at").cast(pa.int64()).to_numpy()
    lat, lon = rows.column("lat_deg").to_numpy(), rows.column("lon_deg").to_numpy()
    mmsi = rows.column("mmsi").fill_null(0).to_numpy()
    for question, mask in [
        ({"start_us": START + DAY // 3, "end_us": START + DAY}, (times >= START + DAY // 3) & (times < START + DAY)),
        ({"box": (100, -10, 140, 60)}, (lat >= -10) & (lat <= 60) & (lon >= 100) & (lon <= 140)),
        ({"box": (170, -90, -170, 90)}, (lon >= 170) | (lon <= -170)),
        ({"mmsi": 200_000_007}, mmsi == 200_000_007),
        ({"mmsi": [200_000_007, 200_000_008]}, (mmsi == 200_000_007) | (mmsi == 200_000_008)),
        ({"start_us": START + 9 * DAY}, np.zeros(3000, dtype=bool)),
    ]:
        assert mask.any() or question == {"start_us": START + 9 * DAY}
        assert same(archive.read("observations", **question), rows.filter(pa.array(mask)))
    some = archive.read("observations", columns=["mmsi", "obs_id", "observed_at"], mmsi=200_000_007)
    assert some.column_names == ["mmsi", "obs_id", "observed_at"]
    archive.close()


def test_the_order_of_an_answer_does_not_depend_on_compaction(tmp_path: Path) -> None:
    rows = observations(500, days=0.5)
    still = rows.set_column(1, rows.schema.field(1), pa.array([START] * 500).cast(pa.timestamp("us", "UTC")))
    with Archive(tmp_path) as archive:
        archive.append("observations", still.slice(0, 250))
        archive.flush()
        archive.append("observations", still.slice(250))
        waiting = archive.read("observations")
        archive.flush()
        flushed = archive.read("observations")
        archive.compact_all()
        assert waiting.equals(still.combine_chunks())
        assert flushed.equals(waiting)
        assert archive.read("observations").equals(waiting)


def test_rows_that_come_again_after_a_crash_are_one(tmp_path: Path) -> None:
    rows = observations(100)
    with Archive(tmp_path) as archive:
        archive.append("observations", rows)
        archive.flush(5)
        archive.append("observations", rows.slice(50))
        assert archive.read("observations").num_rows == 100
        archive.flush(9)
        assert archive.read("observations").num_rows == 100
        archive.compact_all(min_parts=1)
        assert archive.read("observations").num_rows == 100
        assert archive.counts()["duplicates"] == 50
        assert archive.position == 9


def test_what_was_not_flushed_is_gone_after_a_crash_and_the_position_says_so(tmp_path: Path) -> None:
    rows = observations(100)
    archive = Archive(tmp_path)
    archive.append("observations", rows.slice(0, 60))
    archive.flush(60)
    archive.append("observations", rows.slice(60))
    archive.close()
    with Archive(tmp_path) as again:
        assert again.position == 60
        assert same(again.read("observations"), rows.slice(0, 60))


@pytest.mark.parametrize("fail_at", range(6))
def test_a_flush_is_whole_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: int) -> None:
    """A disk that fails at the n-th file of a flush (2 tables of 2 days, then the commit, then none)."""
    rows = observations(40)
    tracks = schema.TRACKS.from_rows(
        {"track_id": n, "observed_at": START + n * DAY, "lat_deg": 1.0, "lon_deg": 2.0, "status": "confirmed"}
        for n in range(2)
    )
    archive = Archive(tmp_path)
    archive.append("observations", rows.slice(0, 20))
    archive.flush(1)
    archive.append("observations", rows.slice(20))
    archive.append("tracks", tracks)
    real, done = disk.write_durably, []

    def failing(path: Path, write: object) -> None:
        if len(done) == fail_at:
            raise StoreError("disk failed", code="store.disk_full")
        done.append(path)
        real(path, write)

    monkeypatch.setattr(disk, "write_durably", failing)
    if fail_at == 5:
        archive.flush(2)
        wanted, position = (40, 2), 2
        monkeypatch.undo()
    else:
        with pytest.raises(StoreError):
            archive.flush(2)
        wanted, position = (20, 0), 1
        monkeypatch.undo()
        if fail_at < 4:  # the rows are still in memory and the next flush has them
            assert archive.read("observations").num_rows == 40
    archive.close()
    with Archive(tmp_path) as again:
        assert (again.read("observations").num_rows, again.read("tracks").num_rows) == wanted
        assert again.position == position
        again.append("observations", rows.slice(0, 1))
        again.flush(3)
        assert again.read("observations").num_rows == wanted[0]


def test_after_a_failed_flush_the_next_one_has_all_rows_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = observations(40)
    with Archive(tmp_path) as archive:
        archive.append("observations", rows)
        real, calls = disk.write_durably, []

        def second_fails(path: Path, write: object) -> None:
            calls.append(path)
            if len(calls) == 2:
                raise StoreError("disk failed", code="store.disk_full")
            real(path, write)

        monkeypatch.setattr(disk, "write_durably", second_fails)
        with pytest.raises(StoreError):
            archive.flush(1)
        monkeypatch.undo()
        late = observations(10, seed=2, days=0.9)  # only one day: the other day's part must not come back
        archive.append("observations", late)
        archive.flush(2)
        assert archive.read("observations").num_rows == 50


def test_a_reader_beside_a_writer_sees_commits_only(tmp_path: Path) -> None:
    rows = observations(100)
    with Archive(tmp_path) as archive, Archive(tmp_path, read_only=True) as reader:
        archive.append("observations", rows.slice(0, 50))
        assert reader.read("observations").num_rows == 0
        archive.flush(1)
        archive.append("observations", rows.slice(50))
        assert (reader.read("observations").num_rows, reader.position) == (50, 1)
        archive.flush(2)
        archive.compact_all(min_parts=1)
        assert same(reader.read("observations"), rows)
        with pytest.raises(StoreError):
            reader.append("observations", rows)
        with pytest.raises(StoreError) as caught:
            Archive(tmp_path)
        assert caught.value.error_code == "store.locked"


def test_an_interrupted_compaction_shows_no_row_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = observations(60, days=1.0)
    archive = Archive(tmp_path)
    for at in range(0, 60, 20):
        archive.append("observations", rows.slice(at, 20))
        archive.flush()

    def killed(self: Path, missing_ok: bool = False) -> None:
        raise OSError(5, "killed")

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(StoreError, match="killed"):
        archive.compact_all()
    monkeypatch.undo()
    archive.close()
    with Archive(tmp_path) as again:
        assert again.read("observations").num_rows == 60
        again.append("observations", observations(5, seed=3, days=1.0))
        again.flush()
        again.compact_all(min_parts=1)
        assert again.read("observations").num_rows == 65
        assert len(list((tmp_path / "observations").glob("*/*.parquet"))) == 1


def test_days_expire_by_rule_with_a_record(tmp_path: Path) -> None:
    rows = observations(300, days=3.0)
    with Archive(tmp_path) as archive:
        archive.append("observations", rows)
        archive.flush()
        assert archive.expire("observations", before_us=START + DAY - 1, rule="30 d", now_us=7) == []
        gone = archive.expire("observations", before_us=START + 2 * DAY, rule="30 d", now_us=7)
        assert [row["day"] for row in gone] == ["2024-10-04", "2024-10-05"]
        assert sum(row["rows"] for row in gone) + archive.read("observations").num_rows == 300
        assert archive.expired() == gone
        assert pc.min(archive.read("observations").column("observed_at")).cast(pa.int64()).as_py() >= START + 2 * DAY


def test_rows_without_a_time_are_kept_apart(tmp_path: Path) -> None:
    rows = schema.REJECTS.from_rows(
        [{"reason": "checksum", "raw": b"x", "received_at": START}, {"reason": "not_nmea", "raw": b"y"}]
    )
    with Archive(tmp_path) as archive:
        archive.append("rejects", rows)
        for _ in range(2):
            assert archive.read("rejects").column("reason").to_pylist() == ["checksum"]
            assert archive.read("rejects", undated=True).column("reason").to_pylist() == ["not_nmea"]
            archive.flush()
        assert archive.days("rejects") == ["2024-10-04", "undated"]


def test_every_table_of_the_dictionary_can_be_kept(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        undated = {"registry", "coverage_cells"}  # files of reference, not of what happened
        for name in undated:
            with pytest.raises(InputError, match="has no time"):
                archive.append(name, schema.TABLES[name].empty())
        for name in schema.TABLES.keys() - undated:
            table = schema.TABLES[name]
            archive.append(name, table.empty())
            assert archive.read(name).schema.equals(table.arrow)


def test_questions_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        for question in (
            {"name": "whales"},
            {"name": "tracks", "columns": ["colour"]},
            {"name": "tracks", "box": (0, 5, 1, -5)},
            {"name": "tracks", "box": (0, 0, 999, 1)},
            {"name": "alerts", "mmsi": 5},
            {"name": "observations", "track_id": 5},
            {"name": "rejects", "box": (0, 0, 1, 1)},
        ):
            with pytest.raises(InputError):
                archive.read(**question)


def test_a_full_buffer_is_flushed_without_moving_the_position(tmp_path: Path) -> None:
    with Archive(tmp_path, buffer_rows=50) as archive:
        archive.append("observations", observations(40))
        archive.flush(7)
        archive.append("observations", observations(40, seed=2))
        archive.append("observations", observations(40, seed=3))
        assert archive.counts()["forced_flushes"] == 1
        assert archive.position == 7
        assert archive.read("observations").num_rows == 120


def test_the_hilbert_curve_visits_every_cell_once_and_steps_to_neighbours() -> None:
    order = 5
    side = 1 << order
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(side), np.arange(side)))
    index = hilbert_cell((x + 0.5) / side * 360.0 - 180.0, (y + 0.5) / side * 180.0 - 90.0, order)
    assert sorted(index) == list(range(side * side))
    walk = np.argsort(index)
    steps = np.abs(np.diff(x[walk])) + np.abs(np.diff(y[walk]))
    assert (steps == 1).all()
    assert hilbert_cell(np.array([np.nan, 180.0]), np.array([0.0, 90.0])).tolist()[0] == -1
