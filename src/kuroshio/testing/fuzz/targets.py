"""What is fuzzed, by name: how inputs are made, how they are changed, and what must hold on any of them.

What leaves: `TARGETS`. A check raises on what must not be, and else tells features: what the input showed, so that
one that shows something new is kept. Every format of `kuroshio.sensing.formats` is a target, and so are the node
file, the agreement files, and what partners say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from kuroshio import accord, sensing
from kuroshio.errors import ConfigError, KuroshioError
from kuroshio.node import config
from kuroshio.schema import RECEPTIONS
from kuroshio.sensing.base import Decoded, SourceDecoder
from kuroshio.sensing.dedupe import FAMILIES, Deduplicator
from kuroshio.sensing.formats import FORMATS, open_decoder
from kuroshio.sensing.formats_lines import MAX_REJECT_ROWS
from kuroshio.testing.decoding import in_pieces
from kuroshio.testing.fuzz import samples, sentences, wire
from kuroshio.testing.fuzz.mutate import Change, Rng, below, json_value

Features = set[object]
NOW_US = 1_780_000_000_000_000
FOLD = 64  # values of a column told apart as features


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    Parameters
    ----------
    check
        Raises where what must hold does not; else what the input showed.
    seeds
        Inputs to begin with.
    make
        A fresh input of the format, or None.
    repair
        The input with its checksums or lengths made right again, or None.
    """

    name: str
    check: Callable[[bytes, Rng], Features]
    seeds: Callable[[], list[bytes]]
    words: Sequence[bytes] = ()
    changes: Sequence[Change] = ()
    make: Callable[[Rng], bytes] | None = None
    repair: Callable[[bytes, Rng], bytes] | None = None


def features_of(decoded: Decoded) -> Features:
    """Tables that have rows, reasons, which columns are null, and the values of short columns."""
    found: Features = {("reason", r) for r in decoded.ledger.rejected}
    for name, table in decoded.tables.items():
        for item in table.schema:
            column = table[item.name]
            found.add((name, item.name, column.null_count > 0, column.null_count < len(column)))
            kind = item.type
            words = pa.types.is_dictionary(kind) and item.name not in ("source", "station")
            codes = (pa.types.is_uint8(kind) or item.name in ("dac", "fi", "detail")) and len(column) < FOLD
            if words or codes:
                found |= {(name, item.name, v) for v in column.unique().to_pylist()}
    return found


def plain_rows(decoded: Decoded) -> dict[str, list[dict[str, Any]]]:
    """Rows of each table that has some."""
    return {name: table.to_pylist() for name, table in decoded.tables.items() if table.num_rows}


def stream_holds(make: Callable[[], SourceDecoder], data: bytes, rng: Rng) -> Decoded:
    """The laws of every decoder: an exact ledger, valid tables, the same rows for any read borders and after a restart.

    Returns what it decoded in one piece.
    """
    whole = in_pieces(make(), data, (), NOW_US)
    assert whole.ledger.waiting == 0, "ledger: waits after the end"
    for name, table in whole.tables.items():
        table.validate(full=True)
        assert name != "rejects" or table.num_rows, "tables: an empty table of rejects"
    cuts = [below(rng, len(data) + 1) for _ in range(1 + below(rng, 6))] if rng.random() < 0.9 else range(len(data))
    same(whole, in_pieces(make(), data, cuts if len(data) < 5000 else list(cuts)[:50], NOW_US), "read borders")
    first = make()
    if hasattr(first, "state") and hasattr(first, "restore"):
        at = below(rng, len(data) + 1)
        begun = first.feed(data[:at], NOW_US)
        second: Any = make()
        second.restore(first.state())
        same(whole, Decoded.join([begun, second.feed(data[at:], NOW_US), second.flush()]), "restart")
    return whole


