"""Bytes through a decoder in pieces, as a link would hand them on: what tests and fuzzing of every format begin with.

What enters: a decoder and the bytes of one source. What leaves: one `Decoded` of the whole, its ledger exact.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from kuroshio.sensing.base import Decoded, SourceDecoder
from kuroshio.sensing.formats import open_decoder

NOW_US = 1_780_000_000_000_000


def in_pieces(
    decoder: SourceDecoder, data: bytes, cuts: Iterable[int] = (), received_at_us: int | None = None
) -> Decoded:
    """What a decoder makes of the bytes, read up to each of the cuts in turn and ended.

    Raises AssertionError where the ledger does not account for every line, or counts fewer than none as waiting.
    """
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [decoder.feed(data[a:b], received_at_us) for a, b in itertools.pairwise(borders)]
    for part in parts:
        assert part.ledger.waiting >= 0, "ledger: waiting below zero"
    whole = Decoded.join([*parts, decoder.flush()])
    assert whole.ledger.lines == whole.ledger.accounted, f"ledger: {whole.ledger}"
    return whole


def in_steps(
    decoder: SourceDecoder, data: bytes, step: int | None = None, received_at_us: int | None = None
) -> Decoded:
    """The same in reads of `step` bytes; None is one read."""
    return in_pieces(decoder, data, range(step, len(data), step) if step else (), received_at_us)


def run(name: str, data: bytes, step: int | None = None, **options: Any) -> Decoded:
    """What the decoder of a format makes of bytes that arrive at `NOW_US`."""
    return in_steps(open_decoder(name, "s", options), data, step, NOW_US)


def lines(*objects: Any) -> bytes:
    """Lines of JSON."""
    return b"".join(json.dumps(o).encode() + b"\n" for o in objects)


def one(out: Decoded, table: str = "positions") -> dict[str, Any]:
    """The only row of a table."""
    rows: list[dict[str, Any]] = out.table(table).to_pylist()
    assert len(rows) == 1
    return rows[0]
