"""`python -m benchmarks.sensing [--quick] [--json]`: sentences a second and core, to Arrow, ours and the peers'.

CPU time, one thread, rounds interleaved, medians. The log is made by our own encoder (`logs`): every decoder reads
the same bytes. Peers live in their own environment (aiscat is GPL: a program beside us, never a dependency).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import peer_packages
from benchmarks.sensing import logs

PIP_PEERS = ("pyais", "aiscat", "libais")
PEERS = (*PIP_PEERS, "gpsdecode")  # of Debian's gpsd-tools, where it is installed
SIZES = {"pyais": 30_000, "aiscat": 100_000, "libais": 60_000, "gpsdecode": 60_000}
BLOCK = 2 << 20


def ours(data: bytes) -> tuple[float, int]:
    """CPU seconds to Arrow tables of every family, and sentences decoded."""
    from kuroshio.sensing import ais

    begun = time.process_time()
    decoder, lines = ais.Decoder("log"), 0
    for at in range(0, len(data), BLOCK):
        lines += decoder.feed(data[at : at + BLOCK]).ledger.lines
    lines += decoder.flush().ledger.lines
    return time.process_time() - begun, lines


def peer(python: Path, name: str, path: Path, sentences: int) -> float | None:
    """Sentences a CPU second of a peer, None where it does not run."""
    command = [str(python), str(Path(__file__).with_name("peer.py")), name, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if told.returncode:
        print(f"{name}: {told.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return sentences / json.loads(told.stdout)["seconds"]


def first_use(cache: Path) -> float:
    """Seconds from a fresh process to the first decoded sentence, with this kernel cache."""
    script = "from kuroshio.sensing import ais; ais.warm_up()"
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "NUMBA_CACHE_DIR": str(cache)})
    return time.perf_counter() - begun


def measure(quick: bool) -> dict[str, Any]:
    """All figures of one run."""
    from kuroshio.sensing import ais

    ais.warm_up()
    sentences, rounds = (600_000, 5) if quick else (3_000_000, 7)
    logs_ = {"plain": logs.log(sentences, tagged=False), "tagged": logs.log(sentences, tagged=True)}
    python, why = peer_packages.environment("venv-sensing", ("pyarrow", *PIP_PEERS), 20.0 if quick else 300.0)
    if why:
        print(f"peers {why}", file=sys.stderr)
    peers = [name for name in PEERS if python is not None and (name in PIP_PEERS or shutil.which(name))]
    rates: dict[str, list[float]] = {name: [] for name in ("plain", "tagged", *PEERS)}
    ours(logs_["plain"][: len(logs_["plain"]) // 4])
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name in peers:
            head = logs.log(SIZES[name], tagged=False)
            files[name] = (Path(folder) / f"{name}.nmea", head.count(b"\n"))
            files[name][0].write_bytes(head)
        for k in range(rounds):
            for name, data in logs_.items():
                seconds, lines = ours(data)
                rates[name].append(lines / seconds)
            for name in peers if k == 0 or not quick else ():
                assert python is not None
                rate = peer(python, name, *files[name])
                rates[name] += [] if rate is None else [rate]
    median = {name: statistics.median(found) if found else None for name, found in rates.items()}
    plain, tagged = median["plain"] or 0, median["tagged"] or 0
    told: dict[str, Any] = {
        "sentences_per_s_core": round(plain),
        "sentences_per_s_core_tagged": round(tagged),
        "mb_per_s_core": round(plain * len(logs_["plain"]) / logs_["plain"].count(b"\n") / 1e6),
        "rounds": rounds,
        "slowest_and_fastest_round": [round(min(rates["plain"])), round(max(rates["plain"]))],
    }
    for name in PEERS:
        rate = median[name]
        told[f"ratio_{name}_arrow"] = None if rate is None else round(plain / rate, 1)
        told[f"{name}_per_s_core"] = None if rate is None else round(rate)
    told["load_average"] = round(os.getloadavg()[0], 2)
    return told


def to_parquet() -> dict[str, Any]:
    """CPU and wall seconds of `kuroshio decode`, one file of 3 M tag-blocked sentences to Parquet, start included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.nmea"
        path.write_bytes(logs.log(3_000_000, tagged=True))
        used, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "kuroshio", "decode", str(path), "-o", f"{folder}/out", "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        wall = time.perf_counter() - begun
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        told = json.loads(ran.stdout)
        written = sum(file["bytes"] for file in told["written"].values())
        return {
            "lines": told["ledger"]["lines"], "log_bytes": path.stat().st_size, "parquet_bytes": written,
            "cpu_s": round(cpu, 2), "wall_s": round(wall, 2), "cores_used": round(cpu / wall, 2),
        }  # fmt: skip


def growth() -> dict[str, Any]:
    """Memory and time of a file and of one ten times its size, each decoded to nothing but counts in a new process."""
    script = (
        "import sys,time\nfrom kuroshio.sensing import ais\nais.warm_up()\nt=time.process_time()\n"
        "n=sum(d.ledger.lines for d in ais.decode_file(sys.argv[1]))\n"
        "s=time.process_time()-t\n"  # VmHWM: ru_maxrss would count the parent's memory before exec
        "print(n,s,next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    )
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, 10):
            path = Path(folder) / "log.nmea"
            path.write_bytes(logs.log(500_000 * times, tagged=False))
            told = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
            lines, seconds, kib = told.stdout.split()
            found[f"x{times}"] = {"lines": int(lines), "cpu_s": round(float(seconds), 3), "peak_mib": int(kib) // 1024}
    return found


def table(told: dict[str, Any]) -> list[str]:
    """The run as the Markdown of docs/reference/sensing.md."""
    lines = ["| decoder, to Arrow | sentences/s a core | Kuroshio is |", "|---|---|---|"]
    lines.append(f"| Kuroshio, plain | {told['sentences_per_s_core']:,} | |")
    lines.append(f"| Kuroshio, tag-blocked | {told['sentences_per_s_core_tagged']:,} | |")
    for name in PEERS:
        rate, ratio = told[f"{name}_per_s_core"], told[f"ratio_{name}_arrow"]
        lines.append(f"| {name} | {'not installed' if rate is None else f'{rate:,}'} | {ratio or '-'} x |")
    rest = {name: value for name, value in told.items() if "per_s_core" not in name and not name.startswith("ratio_")}
    return [*lines, "", *(f"- {name}: {value}" for name, value in rest.items())]


def main() -> None:
    """Run, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Within 50 seconds.")
    parser.add_argument("--json", action="store_true", help="One JSON object on stdout.")
    arguments = parser.parse_args()
    told = measure(arguments.quick)
    if not arguments.quick:
        with tempfile.TemporaryDirectory() as cache:
            told["first_use_cold_s"] = round(first_use(Path(cache)), 2)
            told["first_use_cached_s"] = round(first_use(Path(cache)), 2)
        told["growth"] = growth()
        told["to_parquet"] = to_parquet()
    told["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if arguments.json:
        print(json.dumps(told))
        return
    for line in table(told):
        print(line)


if __name__ == "__main__":
    main()
