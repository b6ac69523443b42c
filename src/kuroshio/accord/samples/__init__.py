"""Sample agreement files shipped with the node: illustrative readings, not the text of any agreement.

What enters: nothing. What leaves: paths of the YAML files in this folder. Facts in them carry their public source.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def sample_paths() -> list[Path]:
    """Sample files that make one book, sorted."""
    return sorted(FOLDER.glob("*.yaml"))


def draft_path() -> Path:
    """The information agreement under negotiation: its text is the natural draft for a dry run."""
    return FOLDER / "jpn-phl-information.yaml"
