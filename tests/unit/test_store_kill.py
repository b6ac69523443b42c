"""kill -9 at random instants: whatever was acknowledged is there afterwards.

The test runs this file as a program of its own, which imports the stores once and forks a worker a round; the
worker acknowledges over a pipe, is killed at a random instant, and the folder is opened again and compared.
"""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ACK = struct.Struct("<II")  # worker thread, number
THREADS = 3


def journal_worker(folder: Path, round_: int, ack: Callable[[int, int], None]) -> None:
    """Threads append numbered entries; each number is acknowledged after its append returns."""
    from kuroshio.store import Journal

    journal = Journal(folder, segment_bytes=20_000)

    def work(name: int) -> None:
        number = 0
        while True:
            batch = [(f"{round_}.{name}", number + i, b"x" * ((number + i) % 300)) for i in range(3)]
            journal.append(batch)
            number += 3
            ack(name, number)

    run_threads(work)


def check_journal(folder: Path, acked: dict[tuple[int, int], int]) -> int:
    """Entries of every round and thread: dense from zero, at least as many as acknowledged, nothing invented."""
    from kuroshio.store import Journal

    seen: dict[str, int] = {}
    with Journal(folder, segment_bytes=20_000) as journal:
        for entry in journal.read(journal.first_position):
            assert entry.received_at_us == seen.get(entry.source, 0), (entry.source, entry.received_at_us)
            assert entry.data == b"x" * (entry.received_at_us % 300)
            seen[entry.source] = entry.received_at_us + 1
    for (round_, name), number in acked.items():
        assert seen.get(f"{round_}.{name}", 0) >= number, (round_, name, number, seen)
    return sum(seen.values())


def operations_worker(folder: Path, round_: int, ack: Callable[[int, int], None]) -> None:
    """Threads write audit lines, one commit at a time or shared."""
    from kuroshio.store import Operations, url_of

    store = Operations(url_of(folder), now_us=1)

    def work(name: int) -> None:
        number = 0
        while True:
            store.append_audit(f"{round_}.{name}", str(number), outcome="ok", at_us=number)
            number += 1
            ack(name, number)

    run_threads(work)


def check_operations(folder: Path, acked: dict[tuple[int, int], int]) -> int:
    """Every acknowledged line is there, in order, once."""
    import sqlalchemy as sa

    from kuroshio.store import Operations, tables, url_of

    with Operations(url_of(folder), now_us=1) as store:
        query = sa.select(tables.audit.c.who, tables.audit.c.what).order_by(tables.audit.c.number)
        rows = store._engine.read(lambda c: c.execute(query).all())
        assert store._engine.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"
    seen: dict[str, int] = {}
    for who, what in rows:
        assert int(what) == seen.get(who, 0)
        seen[who] = int(what) + 1
    for (round_, name), number in acked.items():
        assert seen.get(f"{round_}.{name}", 0) >= number
    return len(rows)


def node_worker(folder: Path, round_: int, ack: Callable[[int, int], None]) -> None:
    """What a node does: journal first, acknowledge, archive from the journal, flush with the position, clear."""
    from kuroshio.store import Archive, Journal

    journal = Journal(folder / "journal", segment_bytes=2_000)
    archive = Archive(folder / "archive")
    start = archive.position or journal.first_position
    for entry in journal.read(max(start, journal.first_position)):
        archive.append("rejects", rejects(entry.source, entry.received_at_us))
    number = 0
    while True:
        name = f"{round_}.0"
        position = journal.append([(name, number, b"y")])
        archive.append("rejects", rejects(name, number))
        number += 1
        ack(0, number)
        if number % 5 == 0:
            archive.flush(position)
            journal.remove_before(position)
        if number % 25 == 0:
            archive.compact_all()


def rejects(source: str, number: int) -> object:
    """One row that names its entry."""
    from kuroshio import schema

    day = 86_400_000_000 * (1 + number % 2)
    return schema.REJECTS.from_rows([{"source": source, "line": number, "received_at": day, "reason": "test"}])


