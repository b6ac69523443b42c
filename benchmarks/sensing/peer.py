"""One peer decodes a log to Arrow tables: run in the peers' own environment, prints JSON.

Usage: python peer.py {pyais|libais|aiscat|gpsdecode} LOG. Each is used as its documentation shows for a file; what it
yields becomes one table a message type, every field it has. This file imports nothing of Kuroshio.
"""

import json
import resource
import subprocess
import sys

import pyarrow as pa


def to_tables(messages, kind):
    """Every message with every field, one Arrow table a type."""
    by_type = {}
    for told in messages:
        by_type.setdefault(told[kind], []).append(told)
    return {number: pa.Table.from_pylist(rows) for number, rows in by_type.items()}


def by_pyais(path):
    from pyais import FileReaderStream

    def messages():
        for message in FileReaderStream(path):
            told = message.decode().asdict(enum_as_int=True)
            told["channel"] = message.channel
            yield told

    return to_tables(messages(), "msg_type")


def by_aiscat(path):
    import aiscat

    return to_tables(aiscat.from_file(path), "type")


def by_libais(path):
    from ais import stream

    with open(path) as lines:
        return to_tables(stream.decode(lines), "id")


def by_gpsdecode(path):
    with open(path, "rb") as log, subprocess.Popen(["gpsdecode", "-j"], stdin=log, stdout=subprocess.PIPE) as run:
        return to_tables((told for line in run.stdout if (told := json.loads(line))["class"] == "AIS"), "type")


def cpu_s():
    """CPU seconds of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main():
    name, path = sys.argv[1:3]
    decode = {"pyais": by_pyais, "aiscat": by_aiscat, "libais": by_libais, "gpsdecode": by_gpsdecode}[name]
    begun = cpu_s()
    tables = decode(path)
    seconds = cpu_s() - begun
    print(json.dumps({"seconds": seconds, "rows": sum(table.num_rows for table in tables.values())}))


if __name__ == "__main__":
    main()
