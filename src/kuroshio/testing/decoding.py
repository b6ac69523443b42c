"""Bytes through a decoder in pieces, as a link would hand them on: what tests and fuzzing of every format begin with.

What enters: a decoder and the bytes of one source. What leaves: one `Decoded` of the whole, its ledger exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from kuroshio.sensing.base import Decoded, SourceDecoder


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
