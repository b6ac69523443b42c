"""Agreements of a running node as their files are now, and which version of them each partner works by.

What enters: the files, read again when they change; what partners say of their versions. What leaves: the book that
decides, and statements of our versions for partners. Fails closed: files with a fault, or that rewrite what they said
before, are not taken and the book stays as it was; where a party of an agreement works by a later version than ours,
we do not know who its parties are now, and nothing goes under it by itself until that version is here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kuroshio import accord
from kuroshio.accord.book import files_of
from kuroshio.accord.signing import verify_append
from kuroshio.errors import AccordError, KuroshioError, StoreError, VerificationError
from kuroshio.store import disk
from kuroshio.units import UtcMicros

log = logging.getLogger(__name__)

LOOK_EVERY_US = 2_000_000


class Agreements:
    """The book in force, and versions of it here and elsewhere.

    Parameters
    ----------
    party
        This node.
    paths
        Agreement files and folders.
    memory
        JSON file of what was told and heard; made when there is something to keep.

    Attributes
    ----------
    fault
        Why the files as they are now are not taken; empty when they are.
    counters
        reloads, not_taken, statements_ignored.

    Raises
    ------
    AccordError
        When the files have a fault at the start.
    StoreError
        When the memory is there and cannot be read: without it an older version would be taken for the newest.
    """

    def __init__(self, party: str, paths: Sequence[Path], memory: Path) -> None:
        self.party = party
        self.fault = ""
        self.counters = dict.fromkeys(("reloads", "not_taken", "statements_ignored"), 0)
        self._paths, self._path = tuple(paths), memory
        self._seen = self._stamp()
        self._files = accord.load(self._paths)
        self._versions = self._read()
        self._versions.tell_again()  # the outbound log may be an older copy than this memory, and no partner knows
        self._kept = ""
        self._look_due_us = 0
        self.book = self._files
        self._outdate()

    def _read(self) -> accord.Versions:
        try:
            return accord.Versions.from_dict(self.party, json.loads(self._path.read_text()))
        except FileNotFoundError:
            return accord.Versions(self.party)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            advice = "Bring it back from a copy: it remembers which versions partners work by."
            raise StoreError(f"{self._path}: {err}", code="node.agreements", advice=advice) from err

    def _keep(self) -> None:
        text = json.dumps(self._versions.as_dict(), sort_keys=True)
        if text != self._kept:
            disk.write_durably(self._path, lambda path: disk.write_text(path, text))
            self._kept = text

    # -- the files

    def _stamp(self) -> tuple[tuple[str, int, int, int], ...]:
        """Names, times, sizes and inodes of the files."""
        found = []
        try:
            for file in files_of(self._paths):
                about = file.stat()
                found.append((str(file), about.st_mtime_ns, about.st_size, about.st_ino))
        except (AccordError, OSError) as err:  # `load` says it again, and that is the fault shown
            found.append((str(err), 0, 0, 0))
        return tuple(found)

    def look(self, now_us: UtcMicros) -> bool:
        """Take the files up when they changed; True when another book decides from now on."""
        if now_us < self._look_due_us <= now_us + LOOK_EVERY_US:  # not longer, though the clock was set back
            return False
        self._look_due_us = now_us + LOOK_EVERY_US
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp  # a fault is said once, and the files are read again when they change again
        try:
            files = accord.load(self._paths)
            for accord_id in self._files.content.accords:
                if accord_id not in files.content.accords:
                    raise VerificationError(
                        f"{accord_id} is gone: an agreement ends by its status, for its ties go on",
                        code="accord.history_rewritten",
                    )
                verify_append(self._files, files, accord_id)
        except KuroshioError as err:
            self.counters["not_taken"] += 1
            self.fault = err.message
            log.error("the agreements as they are now are not taken: %s", err)
            return False
        before = self.book.rules_digest
        self._files, self.fault = files, ""
        self._outdate()
        self.counters["reloads"] += 1
        log.info("agreements read again: %s", self.book.rules_digest)
        return self.book.rules_digest != before

    # -- versions

    def _outdate(self) -> None:
        """Hold back what a party has a later version of."""
        later = {row["accord"] for row in self.later()}
        self.book = self._files.with_outdated(later) if later else self._files

    def later(self) -> list[dict[str, Any]]:
        """Agreements of which a party works by a later version than ours: accord, party, both versions."""
        return self._versions.later(self._files.content.accords)

    def heard(self, party: str, body: Mapping[str, Any]) -> None:
        """Heed a partner's statement of its versions; the newest it ever said of an agreement counts."""
        self.counters["statements_ignored"] += self._versions.heed(party, body, self._files.content.accords)
        self._keep()
        self._outdate()

    def owed(self, party: str, now_us: UtcMicros) -> dict[str, Any] | None:
        """Statement of our versions not told to a partner yet: of agreements it is in, or was by our last word."""
        return self._versions.owed(party, self._files.content.accords, now_us)

    def was_told(self, party: str, body: Mapping[str, Any]) -> None:
        """A statement is in the partner's outbound log."""
        self._versions.was_told(party, body)
        self._keep()

    def tell_again(self, party: str | None = None) -> None:
        """Owe the statements to a partner, or to all, once more: those on their way may never arrive."""
        self._versions.tell_again(party)
        self._keep()
