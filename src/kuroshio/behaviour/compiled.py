"""How the kernels of this room are compiled: as those of `geo`, with a cache that is dropped when either changes."""

from __future__ import annotations

from pathlib import Path

from kuroshio.compiling import drop_stale_cache
from kuroshio.geo.compiled import GEO, apart, inner, kernel, within

__all__ = ["apart", "inner", "kernel", "within"]

_ROOM = Path(__file__).parent
drop_stale_cache(_ROOM, *sorted(_ROOM.glob("*.py")), *sorted(GEO.glob("*.py")))
