"""AIS logs as files: plain, gzip or zstandard, or standard input, decoded in constant memory.

What enters: a path. What leaves: `Decoded` tables in order, one a block of the file; their ledgers sum to the file's.
"""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from kuroshio.errors import InputError
from kuroshio.sensing.ais.decoder import Decoder
from kuroshio.sensing.base import Decoded

BLOCK = 2 << 20  # bytes read at a time


Told = Callable[[int], None]


class _ToldFile(io.FileIO):
    """A file that tells how many bytes each read took from the disk."""

    def __init__(self, name: str, told: Told | None) -> None:
        super().__init__(name, "rb")
        self._told = told

    def readinto(self, buffer: Any, /) -> int | None:
        """Read, and tell."""
        size = super().readinto(buffer)
        if size and self._told is not None:
            self._told(size)
        return size


@contextmanager
def open_bytes(path: str | Path, told: Told | None = None) -> Iterator[IO[bytes]]:
    """Byte stream of a file by its name: .gz and .zst are unpacked, ``-`` is standard input.

    Parameters
    ----------
    path
        Name of the file.
    told
        Called with the number of bytes of each read of the file as it lies on the disk.

    Raises
    ------
    InputError
        When the file cannot be opened.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    name = str(path)
    try:
        plain = io.BufferedReader(_ToldFile(name, told), 1 << 17)
        stream: Any = plain
        if name.endswith(".zst"):
            stream = pa.CompressedInputStream(pa.PythonFile(plain, mode="r"), "zstd")
        elif name.endswith(".gz"):
            stream = gzip.GzipFile(fileobj=plain)
    except OSError as err:
        raise InputError(f"cannot open {name}: {err.strerror or err}", code="input.open") from err
    try:
        yield stream
    finally:
        stream.close()
        plain.close()


def decode_file(
    path: str | Path,
    *,
    source: str | None = None,
    block_bytes: int = BLOCK,
    told: Told | None = None,
    **options: Any,
) -> Iterator[Decoded]:
    """Tables of a log, block by block; memory does not grow with the file.

    Parameters
    ----------
    path
        File, .gz or .zst file, or ``-`` for standard input.
    source
        Name written to every row; the file's name by default.
    block_bytes
        Bytes decoded at a time.
    told
        Called with the number of bytes of each read of the file as it lies on the disk.
    options
        Of `Decoder`.

    Raises
    ------
    InputError
        When the file cannot be opened, or its compression is broken (what came before is yielded first).
    """
    decoder = Decoder(source or ("stdin" if str(path) == "-" else Path(path).name), **options)
    with open_bytes(path, told) as stream:
        broken: Exception | None = None
        while broken is None:
            try:
                data = stream.read(block_bytes)
            except (OSError, EOFError, ValueError) as err:
                broken = err
                break
            if not data:
                break
            yield decoder.feed(data)
        yield decoder.flush()
        if broken is not None:
            raise InputError(f"{path}: {broken}", code="input.compression") from broken


def decode(data: bytes, *, source: str = "bytes", **options: Any) -> Decoded:
    """Tables and ledger of a whole log in memory."""
    decoder = Decoder(source, **options)
    return Decoded.join([decoder.feed(data), decoder.flush()])