def check_node(folder: Path, acked: dict[tuple[int, int], int]) -> int:
    """Archive up to its position and journal from there on: together every acknowledged entry, exactly once."""
    from kuroshio.store import Archive, Journal

    with Archive(folder / "archive") as archive, Journal(folder / "journal", segment_bytes=2_000) as journal:
        rows = archive.read("rejects", columns=["source", "line"]).to_pylist()
        seen = [(row["source"], row["line"]) for row in rows]
        start = archive.position or journal.first_position
        seen += [(entry.source, entry.received_at_us) for entry in journal.read(start)]
    assert len(seen) == len(set(seen))
    counts: dict[str, int] = {}
    for source, line in seen:
        counts[source] = max(counts.get(source, 0), line + 1)
    assert sum(counts.values()) == len(seen)  # dense
    for (round_, name), number in acked.items():
        assert counts.get(f"{round_}.{name}", 0) >= number
    return len(seen)


KINDS = {
    "journal": (journal_worker, check_journal),
    "operations": (operations_worker, check_operations),
    "node": (node_worker, check_node),
}


def run_threads(work: Callable[[int], None]) -> None:
    for name in range(1, THREADS):
        threading.Thread(target=work, args=(name,), daemon=True).start()
    work(0)


def one_round(kind: str, folder: Path, round_: int, rng: random.Random) -> dict[tuple[int, int], int]:
    """Fork a worker, kill it after some acknowledgements, and say what it had acknowledged."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            KINDS[kind][0](folder, round_, lambda name, number: os.write(writer, ACK.pack(name, number)) and None)
        except BaseException as err:
            sys.stderr.write(f"worker failed: {err!r}\n")
        finally:
            os._exit(3)
    os.close(writer)
    wanted, got, data = rng.randrange(1, 60), 0, b""
    while got < wanted:
        chunk = os.read(reader, ACK.size)
        assert chunk, "the worker ended by itself"
        data += chunk
        got = len(data) // ACK.size
    time.sleep(rng.random() * 0.003)
    os.kill(pid, signal.SIGKILL)
    while chunk := os.read(reader, 65_536):
        data += chunk
    os.close(reader)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    acked: dict[tuple[int, int], int] = {}
    for name, number in ACK.iter_unpack(data):
        acked[(round_, name)] = max(number, acked.get((round_, name), 0))
    return acked


def main(kind: str, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    acked: dict[tuple[int, int], int] = {}
    with tempfile.TemporaryDirectory(prefix="kuroshio-kill-") as name:
        folder = Path(name)
        KINDS[kind][1](folder, {})  # imports everything before the first fork
        held = 0
        for round_ in range(rounds):
            acked.update(one_round(kind, folder, round_, rng))
            # checked in a fork as well, so that no thread of the engine lives when the next worker is forked
            held = in_fork(lambda: KINDS[kind][1](folder, acked))
    sys.stdout.write(json.dumps({"kills": rounds, "acknowledged": sum(acked.values()), "held": held}) + "\n")


def in_fork(call: Callable[[], int]) -> int:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, struct.pack("<q", call()))
        except BaseException as err:
            sys.stderr.write(f"check failed: {err!r}\n")
            os._exit(4)
        os._exit(0)
    os.close(writer)
    data = os.read(reader, 8)
    os.close(reader)
    assert os.waitpid(pid, 0)[1] == 0
    return int(struct.unpack("<q", data)[0])


@pytest.mark.parametrize(("kind", "rounds"), [("journal", 25), ("operations", 15), ("node", 15)])
def test_what_was_acknowledged_survives_kill_9(kind: str, rounds: int) -> None:
    done = subprocess.run(
        [sys.executable, __file__, kind, str(rounds), "20261122"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["kills"] == rounds
    assert result["held"] >= result["acknowledged"] > rounds


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