def same(one: Decoded, other: Decoded, law: str) -> None:
    """Raise where two results differ; rejects of one line may come in another call, and many are cut at a limit."""
    assert one.ledger == other.ledger, f"{law}: ledgers differ: {one.ledger} {other.ledger}"
    ours, theirs = plain_rows(one), plain_rows(other)
    assert ours.keys() == theirs.keys(), f"{law}: tables differ"
    for name in ours:
        if name == "rejects" and len(ours[name]) < MAX_REJECT_ROWS:
            assert sorted(ours[name], key=_place) == sorted(theirs[name], key=_place), f"{law}: {name} differ"
        elif name != "rejects":
            assert ours[name] == theirs[name], f"{law}: {name} differ"


def _place(row: dict[str, Any]) -> tuple[int, str, str]:
    return row["line"] or 0, row["reason"], row["detail"] or ""


def _check_format(name: str, options: dict[str, Any], data: bytes, rng: Rng) -> Features:
    whole = stream_holds(lambda: open_decoder(name, "s", options), data, rng)
    sensing.observe(whole).validate(full=True)
    return features_of(whole)


def _check_ais(data: bytes, rng: Rng) -> Features:
    keep = bool(rng.random() < 0.3)
    whole = stream_holds(lambda: sensing.ais.Decoder("s", keep_bad_checksum=keep), data, rng)
    assert whole.ledger.lines == data.count(b"\n") + (not data.endswith(b"\n") and data != b""), "ledger: lines"
    sentences.engine_agrees_with_plain_form(whole)
    sentences.readers_agree(data)
    sentences.stays_within(data)
    sensing.observe(whole).validate(full=True)
    once = Deduplicator(limit=64).apply(whole)
    rows = sum(whole.table(t.name).num_rows for t in FAMILIES)
    kept = sum(once.table(t.name).num_rows for t in (*FAMILIES, RECEPTIONS))
    assert kept == rows, "deduplicate: rows"
    assert Deduplicator().apply(whole).tables.keys() >= whole.tables.keys(), "deduplicate: tables"
    return features_of(whole)


def _check_node_file(data: bytes, rng: Rng) -> Features:
    del rng
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "node.toml"
        path.write_bytes(data)
        try:
            config.load(path)
        except ConfigError as err:
            return {err.error_code, str(err).replace(folder, "")[:60]}
    return {"loads"}


def _check_agreements(data: bytes, rng: Rng) -> Features:
    del rng
    faults: Sequence[Any] | None = None
    try:
        accord.parse({"fuzz.yaml": data.decode("utf-8", "replace")})
    except accord.AccordFileError as err:
        faults = err.faults
    except KuroshioError as err:
        return {err.error_code}
    if faults is None:
        return {"parses"}
    assert faults, "faults: none"
    assert all(f.line >= 1 and f.column >= 1 for f in faults), "faults: place"
    return {f.message[:30] for f in faults}


def _format_targets() -> Iterable[Target]:
    for name in FORMATS:
        if name == "aivdm":
            continue
        options = samples.OPTIONS.get(name, {})
        yield Target(
            name, partial(_check_format, name, options), partial(samples.seeds_of, name),
            words=samples.words_of(name), changes=(json_value,) if name in samples.JSON_FORMATS else (),
            make=samples.MAKERS.get(name), repair=samples.REPAIRS.get(name),
        )  # fmt: skip


_ALL = (
    Target("aivdm", _check_ais, sentences.seeds, sentences.WORDS, sentences.CHANGES, sentences.make, sentences.repair),
    *_format_targets(),
    Target("node_file", _check_node_file, samples.node_files, samples.NODE_WORDS),
    Target("agreements", _check_agreements, samples.agreement_files, samples.AGREEMENT_WORDS),
    Target("bundles", wire.check_bundles, wire.bundle_files),
    Target("frames", wire.check_frames, wire.conversations, changes=(wire.changed_frame,)),
    Target("checkpoint", wire.check_checkpoint, wire.checkpoints),
    Target("receipt", wire.check_receipt, wire.receipts, changes=(json_value,)),
    Target("cose", wire.check_cose, wire.cose_receipts),
    Target("keys", wire.check_keys, wire.key_bundles, changes=(json_value,)),
)
TARGETS: dict[str, Target] = {target.name: target for target in _ALL}
