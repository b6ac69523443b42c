"""How kernels of geometry and behaviour are compiled.

What leaves: three decorators of Numba. `kernel` may be called from Python; `inner` is called from kernels only, which
spares the compiler its wrapper; `within` is for small functions, which become part of their caller. All are cached on
disk, run without the interpreter's lock, and without Numba's counting of references, which costs two locked
instructions for each array of each call. So a kernel allocates nothing: room to work in is an argument. Numbers reach
an inner function as variables, not as literals: Numba compiles it anew for each literal.

The compiler's cache knows when a function's own file changed, not when a file it calls into did; so when any source a
kernel is made of differs from the last time, `drop_stale_cache` empties the cache beside them.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from numba import njit

_STAMP = "kernels.sha256"


def drop_stale_cache(room: Path, *sources: Path) -> None:
    """Empty the cache of a folder's kernels unless it was made of these files as they are."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    stamp = room / "__pycache__" / _STAMP
    now = digest.hexdigest()
    with contextlib.suppress(OSError):  # a read-only installation keeps no cache here, or was compiled as it is
        if stamp.is_file() and stamp.read_text() == now:
            return
        for old in stamp.parent.glob("*.nb[ci]"):
            old.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(now)


GEO = Path(__file__).parent
drop_stale_cache(GEO, *sorted(GEO.glob("*.py")))

_BASE: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False}
_INNER: dict[str, Any] = {**_BASE, "no_cpython_wrapper": True}
kernel: Any = njit(**_BASE)
inner: Any = njit(**_INNER)
within: Any = njit(**_INNER, forceinline=True)
