"""Files of bundles that a running node writes, for a person to carry or for a diode.

What enters: requests put whole into ``outgoing`` of the data folder, each naming a partner. What leaves: beside the
request a file of what waits for that partner and may go by what is in force now, and how much it is. Nobody else writes
such files: the outbound log alone does not know what may go any more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from kuroshio.errors import KuroshioError
from kuroshio.exchange.carry import Gone, write_bundles
from kuroshio.schema.release import Release
from kuroshio.store import disk

log = logging.getLogger(__name__)

FOLDER, WANTED, WRITTEN, ANSWER = "outgoing", ".wanted", ".bundles", ".json"
WORD_MAX = 1_000  # bytes of a request

Waiting = Callable[[str], list[bytes]]


class FilesOut:
    """Requests for files; used from the worker thread.

    Parameters
    ----------
    data
        Data folder of the node.
    waiting
        Bundles that wait for a partner and may go now; raises for one who is no partner.
    gone
        Takes a release off the queue of a partner.
    copies
        Of partners from whom nothing ever comes back: in how many files a bundle goes before it waits no more.
    """

    def __init__(self, data: Path, *, waiting: Waiting, gone: Gone, copies: Mapping[str, int]) -> None:
        self._folder = data / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._waiting, self._gone, self._copies = waiting, gone, copies
        self._written: dict[
            str, dict[str, int]
        ] = {}  # lost with the process: then some go in more files than they must

    def look(self) -> None:
        """Write the file of one request, if there is one."""
        wanted = next(iter(sorted(self._folder.glob(f"*{WANTED}"))), None)
        if wanted is None:
            return
        told: dict[str, str | int | None] = {"bundles": 0, "error": None}
        try:
            party = str(json.loads(wanted.read_bytes()[:WORD_MAX])["to"])
            bundles = self._waiting(party)
            disk.write_durably(wanted.with_suffix(WRITTEN), lambda to: _write(to, bundles))
            told |= {"to": party, "bundles": len(bundles)}
        except KuroshioError as err:
            told["error"] = err.message
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
            told["error"] = f"not a request: {err}"
        text = json.dumps(told, ensure_ascii=False)
        disk.write_durably(wanted.with_suffix(ANSWER), lambda to: disk.write_text(to, text))
        disk.remove([wanted])
        log.info("%s: %s", wanted.name, told)
        if told["error"] is None:
            self._count(party, bundles)

    def _count(self, party: str, bundles: list[bytes]) -> None:
        if party not in self._copies:
            return
        before = self._written.get(party, {})
        ids = [Release.from_bytes(bundle).release_id for bundle in bundles]
        now = {release_id: before.get(release_id, 0) + 1 for release_id in ids}
        self._written[party] = {i: count for i, count in now.items() if count < self._copies[party]}
        for release_id in now.keys() - self._written[party].keys():
            self._gone(party, release_id)


def _write(to: Path, bundles: list[bytes]) -> None:
    with to.open("wb") as file:
        write_bundles(file, bundles)


def ask(data: Path, name: str, to: str) -> tuple[Path, Path]:
    """Ask a node for a file; where it and the answer, which comes after it, will be.

    Raises
    ------
    StoreError
        When the request cannot be written.
    """
    wanted, text = data / FOLDER / f"{name}{WANTED}", json.dumps({"to": to})
    disk.write_durably(wanted, lambda path: disk.write_text(path, text))
    return wanted.with_suffix(WRITTEN), wanted.with_suffix(ANSWER)
