"""A Merkle tree kept as tiles of 256 hashes, of which only the right edge is in memory.

What enters: leaf hashes in order. What leaves: roots, inclusion and consistency proofs, tile files. Format: C2SP
tlog-tiles (tile/<level>/<index>, partial tiles .p/<width>, entries in tile/entries).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

from kuroshio.errors import VerificationError
from kuroshio.schema.merkle import HASH_BYTES, empty_root, node_hash

WIDTH = 256
HEIGHT = 8
CACHED_TILES = 256
TileReader = Callable[[int, int, int], bytes]  # (level, index, width) -> hashes


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Path of a tile: groups of three digits, all but the last with an x (C2SP tlog-tiles)."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    path = f"tile/{level}/{'/'.join(reversed(groups))}"
    return path if width == WIDTH else f"{path}.p/{width}"


def entry_tile(commitments: Sequence[bytes]) -> bytes:
    """Entry tile: each entry under its length in 16 bits (C2SP tlog-tiles)."""
    return b"".join(len(c).to_bytes(2, "big") + c for c in commitments)


class Tree:
    """Right edge of the tree and a reader for the tiles behind it.

    Parameters
    ----------
    read
        Gives the hashes of a full tile that is no longer in memory.
    write
        Called with (level, index, hashes) when a tile is full.
    """

    def __init__(self, read: TileReader, write: Callable[[int, int, bytes], None]) -> None:
        self.size = 0
        self._read, self._write = read, write
        self._edge: list[list[bytes]] = [[]]
        self._cache: OrderedDict[tuple[int, int], list[list[bytes]]] = OrderedDict()
        self._edge_roots: dict[tuple[int, int, int], bytes] = {}  # of full subtrees at the right edge: they stay

    def append(self, leaf_hashes: Sequence[bytes]) -> None:
        """Add leaf hashes."""
        at = 0
        while at < len(leaf_hashes):
            room = WIDTH - len(self._edge[0])
            part = leaf_hashes[at : at + room]
            self._edge[0].extend(part)
            self.size += len(part)
            at += len(part)
            if len(self._edge[0]) == WIDTH:
                self._roll(0)

    def _roll(self, level: int) -> None:
        full = self._edge[level]
        index = (self.size >> (HEIGHT * (level + 1))) - 1
        self._write(level, index, b"".join(full))
        if level + 1 == len(self._edge):
            self._edge.append([])
        self._edge[level + 1].append(_top(full))
        self._edge[level] = []
        self._edge_roots.clear()
        if len(self._edge[level + 1]) == WIDTH:
            self._roll(level + 1)

    def restore(self, level: int, hashes: Sequence[bytes]) -> None:
        """Put the right edge of a level in place when a log is opened; `size` is set by the caller."""
        while len(self._edge) <= level:
            self._edge.append([])
        self._edge_roots.clear()
        self._edge[level] = list(hashes)

    def restore_above(self, count: int, *, level: int) -> None:
        """Put the right edges from a level up in place, from the tiles of ``count`` full subtrees of that level."""
        self.size = count << (HEIGHT * level)
        while count:
            full, rest = divmod(count, WIDTH)
            first = full * WIDTH
            self.restore(level, [self._tile(level - 1, first + i)[HEIGHT][0] for i in range(rest)])
            count, level = full, level + 1

    def partial(self, level: int) -> list[bytes]:
        """Hashes of the tile at the right edge of a level."""
        return list(self._edge[level]) if level < len(self._edge) else []

    def levels(self) -> int:
        """Number of levels that hold hashes."""
        return len(self._edge)

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` leaves; of all when None."""
        return self._range(0, self.size if size is None else self._checked(size))

    def _checked(self, size: int) -> int:
        if not 0 <= size <= self.size:
            raise VerificationError(f"the log has {self.size} leaves, not {size}", code="record.size")
        return size

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Proof that a leaf is in the tree of that size.

        Raises
        ------
        VerificationError
            When the leaf is not in it.
        """
        size = self.size if size is None else self._checked(size)
        if not 0 <= index < size:
            raise VerificationError(f"leaf {index} is not in a log of {size}", code="record.index")
        proof: list[bytes] = []
        low, high = 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low = middle
        return proof[::-1]

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the tree of the new size extends that of the old."""
        new = self.size if new is None else self._checked(new)
        if not 0 <= old <= new:
            raise VerificationError(f"no proof from {old} to {new}", code="record.size")
        if old in (0, new):
            return []
        proof: list[bytes] = []
        low, high, whole = 0, new, True
        while old != high:
            middle = low + _split(high - low)
            if old <= middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low, whole = middle, False
        if not whole:
            proof.append(self._range(low, high))
        return proof[::-1]

    def _range(self, low: int, high: int) -> bytes:
        """Root of the leaves [low, high), where low is a multiple of the subtree's size."""
        if high == low:
            return empty_root()
        pieces: list[bytes] = []
        while low < high:  # full subtrees from left to right
            height = (high - low).bit_length() - 1
            pieces.append(self._subtree(low, height))
            low += 1 << height
        node = pieces.pop()
        while pieces:
            node = node_hash(pieces.pop(), node)
        return node

    def _subtree(self, low: int, height: int) -> bytes:
        """Root of the full subtree of 2^height leaves from ``low``."""
        level, inner = divmod(height, HEIGHT)
        position = low >> height
        tile_index, offset = divmod(position << inner, WIDTH)
        edge_index = (self.size >> (HEIGHT * level)) // WIDTH
        if tile_index == edge_index and level < len(self._edge):
            key = (level, offset, inner)
            known = self._edge_roots.get(key)
            if known is None:
                known = self._edge_roots[key] = _top(self._edge[level][offset : offset + (1 << inner)])
            return known
        return self._tile(level, tile_index)[inner][offset >> inner]

    def _tile(self, level: int, index: int) -> list[list[bytes]]:
        key = (level, index)
        known = self._cache.get(key)
        if known is None:
            data = self._read(level, index, WIDTH)
            if len(data) != WIDTH * HASH_BYTES:
                raise VerificationError(
                    f"tile {level}/{index} has {len(data)} bytes, not {WIDTH * HASH_BYTES}", code="record.tile"
                )
            rows = [[data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]]
            while len(rows[-1]) > 1:
                below = rows[-1]
                rows.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below), 2)])
            known = self._cache[key] = rows
            if len(self._cache) > CACHED_TILES:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(key)
        return known


def _split(size: int) -> int:
    """Largest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)


def _top(hashes: Sequence[bytes]) -> bytes:
    """Root of a power of two of hashes."""
    level, sha = list(hashes), hashlib.sha256
    while len(level) > 1:
        level = [sha(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    return level[0]
