"""How kernels of geometry and behaviour are compiled.

What leaves: four decorators of Numba. `kernel` may be called from Python; `inner` is called from kernels only, which
spares the compiler its wrapper; `within` is for small functions, which become part of their caller. All are cached on
disk, run without the interpreter's lock, and without Numba's counting of references, which costs two locked
instructions for each array of each call. So a kernel allocates nothing: room to work in is an argument. Numbers reach
an inner function as variables, not as literals: Numba compiles it anew for each literal. `apart` counts all the same:
loops over a whole array that melt into one function with others are a third slower (contains_many, 7.0 and 5.0 ns).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numba import njit

from kuroshio.compiling import drop_stale_cache

GEO = Path(__file__).parent
drop_stale_cache(GEO, *sorted(GEO.glob("*.py")))

_BASE: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False}
_INNER: dict[str, Any] = {**_BASE, "no_cpython_wrapper": True}
kernel: Any = njit(**_BASE)
inner: Any = njit(**_INNER)
apart: Any = njit(**{**_BASE, "_nrt": True})
within: Any = njit(**_INNER, forceinline=True)
