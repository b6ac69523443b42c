"""The only wall clock and the only source of chance in the product.

Every other module takes ``now`` and ``seed`` as arguments; `node` and `cli` read them here. Time is an int64 of
microseconds since 1970-01-01T00:00:00Z, printed as RFC 3339 UTC.
"""

from __future__ import annotations

import datetime as dt
import time
from functools import lru_cache

import numpy as np

from kuroshio.errors import InputError
from kuroshio.units import US_PER_S, UtcMicros


def now_us() -> UtcMicros:
    """Wall-clock time of this machine in UTC microseconds."""
    return time.time_ns() // 1000


def generator(seed: int) -> np.random.Generator:
    """Random generator for one seed; the same seed gives the same stream on every machine (PCG64)."""
    return np.random.Generator(np.random.PCG64(seed))


def rfc3339(at_us: UtcMicros) -> str:
    """RFC 3339 text in UTC, with microseconds only where they are not zero.

    >>> rfc3339(0)
    '1970-01-01T00:00:00Z'
    """
    seconds, micros = divmod(int(at_us), US_PER_S)
    day, seconds = divmod(seconds, 86_400)
    base = f"{_date(day)}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{base}.{micros:06d}Z" if micros else f"{base}Z"


@lru_cache(1024)
def _date(day: int) -> str:
    """Date of a day since 1970: most texts of one evidence are of few days."""
    return dt.datetime.fromtimestamp(day * 86_400, tz=dt.UTC).date().isoformat()


def parse_rfc3339(text: str) -> UtcMicros:
    """UTC microseconds of an RFC 3339 time; a bare date is its first instant.

    Raises
    ------
    InputError
        When the text is not a time, or has no offset and is not a bare date.
    """
    try:
        if len(text) == 10:
            moment = dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), tzinfo=dt.UTC)
        else:
            moment = dt.datetime.fromisoformat(text)
    except ValueError as err:
        raise InputError(f"not an RFC 3339 time: {text!r}", code="input.time") from err
    if moment.tzinfo is None:
        raise InputError(f"time without an offset: {text!r}", code="input.time", advice="Add Z for UTC.")
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * 86_400 + delta.seconds) * US_PER_S + delta.microseconds
