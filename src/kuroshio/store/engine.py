"""One database, one writer: engine, group commit, checkpoints, version.

What enters: a URL, and functions that take a connection. What leaves: their results, after the commit that holds
them is on disk. All writes of a process go through one thread. It puts whatever waits into one transaction, so that
one fsync serves many callers (when one of them fails they are done again, each in a savepoint, and it fails alone),
and it alone does SQLite's checkpoints: a WAL that only one thread ever resets avoids the WAL-reset fault of SQLite
before 3.51.3. It does not know what the tables mean.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from kuroshio.errors import StoreError
from kuroshio.store import migrations

T = TypeVar("T")
Write = Callable[[sa.Connection], T]
_Waiting = tuple[Write[Any], Future[Any]]

GROUP_LIMIT = 512  # writes in one transaction
QUEUE_LIMIT = 65_536  # writes that may wait
CHECKPOINT_BYTES = 4_000_000  # size of the WAL after which the writer checkpoints


class Engine:
    """A database with a single writer thread.

    Parameters
    ----------
    url
        SQLAlchemy URL: ``sqlite:///path/operations.db`` or ``postgresql+psycopg://host/name``.
    now_us
        Time for the version row, UTC microseconds.

    Raises
    ------
    StoreError
        When the store cannot be opened, or was written by a newer Kuroshio.
    """

    def __init__(self, url: str, *, now_us: int) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.path = self._sqlite_path()
        self._engine = self._open()
        self._reader = self._engine.execution_options(kuroshio_read=True)
        self._lock_file = self._claim()
        self._queue: queue.Queue[tuple[Write[Any], Future[Any]] | None] = queue.Queue(QUEUE_LIMIT)
        self._closed = False
        self._close_lock = threading.Lock()
        self.commits = 0
        self.writes = 0
        self.refused = 0
        self.failed_commits = 0
        self.late_checkpoints = 0
        self.repeated_groups = 0
        try:
            with self._engine.begin() as connection:
                migrations.bring_up(connection, now_us=now_us)
        except sa.exc.SQLAlchemyError as err:
            self._release_claim()
            raise _translated(err, f"store {self._shown} could not be opened") from err
        except StoreError:
            self._release_claim()
            raise
        self._thread = threading.Thread(target=self._work, name="kuroshio-store-writer", daemon=True)
        self._thread.start()

    @property
    def _shown(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def _sqlite_path(self) -> Path | None:
        if not self.is_sqlite:
            return None
        if not self.url.database or self.url.database == ":memory:":
            raise StoreError("a store in memory is no store", code="store.url", advice="Give sqlite:///PATH.")
        return Path(self.url.database)

    def _open(self) -> sa.Engine:
        if self.path is None:
            try:
                engine = sa.create_engine(self.url, pool_size=4, max_overflow=4, pool_pre_ping=True)
            except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as err:
                raise StoreError(
                    f"no driver for {self._shown}: {err}",
                    code="store.driver",
                    advice="Install the driver named in the URL (psycopg for PostgreSQL).",
                ) from err
            return engine
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # holds password hashes
        except OSError as err:
            raise StoreError(f"store {self.path} could not be opened: {err}", code="store.open") from err
        engine = sa.create_engine(
            self.url,
            poolclass=sa.pool.QueuePool,
            pool_size=4,
            connect_args={"timeout": 10.0, "check_same_thread": False},
        )
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _claim(self) -> int | None:
        """Lock of the process that does the checkpoints; a second process (a command) writes but never resets."""
        if self.path is None:
            return None
        handle = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        return handle

    def _release_claim(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    # -- writing

    def submit(self, write: Write[T]) -> Future[T]:
        """Hand a write to the writer; the future is done when its transaction is on disk.

        A write may be called twice (the first time rolled back), so it must do nothing but use its connection.
        """
        future: Future[T] = Future()
        if self._closed:
            raise StoreError("store is closed", code="store.closed")
        try:
            self._queue.put_nowait((write, future))
        except queue.Full as err:
            self.refused += 1
            raise StoreError(
                f"store is behind: {QUEUE_LIMIT} writes wait", code="store.behind", advice="Slow down and try again."
            ) from err
        return future

    def write(self, write: Write[T]) -> T:
        """Result of a write, once it is on disk."""
        return self.submit(write).result()

    def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Result of a read on a connection of its own; sees every committed write."""
        if self._closed:
            raise StoreError("store is closed", code="store.closed")
        try:
            with self._reader.connect() as connection:
                return query(connection)
        except sa.exc.SQLAlchemyError as err:
            raise _translated(err, "read failed") from err

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                break
            group = [first]
            last = False
            while len(group) < GROUP_LIMIT:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    last = True
                    break
                group.append(item)
            self._commit(group)
            self._checkpoint()
            if last:
                break

    def _commit(self, group: list[_Waiting]) -> None:
        wanted = [(write, future) for write, future in group if future.set_running_or_notify_cancel()]
        try:
            results = self._together(wanted)
            errors: list[tuple[Future[Any], BaseException]] = []
        except Exception as err:  # one of them, or the commit: nobody's write is on disk
            if len(wanted) == 1:
                results, errors = [], [(wanted[0][1], err)]
            else:
                results, errors = self._apart(wanted)
        self.commits += 1
        self.writes += len(results)
        for future, result in results:
            future.set_result(result)
        for future, error in errors:
            future.set_exception(_caused(error))

    def _together(self, wanted: list[_Waiting]) -> list[tuple[Future[Any], Any]]:
        """All writes in one transaction, with nothing between them: the way it goes nearly always."""
        with self._engine.begin() as connection:
            return [(future, write(connection)) for write, future in wanted]

    def _apart(
        self, wanted: list[_Waiting]
    ) -> tuple[list[tuple[Future[Any], Any]], list[tuple[Future[Any], BaseException]]]:
        """All writes again, each in a savepoint (5 x slower), so that the one that fails fails alone."""
        self.repeated_groups += 1
        results: list[tuple[Future[Any], Any]] = []
        errors: list[tuple[Future[Any], BaseException]] = []
        try:
            with self._engine.begin() as connection:
                for write, future in wanted:
                    try:
                        with connection.begin_nested():
                            result = write(connection)
                        results.append((future, result))
                    except Exception as err:
                        errors.append((future, err))
        except Exception as err:
            self.failed_commits += 1
            return [], [(future, err) for _, future in wanted]
        return results, errors

    def _checkpoint(self) -> None:
        if self.path is None or self._lock_file is None:
            return
        wal = self.path.with_name(self.path.name + "-wal")
        try:
            if wal.stat().st_size < CHECKPOINT_BYTES:
                return
        except OSError:
            return
        self._pragma("wal_checkpoint(TRUNCATE)")

    def _pragma(self, text: str) -> None:
        raw = self._engine.raw_connection()
        try:
            raw.cursor().execute(f"PRAGMA {text}")
        except Exception:
            # a reader in the way only puts the checkpoint off; the WAL stays whole
            self.late_checkpoints += 1
        finally:
            raw.close()

    def counts(self) -> dict[str, int]:
        """Commits, writes, writes refused because the queue was full, failed commits, writes waiting."""
        return {
            "commits": self.commits,
            "writes": self.writes,
            "refused": self.refused,
            "failed_commits": self.failed_commits,
            "repeated_groups": self.repeated_groups,
            "late_checkpoints": self.late_checkpoints,
            "waiting": self._queue.qsize(),
        }

    def close(self) -> None:
        """Finish what waits, checkpoint, and let go of the file; a second call does nothing."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        self._queue.put(None)
        self._thread.join()
        if self.path is not None and self._lock_file is not None:
            self._pragma("wal_checkpoint(TRUNCATE)")
        self._engine.dispose()
        self._release_claim()


def _set_up_sqlite(raw: Any, _record: Any) -> None:
    raw.isolation_level = None  # transactions are begun by us, see _begin_sqlite
    cursor = raw.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "trusted_schema=OFF",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # a writer that begins as a reader could be refused half way (SQLITE_BUSY is not retried on upgrade)
    reading = connection.get_execution_options().get("kuroshio_read", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _caused(error: BaseException) -> BaseException:
    if isinstance(error, sa.exc.SQLAlchemyError):
        translated = _translated(error, "write failed")
        translated.__cause__ = error
        return translated
    return error


def _translated(error: sa.exc.SQLAlchemyError, what: str) -> StoreError:
    original = getattr(error, "orig", None) or error
    text = str(original).splitlines()[0] if str(original) else type(original).__name__
    if isinstance(error, sa.exc.IntegrityError):
        return StoreError(f"{what}: {text}", code="store.conflict", advice="The row is there already.")
    lowered = text.lower()
    if "full" in lowered:
        return StoreError(f"{what}: {text}", code="store.disk_full", advice="Free space in the data folder.")
    if "malformed" in lowered or "not a database" in lowered:
        return StoreError(
            f"{what}: {text}",
            code="store.corrupt",
            advice="Keep the file, restore the last backup, tell the maintainers.",
        )
    if "connect" in lowered:
        return StoreError(
            f"{what}: {text}", code="store.unreachable", advice="Start the database, or mend its address."
        )
    return StoreError(f"{what}: {text}")
