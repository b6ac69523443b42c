"""Environments of the peers that benchmarks measure against, one a benchmark, kept from run to run.

Peers are no dependency of the product: they are installed on first use, beside it.
"""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

CACHE = Path(os.environ.get("KUROSHIO_BENCH_CACHE", Path.home() / ".cache" / "kuroshio-bench"))


def environment(name: str, packages: tuple[str, ...], patience_s: float) -> tuple[Path | None, str]:
    """(Python that has the packages, "") or (None, why it is not there).

    An installation that was cut off is taken up again: only a whole one has the mark.
    """
    folder = CACHE / name
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python, ""
    try:
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "-q", *packages]
        subprocess.run(command, check=True, timeout=patience_s, capture_output=True)
        (folder / "complete").touch()
    except (OSError, subprocess.SubprocessError) as err:
        return None, f"not installed: {err}"
    return python, ""
