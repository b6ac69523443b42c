"""How kernels are compiled: one place, so that the cost of the first start stays in sight.

What enters: functions. What leaves: compiled functions, cached on disk, without the interpreter lock and without
fast math (results must reproduce); a division by zero is infinite, never an exception. `kernel` can be called from
Python; `inner` only from other kernels, which saves its Python wrapper.
"""

from __future__ import annotations

from typing import Any

from numba import njit

kernel = njit(cache=True, nogil=True, error_model="numpy")
_INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # target options without types
inner = njit(cache=True, nogil=True, error_model="numpy", **_INNER)
