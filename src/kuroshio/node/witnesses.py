"""What this node has seen of its partners' records, and shown of its own, over restarts.

What enters: a file. What leaves: the same memory after a restart, so that a record that was cut back meanwhile is
noticed, and a checkpoint is proven from where the partner stands.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from kuroshio.errors import StoreError
from kuroshio.record import Witness
from kuroshio.store import disk

log = logging.getLogger(__name__)


class WitnessBook:
    """Witnesses of partners' records by party, and the size of the own record shown to each.

    Parameters
    ----------
    path
        JSON file; made by `keep`.

    Raises
    ------
    StoreError
        When the file is there and cannot be read: to begin anew would forget what was seen.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.witnesses: dict[str, Witness] = {}
        self.shown: dict[str, int] = {}
        self._kept = ""
        try:
            self._kept = path.read_text()
            value: dict[str, Any] = json.loads(self._kept)
            self.witnesses.update({p: Witness.from_dict(v) for p, v in value["witnesses"].items()})
            self.shown.update({str(p): int(n) for p, n in value["shown"].items()})
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            raise StoreError(
                f"{path}: {err}",
                code="node.witness",
                advice="Bring it back from a copy; it is the memory of a witness.",
            ) from err

    def keep(self) -> None:
        """Write what changed; a disk that refuses costs only that, and it is tried again."""
        value = {"witnesses": {p: w.as_dict() for p, w in sorted(self.witnesses.items())}, "shown": self.shown}
        text = json.dumps(value, sort_keys=True)
        if text == self._kept:
            return
        try:
            disk.write_durably(self._path, lambda path: disk.write_text(path, text))
            self._kept = text
        except StoreError as err:
            log.error("what was witnessed cannot be kept: %s", err)
