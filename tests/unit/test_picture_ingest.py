"""Observations out of Arrow's memory: nulls, slices and order do not change what a report says."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.errors import InputError
from kuroshio.picture import TrackerConfig
from kuroshio.picture.ingest import SEEN_FIRST, SOURCES_MAX, Seen, Sources, clean
from kuroshio.schema import OBSERVATIONS, concat

T0 = 1_700_000_000_000_000


def _table(rng: np.random.Generator, n: int) -> pa.Table:
    def some(values: np.ndarray) -> pa.Array:
        return pa.array(values, mask=rng.random(n) < 0.4)

    return OBSERVATIONS.build(
        {
            "obs_id": rng.permutation(n) + 1,
            "observed_at": (T0 + rng.integers(0, n // 3, n) * 1_000_000).astype("datetime64[us]"),
            "source": np.where(rng.random(n) < 0.5, "a", "b"),
            "sensor": np.where(rng.random(n) < 0.5, "ais", "radar"),
            "lat_deg": rng.uniform(-89, 89, n),
            "lon_deg": rng.uniform(-180, 180, n),
            "cov_ee_m2": rng.uniform(1, 100, n),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": rng.uniform(1, 100, n),
            "sog_mps": some(rng.uniform(0, 20, n)),
            "cog_deg": some(rng.uniform(0, 360, n)),
            "heading_deg": some(rng.uniform(0, 359, n)),
            "mmsi": some(rng.integers(1, 999, n)),
            "nav_status": some(rng.integers(0, 15, n)),
            "scan": some(rng.integers(0, 9, n)),
            "exercise": some(rng.random(n) < 0.5),
        }
    )


def _cleaned(table: pa.Table) -> np.ndarray:
    return clean(table, T0 + 10**12, None, Sources(["a", "b"]), Seen(1 << 16), TrackerConfig())[0]


@pytest.mark.parametrize("first", [0, 1, 5, 13])
def test_a_slice_says_what_its_rows_say(rng: np.random.Generator, first: int) -> None:
    """Bits of validity begin anywhere in a byte, and rows come in any order."""
    table = _table(rng, 60).slice(first, 30)
    obs = _cleaned(table)
    order = np.lexsort((table["obs_id"].to_numpy(), table["observed_at"].cast(pa.int64()).to_numpy()))
    rows = table.take(pa.array(order)).to_pylist()
    assert obs["obs_id"].tolist() == [r["obs_id"] for r in rows]
    for o, r in zip(obs, rows, strict=True):
        assert o["z"][:2] == pytest.approx([r["lat_deg"], r["lon_deg"]], abs=0)
        assert o["mmsi"] == (r["mmsi"] or 0)
        assert o["scan"] == (-1 if r["scan"] is None else r["scan"])
        assert o["nav"] == (-1 if r["nav_status"] is None else r["nav_status"])
        assert o["exercise"] == (1 if r["exercise"] else 0)
        assert o["source"] == "ab".index(r["source"])
        assert np.isnan(o["heading"]) if r["heading_deg"] is None else o["heading"] == r["heading_deg"]
        moves = r["sog_mps"] is not None and (r["cog_deg"] is not None or r["sog_mps"] < 0.3)
        assert (o["z"][7] > 0.0) == moves


def test_a_table_with_less_memory_than_rows_is_refused_before_a_kernel_follows_it(rng: np.random.Generator) -> None:
    """A stream whose head says more rows than its body holds."""
    table, sink = _table(rng, 4321), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    told = sink.getvalue().to_pybytes().replace(struct.pack("<q", 4321), struct.pack("<q", 87_654))
    damaged = pa.ipc.open_stream(told).read_all()
    assert damaged.num_rows == 87_654
    with pytest.raises(InputError, match="damaged"):
        _cleaned(damaged)


def test_a_label_beyond_its_dictionary_is_no_label(rng: np.random.Generator) -> None:
    table = _table(rng, 30)
    words = table["source"].combine_chunks()
    indices = pa.array([99, -7, *([0] * 28)], pa.int32())
    beyond = pa.DictionaryArray.from_arrays(indices, words.dictionary, safe=False)
    at = table.schema.get_field_index("source")
    table = table.set_column(at, table.schema.field(at), beyond)
    obs = _cleaned(table)
    assert set(obs["source"].tolist()) <= set(range(SOURCES_MAX + 1))


def test_a_table_of_several_chunks_is_one_table(rng: np.random.Generator) -> None:
    table = _table(rng, 40)
    apart = concat(OBSERVATIONS, [table.slice(0, 11), table.slice(11)])
    cut = pa.concat_tables([table.slice(0, 11), table.slice(11)])
    assert cut["lat_deg"].num_chunks == 2
    assert _cleaned(cut).tobytes() == _cleaned(table).tobytes() == _cleaned(apart).tobytes()


def test_identities_are_remembered_while_their_memory_grows(rng: np.random.Generator) -> None:
    ids = rng.integers(1, 40_000, 60_000)
    seen, said = Seen(1 << 20), []
    for part in np.array_split(ids, 37):
        said.extend(seen.admit(part).tolist())
    first = np.zeros(len(ids), np.bool_)
    first[np.unique(ids, return_index=True)[1]] = True
    assert said == first.tolist()
    assert seen.places > SEEN_FIRST


def test_a_set_that_grows_knows_what_has_not_gone_over_yet() -> None:
    """Repeats all the way from the smaller set to the larger one, of identities that share slots too."""
    seen, ids = Seen(1 << 20), np.arange(1, 30_000) << 14
    for a in range(0, len(ids), 50):
        assert seen.admit(ids[a : a + 50]).all()
        assert not seen.admit(ids[max(a - 2500, 0) : a + 50 : 7]).any()
    assert int(seen.count[0]) == len(ids)
    assert not seen.admit(ids).any()
    old, new = seen.members()
    assert len(old) == 0
    assert sorted(new.tolist()) == ids.tolist()


def test_an_older_generation_of_identities_is_forgotten_whole() -> None:
    seen = Seen(1 << 12)
    assert seen.admit(np.arange(1, 20_001)).all()
    assert not seen.admit(np.arange(19_900, 20_001)).any()
    assert seen.admit(np.arange(1, 101)).all()


@pytest.mark.parametrize("told", [0, 900, 2049, 2500, 4500])
def test_identities_taken_back_from_a_checkpoint_are_known_for_as_long(told: int) -> None:
    """Whatever generation it was in: the next ones forget at the same report."""
    seen, again = Seen(1 << 12), Seen(1 << 12)
    seen.admit(np.arange(1, told + 1))
    again.restore(*seen.members(), seen.count.copy())
    for first in range(1, 9000, 450):
        ids = np.concatenate([np.arange(first, first + 450), np.arange(max(first - 2500, 1), first)])
        assert again.admit(ids).tolist() == seen.admit(ids).tolist()
    assert again.count[:2].tolist() == seen.count[:2].tolist()
