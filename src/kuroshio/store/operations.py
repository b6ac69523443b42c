"""The operations store: all small, precious books of a node in one database."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from kuroshio import clock
from kuroshio.store.consents import Consents
from kuroshio.store.engine import Engine, Write
from kuroshio.store.entries import Entries
from kuroshio.store.ledgers import Ledgers
from kuroshio.store.people import People
from kuroshio.store.rules import RuleBooks
from kuroshio.units import UtcMicros

T = TypeVar("T")


class Operations(People, Ledgers, Consents, Entries, RuleBooks):
    """Users, alerts, rules, verdicts, consents, ledger entries, actions, audit log and checkpoints.

    Every method may be called from any thread. A write returns when it is on disk (synchronous=FULL); many
    threads that write at once share one commit.

    Parameters
    ----------
    url
        ``sqlite:///FOLDER/operations.db`` (WAL) or ``postgresql+psycopg://USER@HOST/NAME``.
    now_us
        Time noted when the store is made; None reads the clock.

    Raises
    ------
    StoreError
        ``store.open``, ``store.driver``, ``store.newer`` or ``store.corrupt``.
    """

    def __init__(self, url: str, *, now_us: UtcMicros | None = None) -> None:
        self._engine = Engine(url, now_us=clock.now_us() if now_us is None else now_us)

    def submit(self, write: Write[T]) -> Future[T]:
        """Hand any write to the writer and go on; the future is done when it is on disk."""
        return self._engine.submit(write)

    def counts(self) -> dict[str, int]:
        """Commits, writes, refusals and writes waiting."""
        return self._engine.counts()

    def close(self) -> None:
        """Finish what waits and let go of the file."""
        self._engine.close()

    def __enter__(self) -> Operations:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def url_of(place: str | Path) -> str:
    """URL of an operations store from a URL, a file, or a node's data folder.

    >>> url_of("postgresql+psycopg://localhost/kuroshio")
    'postgresql+psycopg://localhost/kuroshio'
    """
    text = str(place)
    if "://" in text:
        return text
    path = Path(text)
    if path.is_dir() or not path.suffix:
        path = path / "operations.db"
    return f"sqlite:///{path}"
