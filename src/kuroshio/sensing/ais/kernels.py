"""How the room's kernels are compiled, and the names their types have.

What leaves: two decorators of Numba, and scalar types. `kernel` may be called from Python; `inner` is called from
kernels only, which spares the compiler its wrapper. Both are cached on disk, run without the interpreter's lock, and
without Numba's counting of references: each call with an array paid it twice with a locked instruction, more than half
of a line's time. So a kernel allocates nothing: room to work in is an argument.
Any is what the type checker sees of compiled functions: inside them a NumPy scalar is an int.
"""

from __future__ import annotations

from typing import Any

import numba
import numba.extending
import numpy as np
import numpy.typing as npt

_njit: Any = numba.njit
kernel: Any = _njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False)
inner: Any = _njit(
    cache=True, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False
)
intrinsic: Any = numba.extending.intrinsic

i64: Any = np.int64
u64: Any = np.uint64

Bytes = npt.NDArray[np.uint8]
Raw = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
