"""What is compiled before the first real report: kernels that a node calls later would stop it for seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASKED = """
import importlib, sys
importlib.import_module("kuroshio." + sys.argv[1]).warm_up()
for name in sys.argv[2:]:
    module, kernel = name.rsplit(".", 1)
    print(name, len(getattr(importlib.import_module("kuroshio." + module), kernel).signatures))
"""
KERNELS = {
    "behaviour": [
        "runs.run_rows",
        "runs.run_silence",
        "dark._dark_codes",
        "port.port_rows",
        "motion._bit_codes",
        "pairs.walk",
    ],
    "picture": ["partner_states.nearest", "partner_states.advance"],
}


@pytest.mark.parametrize("room", KERNELS)
def test_a_new_process_has_compiled_what_ships_that_do_something_call(room: str) -> None:
    names = [f"{room}.{kernel}" for kernel in KERNELS[room]]
    command = [sys.executable, "-c", ASKED, room, *names]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {line.split()[0]: int(line.split()[1]) > 0 for line in told.stdout.splitlines()} == dict.fromkeys(
        names, True
    )
