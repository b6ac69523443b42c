"""Files of bundles at a running node: those that reach it from a stick or out of a diode, and its own that arrived.

What enters: files put whole into ``inbox`` of the data folder. What leaves: each bundle, held to the key of the party
it names before anything else is made of it, then taken as from that party's link; and what became of the file, beside
it. The other way a person says that a file of this node arrived: what is in it waits no more. The files are removed:
what they hold is kept under its terms, and nowhere else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from kuroshio.errors import StoreError
from kuroshio.exchange.carry import Accept, Carrier, Gone, Taken
from kuroshio.schema.signing import KeyRing
from kuroshio.store import disk

log = logging.getLogger(__name__)

FOLDER, ENDING, ARRIVED, ANSWER, BROKEN = "inbox", ".bundles", ".arrived", ".json", ".broken"
SEEN = "carried.json"
A_LOOK = 32  # bundles taken a turn: the node goes on meanwhile


class Inbox:
    """Files for one node; used from the worker thread.

    Parameters
    ----------
    data
        Data folder of the node.
    me, keys, accept, gone
        As a `Carrier` has them.
    """

    def __init__(self, data: Path, me: str, *, keys: Callable[[], KeyRing], accept: Accept, gone: Gone) -> None:
        self._folder = data / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._open: tuple[Path, Iterator[None], Taken] | None = None
        self._now_us = 0
        self._seen_file = data / SEEN
        self._carrier = Carrier(me, keys=keys, accept=accept, gone=gone, seen=_ids(self._seen_file))

    def look(self, now_us: int) -> None:
        """Take some bundles of the oldest file, if there is one."""
        self._now_us = now_us
        if self._open is None:
            waiting = sorted(
                (path for path in self._folder.iterdir() if path.suffix in (ENDING, ARRIVED)),
                key=lambda path: (path.stat().st_mtime_ns, path.name),
            )
            if not waiting:
                return
            taken = Taken()
            self._open = waiting[0], self._work(waiting[0], taken), taken
        path, work, taken = self._open
        try:
            for _ in range(A_LOOK):
                next(work)
        except StopIteration:
            self._open = None
            self._answer(path, taken)
        except StoreError as err:  # what cannot be kept now is tried again with the next turn, from the beginning
            self._open = None
            log.error("%s is not taken now: %s", path.name, err)
        except Exception as err:  # a fault of the program stops the node, but not at each start again
            taken.error = f"the node stopped at it; it is set aside as {path.with_suffix(BROKEN).name}: {err!r}"
            path.rename(path.with_suffix(BROKEN))
            self._tell(path, taken)
            raise

    def _work(self, path: Path, taken: Taken) -> Iterator[None]:
        try:
            with path.open("rb") as file:
                yield from self._carrier.work(file, taken, lambda: self._now_us, arrived=path.suffix == ARRIVED)
        except OSError as err:
            taken.error = err.strerror or str(err)

    def _answer(self, path: Path, taken: Taken) -> None:
        seen = json.dumps(self._carrier.seen())
        disk.write_durably(self._seen_file, lambda to: disk.write_text(to, seen))
        self._tell(path, taken)
        disk.remove([path])

    def _tell(self, path: Path, taken: Taken) -> None:
        log.info("%s: %s", path.name, asdict(taken))
        text = json.dumps(asdict(taken), ensure_ascii=False)
        disk.write_durably(path.with_suffix(ANSWER), lambda to: disk.write_text(to, text))


def _ids(path: Path) -> list[str]:
    try:
        return [str(release_id) for release_id in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as err:
        log.error("%s cannot be read: what a file brings again is looked at again: %s", path, err)
        return []


def put(data: Path, name: str, content: bytes, *, ending: str = ENDING) -> Path:
    """Put a file of bundles into the inbox of a node, whole; where its answer will be.

    Parameters
    ----------
    ending
        `ENDING` for what came, `ARRIVED` for what this node wrote and its partner has by now.

    Raises
    ------
    StoreError
        When it cannot be written.
    """
    path = data / FOLDER / f"{name}{ending}"

    def write(to: Path) -> None:
        to.write_bytes(content)

    disk.write_durably(path, write)
    return path.with_suffix(ANSWER)
