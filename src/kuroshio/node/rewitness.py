"""Requests of a person that a partner's record may begin again here, as files beside a running node.

What enters: a party, who decides and why. What leaves: requests, until the node has carried them out. Without this a
partner that came back from an old copy would be refused for ever, or be let in without a trace.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from kuroshio.errors import InputError, StoreError
from kuroshio.store import disk

log = logging.getLogger(__name__)

FOLDER = "rewitness"
TEXT_MAX = 500
_PARTY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Request:
    """One request."""

    party: str
    by: str
    reason: str
    path: Path

    def done(self) -> None:
        """Forget the request."""
        self.path.unlink(missing_ok=True)


class Requests:
    """Requests in a node's data folder."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER

    def ask(self, party: str, *, by: str, reason: str, at_us: int) -> Path:
        """File of a request.

        Raises
        ------
        InputError
            When the party is no code, or name and reason are empty or too long.
        """
        if not _PARTY.fullmatch(party):
            raise InputError(f"{party!r} is not a party code", code="record.party", advice="Three capital letters.")
        if not (0 < len(by.strip()) <= TEXT_MAX and 0 < len(reason.strip()) <= TEXT_MAX):
            raise InputError("who decides, and why?", code="record.rewitness", advice="Say it in --by and --reason.")
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{party}.json"
        text = json.dumps({"party": party, "by": by, "reason": reason, "at_us": at_us})
        disk.write_durably(path, lambda to: disk.write_text(to, text))
        return path

    def take(self) -> list[Request]:
        """Requests not carried out yet; a file that is none is set aside."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                value = json.loads(path.read_text())
                found.append(Request(str(value["party"]), str(value["by"]), str(value["reason"])[:TEXT_MAX], path))
            except (OSError, ValueError, KeyError, TypeError) as err:
                log.error("%s is no request: %s", path, err)
                try:
                    path.rename(path.with_suffix(".bad"))
                except OSError as failed:
                    raise StoreError(f"{path}: {failed}", code="node.rewitness") from failed
        return found
