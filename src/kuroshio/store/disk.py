"""The few ways the stores touch a file system: durable writes, durable renames, exclusive folders."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from kuroshio.errors import StoreError


def failed(what: str, error: OSError) -> StoreError:
    """StoreError of an OSError, with the file and what to do."""
    advice = None
    code = "store.failed"
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        code, advice = "store.disk_full", "Free space in the data folder; the node goes on when there is some."
    elif error.errno in (1, 13, 30):  # EPERM, EACCES, EROFS
        code, advice = "store.permission", "Give the node's user the right to write in the data folder."
    return StoreError(f"{what}: {error.strerror or error}", code=code, advice=advice)


def sync_folder(folder: Path) -> None:
    """Make names made or removed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durably."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            sync_folder(path.parent)
    except OSError as err:
        raise failed(f"folder {folder} could not be made", err) from err


def remove(paths: Sequence[Path]) -> None:
    """Remove files."""
    for path in paths:
        try:
            path.unlink()
        except OSError as err:
            raise failed(f"file {path} could not be removed", err) from err


def remove_folder(folder: Path) -> None:
    """Remove an empty folder, durably."""
    try:
        folder.rmdir()
        sync_folder(folder.parent)
    except OSError as err:
        raise failed(f"folder {folder} could not be removed", err) from err


def write_text(path: Path, text: str) -> None:
    """Write text, for `write_durably`."""
    path.write_text(text, encoding="utf-8")


def write_durably(path: Path, write: Callable[[Path], None]) -> None:
    """Make a file whole or not at all: written beside, synced, renamed, folder synced.

    Raises
    ------
    StoreError
        When the disk refuses; the half-written file is removed.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(beside)
        handle = os.open(beside, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as err:
        beside.unlink(missing_ok=True)
        raise failed(f"file {path} could not be written", err) from err


def lock_folder(folder: Path, what: str) -> int:
    """Handle that holds a folder for this process until it is closed.

    Raises
    ------
    StoreError
        ``store.locked`` when another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as err:
        raise failed(f"{what} {folder} could not be opened", err) from err
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        os.close(handle)
        raise StoreError(
            f"{what} {folder} is in use by another process",
            code="store.locked",
            advice="Stop the other node, or give this one its own data folder.",
        ) from err
    return handle
