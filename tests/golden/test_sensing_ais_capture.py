"""A capture of every message family and every quirk, and the digest of each table it decodes to.

After an intended change run it with ``KUROSHIO_GOLDEN=write`` and review the diff.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from kuroshio.sensing import ais, observe

FOLDER = Path(__file__).parent
CAPTURE, WANTED = FOLDER / "ais_capture.nmea", FOLDER / "ais_capture.json"


def test_the_capture_decodes_to_the_reviewed_tables() -> None:
    decoded = ais.decode(CAPTURE.read_bytes(), source="capture")
    tables = {**decoded.tables, "observations": observe(decoded)}
    told = {
        "ledger": decoded.ledger.as_dict(),
        "tables": {
            name: {
                "rows": table.num_rows,
                "sha256": hashlib.sha256(json.dumps(table.to_pylist(), default=str).encode()).hexdigest(),
            }
            for name, table in sorted(tables.items())
        },
    }
    if os.environ.get("KUROSHIO_GOLDEN") == "write":
        WANTED.write_text(json.dumps(told, indent=1) + "\n")
    assert told == json.loads(WANTED.read_text())
