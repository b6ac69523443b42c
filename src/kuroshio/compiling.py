"""What every room with kernels needs of the compiler: a cache that is not stale, and a first start on both cores.

What enters: folders of source, code for another process. What leaves: nothing. The compiler's cache knows when a
function's own file changed, not when a file it calls into did; so a room empties the cache beside it when any source
its kernels are made of differs from the last time. Compiling is Python's work and holds the interpreter's lock, so
threads would not help and half of it is done in a process.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numba.core import event

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


class _FirstCompile(event.Listener):
    """Calls back once, when a kernel begins to be compiled, not loaded."""

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun: Callable[[], None] | None = begun

    def on_start(self, event: Any) -> None:
        """A compilation begins."""
        if self._begun is not None:
            begun, self._begun = self._begun, None
            begun()

    def on_end(self, event: Any) -> None:
        """A compilation ended."""


@contextlib.contextmanager
def other_half(code: str, told: Callable[[], None] | None = None) -> Iterator[Callable[[], None]]:
    """Run Python code in a process beside this one as soon as something must be compiled; gives what waits for its end.

    Where that process fails, what it should have compiled is compiled here at its first use.

    Parameters
    ----------
    code
        Compiles the other half; what it compiles is found in the cache afterwards.
    told
        Called when there is something to compile.
    """
    started: list[subprocess.Popen[bytes]] = []

    def begun() -> None:
        if told is not None:
            told()
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen([sys.executable, "-c", code], stdout=quiet, stderr=quiet))  # noqa: S603

    def wait() -> None:
        for process in started:
            process.wait()

    with event.install_listener("numba:compile", _FirstCompile(begun)):
        yield wait
