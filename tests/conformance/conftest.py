"""A PostgreSQL server of the test's own, from Debian's binaries, where they and a driver are there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)


def _server_user() -> dict[str, str]:
    """PostgreSQL refuses to run as root; Debian's package makes a user for it."""
    if os.geteuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("running as root and there is no user postgres")
    return {"user": "postgres"}


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """URL of an empty database on a server that lives as long as the tests, over a Unix socket only."""
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: install psycopg")
    if not BINARIES:
        pytest.skip("no PostgreSQL server: install Debian's package postgresql")
    who = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="kuroshio-pg-"))
    try:
        if who:
            shutil.chown(folder, who["user"])
        run = {"check": True, "capture_output": True, "cwd": folder, **who}
        data = folder / "data"
        subprocess.run(
            [BINARIES[0] / "initdb", "-D", data, "-U", "kuroshio", "-A", "trust", "-E", "UTF8", "--no-sync"], **run
        )
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
        control = [BINARIES[0] / "pg_ctl", "-D", data, "-w"]
        subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], **run)
        try:
            yield f"postgresql+psycopg://kuroshio@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
