"""Merges of the archive: beside readers and writers, half done, failed, and never a row lost or shown twice."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kuroshio import clock, schema
from kuroshio.store import Archive, layout, scan

DAY = 86_400_000_000
START = 20_000 * DAY


def observations(rows: int, seed: int = 1, days: float = 1.0) -> pa.Table:
    rng = clock.generator(seed)
    return schema.OBSERVATIONS.build(
        {
            "obs_id": rng.permutation(rows) + seed * 10**9,
            "observed_at": pa.array(START + rng.integers(0, int(days * DAY), rows)).cast(pa.timestamp("us", "UTC")),
            "source": ["basco"] * rows,
            "sensor": ["ais"] * rows,
            "lat_deg": rng.uniform(-90, 90, rows),
            "lon_deg": rng.uniform(-180, 180, rows),
            "cov_ee_m2": rng.uniform(1, 100, rows),
            "cov_en_m2": rng.uniform(0, 1, rows),
            "cov_nn_m2": rng.uniform(1, 100, rows),
            "mmsi": rng.integers(200_000_000, 200_000_040, rows),
        }
    )


def same(found: pa.Table, wanted: pa.Table) -> bool:
    order = [("observed_at", "ascending"), ("obs_id", "ascending")]
    return found.sort_by(order).equals(wanted.combine_chunks().sort_by(order))


def test_reading_beside_flushes_and_compactions_shows_each_row_once(tmp_path: Path) -> None:
    total, batch = 4000, 50
    rows = schema.TRACKS.from_rows(  # a table whose rows have no identity that would hide a second showing
        {"track_id": n, "observed_at": START + n, "lat_deg": 1.0, "lon_deg": 2.0, "status": "confirmed"}
        for n in range(total)
    )
    failures: list[BaseException] = []
    with Archive(tmp_path) as archive:
        done = threading.Event()

        def write() -> None:
            try:
                for at in range(0, total, batch):
                    archive.append("tracks", rows.slice(at, batch))
                    if at % (3 * batch) == 0:
                        archive.flush(at)
            except BaseException as err:
                failures.append(err)
            done.set()

        def compact() -> None:
            try:
                while not done.is_set():
                    archive.compact_all(min_parts=1)
            except BaseException as err:
                failures.append(err)

        threads = [threading.Thread(target=write), threading.Thread(target=compact)]
        for thread in threads:
            thread.start()
        counts = []
        while not done.is_set():
            found = archive.read("tracks", columns=["track_id"]).column("track_id").to_pylist()
            assert len(found) == len(set(found))
            counts.append(len(found))
        for thread in threads:
            thread.join()
        assert failures == []
        assert counts == sorted(counts)
        assert len(set(counts)) > 2
        assert archive.read("tracks").equals(rows.combine_chunks())


def test_rows_flushed_and_compacted_during_a_reading_are_shown_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = schema.TRACKS.from_rows(
        {"track_id": n, "observed_at": START + n, "lat_deg": 1.0, "lon_deg": 2.0, "status": "confirmed"}
        for n in range(10)
    )
    with Archive(tmp_path) as archive:
        archive.append("tracks", rows.slice(0, 5))
        archive.flush()
        archive.append("tracks", rows.slice(5))
        real = scan.read_days

        def late(*arguments: object) -> pa.Table:
            archive.flush()  # after the reader took what was waiting, before it looked at the files
            archive.compact_all(min_parts=1)
            return real(*arguments)

        assert archive.read("tracks", track_id=[3, 7, 99]).equals(rows.take([3, 7]))
        assert archive.read("tracks", track_id=4).equals(rows.slice(4, 1).combine_chunks())
        monkeypatch.setattr("kuroshio.store.questions.read_days", late)
        assert archive.read("tracks").equals(rows.combine_chunks())


def test_parts_are_merged_behind_and_with_the_day_once_they_are_a_share_of_it(tmp_path: Path) -> None:
    rows = observations(4000, days=1.0)
    with Archive(tmp_path) as archive:
        archive.append("observations", rows.slice(0, 3800))
        archive.flush()
        archive.compact_all(min_parts=1)
        for at in range(3800, 4000, 10):
            archive.append("observations", rows.slice(at, 10))
            archive.flush(at)
        archive.tidy(fan=2)
        assert sorted(path.name[0] for path in tmp_path.glob("observations/*/*.parquet")) == ["d", "m"]
        assert same(archive.read("observations"), rows)
        archive.append("observations", observations(900, seed=2, days=1.0))
        archive.flush()
        archive.tidy(fan=2)
        assert [path.name[0] for path in tmp_path.glob("observations/*/*.parquet")] == ["d"]
        assert archive.read("observations").num_rows == 4900
    with Archive(tmp_path) as again:
        assert again.read("observations").num_rows == 4900


def test_a_merge_that_fails_behind_is_counted_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> tuple[int, int]:
        raise OSError(28, "No space left on device")

    rows = observations(320, days=1.0)
    with Archive(tmp_path) as archive:
        monkeypatch.setattr("kuroshio.store.archive.merge_day", fail)
        for at in range(0, 320, 20):
            archive.append("observations", rows.slice(at, 20))
            archive.flush(at)
        assert archive._tidying is not None
        archive._tidying.join()
        assert archive.counts()["failed_merges"] == 1
        assert same(archive.read("observations"), rows)


def test_a_merge_left_half_removed_shows_no_row_twice(tmp_path: Path) -> None:
    rows = schema.TRACKS.from_rows(
        {"track_id": n, "observed_at": START + n, "lat_deg": 1.0, "lon_deg": 2.0, "status": "confirmed"}
        for n in range(30)
    )
    with Archive(tmp_path) as archive:
        for at in range(0, 20, 5):
            archive.append("tracks", rows.slice(at, 5))
            archive.flush()
        folder = next((tmp_path / "tracks").iterdir())
        parts = {path.name: path.read_bytes() for path in folder.iterdir()}
        scan.merge_day(folder, schema.TRACKS, 0, whole=True)  # the first part becomes the ordered file
        for at in range(20, 30, 5):
            archive.append("tracks", rows.slice(at, 5))
            archive.flush()
        for name, data in parts.items():  # as if the removal had not been done
            (folder / name).write_bytes(data)
        assert archive.read("tracks").equals(rows.combine_chunks())
        archive.compact_all()
        assert archive.read("tracks").equals(rows.combine_chunks())
        assert len(list(folder.iterdir())) == 1


def test_a_question_about_one_vessel_reads_only_its_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuroshio.store.layout.ROW_GROUP", 100)
    rows = observations(3000, days=1.0)
    with Archive(tmp_path) as archive:
        archive.append("observations", rows)
        archive.flush()
        archive.compact_all(min_parts=1)
        path = next(tmp_path.glob("observations/*/d-*.parquet"))
        groups = layout.row_groups_with(path, {"mmsi": {200_000_007}})
        assert groups is not None
        assert 0 < len(groups) < 30
        assert layout.row_groups_with(path, {"mmsi": {5}}) == []
        assert layout.row_groups_with(path, {"track_id": {5}}) is None
        mine = rows.filter(pc.equal(rows.column("mmsi"), 200_000_007))
        assert same(archive.read("observations", mmsi=200_000_007), mine)
        assert archive.read("observations", mmsi=5).num_rows == 0
        monkeypatch.setattr("kuroshio.store.layout.INDEX_VALUES", 0)
        archive.append("observations", observations(10, seed=4, days=1.0))
        archive.flush()
        archive.compact_all(min_parts=1)
        path = next(tmp_path.glob("observations/*/d-*.parquet"))
        everything = layout.row_groups_with(path, {"mmsi": {200_000_007}})
        assert everything is not None
        assert len(everything) == 31
