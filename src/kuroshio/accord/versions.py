"""Versions of agreements here and elsewhere: a group is a version number, and a later one elsewhere stops it here.

What enters: our agreements with their versions and parties, what partners say of theirs. What leaves: the agreements
that are behind, and statements of ours for those who have not been told. It keeps nothing on a disk and reads no file;
`node.agreements` and the simulation do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kuroshio.units import UtcMicros

MAX_VERSION = 1_000_000_000  # beyond it a statement is no version and changes nothing
MAX_STATEMENT = 200  # agreements in one statement


class Versioned(Protocol):
    """An agreement as its version and its parties."""

    @property
    def version(self) -> int:
        """Number raised with each change of parties or clauses."""
        ...

    @property
    def parties(self) -> Collection[str]:
        """Who may receive under it."""
        ...


@dataclass
class Versions:
    """What was told to partners and heard from them, by party and accord.

    Parameters
    ----------
    party
        This node.
    """

    party: str
    told: dict[str, dict[str, int]] = field(default_factory=dict)
    heard: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, party: str, value: Mapping[str, Any]) -> Versions:
        """As `as_dict` gave it; raises ValueError, KeyError, TypeError or AttributeError on anything else."""
        told, heard = (
            {str(p): {str(a): int(v) for a, v in of.items()} for p, of in value[name].items()}
            for name in ("told", "heard")
        )
        return cls(party, told, heard)

    def as_dict(self) -> dict[str, Any]:
        """What must outlive the process."""
        return {"told": self.told, "heard": self.heard}

    def later(self, ours: Mapping[str, Versioned]) -> list[dict[str, Any]]:
        """Agreements of which a party works by a later version than ours: accord, party, both versions."""
        return [
            {"accord": accord_id, "party": party, "version": version, "ours": ours[accord_id].version}
            for party, versions in sorted(self.heard.items())
            for accord_id, version in sorted(versions.items())
            if accord_id in ours and party in ours[accord_id].parties and version > ours[accord_id].version
        ]

    def heed(self, party: str, body: Mapping[str, Any], ours: Mapping[str, Versioned]) -> int:
        """Heed a partner's statement; the newest it ever said of an agreement counts. How many were ignored.

        Only a party of an agreement, as it is here, is heard on it.
        """
        of, ignored = self.heard.setdefault(party, {}), 0
        for accord_id, version in zip(body["accords"], body["versions"], strict=False):
            known = ours.get(accord_id)
            if known is None or party not in known.parties or not 0 < version <= MAX_VERSION:
                ignored += 1
            elif version > of.get(accord_id, 0):
                of[accord_id] = version
        return ignored

    def owed(self, party: str, ours: Mapping[str, Versioned], now_us: UtcMicros) -> dict[str, Any] | None:
        """Statement of our versions not told to a partner yet: of agreements it is in, or was by our last word."""
        told = self.told.get(party, {})
        due = [
            (accord_id, accord.version)
            for accord_id, accord in ours.items()
            if self.party in accord.parties
            and (party in accord.parties or accord_id in told)
            and told.get(accord_id) != accord.version
        ][:MAX_STATEMENT]
        if not due:
            return None
        return {"accords": [a for a, _ in due], "versions": [v for _, v in due], "at_us": now_us}

    def was_told(self, party: str, body: Mapping[str, Any]) -> None:
        """A statement is in the partner's outbound log."""
        self.told.setdefault(party, {}).update(zip(body["accords"], body["versions"], strict=True))

    def tell_again(self, party: str | None = None) -> None:
        """Owe the statements to a partner, or to all, once more: those on their way may never arrive."""
        self.told = {p: dict.fromkeys(of, 0) if party in (None, p) else of for p, of in self.told.items()}
