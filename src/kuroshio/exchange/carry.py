"""Releases as files: the same bundles on a stick or through a diode.

What enters: bundles. What leaves: one file of length-prefixed bundles with a header line, readable from its start, and
the same bundles again. Every bundle proves itself; the file is only their carrier.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from kuroshio.errors import VerificationError
from kuroshio.schema.release import MAX_BUNDLE

HEAD = b"KUROSHIO-BUNDLES-1\n"
_LENGTH = struct.Struct(">I")


def write_bundles(file: BinaryIO, bundles: Iterable[bytes]) -> int:
    """Number of bundles written."""
    file.write(HEAD)
    count = 0
    for bundle in bundles:
        file.write(_LENGTH.pack(len(bundle)) + bundle)
        count += 1
    return count


def read_bundles(file: BinaryIO) -> Iterator[bytes]:
    """Bundles of a file in order.

    Raises
    ------
    VerificationError
        ``exchange.carrier`` when it is not such a file, or ends within a bundle (those before it were given out).
    """
    if file.read(len(HEAD)) != HEAD:
        raise VerificationError("not a file of bundles", code="exchange.carrier")
    while head := file.read(_LENGTH.size):
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else -1
        if not 0 < length <= MAX_BUNDLE:
            raise VerificationError(f"a bundle of {length} bytes", code="exchange.carrier")
        bundle = file.read(length)
        if len(bundle) != length:
            raise VerificationError("the file ends within a bundle", code="exchange.carrier")
        yield bundle
