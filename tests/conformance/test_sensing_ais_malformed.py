"""Thirty-two malformed or unusual inputs: the outcome a user would want, with the reason beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kuroshio.sensing import ais

A, B, C = 205448890, 431100155, 271040150
# case -> (MMSIs decoded, reject reasons by line, why)
WANTED: dict[str, tuple[list[int], list[tuple[int, str]], str]] = {
    "AIVDO": ([A], [], "own ship's report is a report"),
    "binary_garbage": ([A], [(1, "not_nmea")], "noise is kept as a reject, and the stream goes on"),
    "chan_1": ([A], [], "receivers number their channels 1 and 2; the name is kept as it came"),
    "crlf": ([A], [], "IEC 61162-1 ends sentences so"),
    "double_tag_block": ([367125050], [], "relays prepend their own block; the later station wins, both are read"),
    "dup_lines": ([A, A], [], "two receptions are two rows; removing duplicates is a separate, explicit step"),
    "mmsi_0": ([0], [], "0 is what was sent: a fault of the ship, worth seeing"),
    "mp_bad_cksum_part2": (
        [], [(2, "checksum"), (1, "orphan_part")], "half a message is not a message; both lines are kept with reasons",
    ),
    "mp_in_order": ([B], [], "the ordinary case"),
    "mp_interleaved_diff_seq": ([B, C], [], "the sequence number tells them apart"),
    "mp_interleaved_same_seq_diff_chan": ([B, C], [], "the channel tells them apart"),
    "mp_no_seq_id": ([B], [], "a blank sequence still matches a blank one"),
    "mp_reversed": ([B], [], "networks reorder; nothing is missing"),
    "mp_second_part_lost_then_reuse": ([B], [(1, "orphan_part")], "the newer first part owns the second; no splice"),
    "mp_single_between": ([A, B], [], "other sentences between parts are usual"),
    "mp_wrong_splice(1of2 X + 2of2 Y after loss)": (
        [], [(1, "too_short"), (2, "too_short")], "400 bits are not a type 5: the parts are of two ships; no false row",
    ),
    "ok_type1": ([A], [], "the ordinary case"),
    "pad6": ([227019400], [], "a whole fill character: the 168 bits before it are all there"),
    "pghp_wrapper": ([A], [], "the wrapper is a carrier of time and station"),
    "prefix_timestamp": ([A], [], "loggers write a time before the sentence; it is the row's clock"),
    "tag_bad_tag_cksum": ([A], [], "the sentence has its own checksum; the block's time is marked unverified"),
    "tag_g_disagree_seq": ([B], [], "the group joins what a blank sequence leaves open"),
    "tag_g_group_mp": ([B], [], "group and sequence agree"),
    "tag_g_group_mp_reversed": ([B], [], "any order"),
    "tag_on_own_line": ([A], [], "the block belongs to the sentence after it"),
    "talker_B2VDM": ([A], [], "the talker does not change the payload"),
    "two_on_one_line": ([A, 227006760], [], "both have right checksums: a lost line end loses nothing"),
    "type18_with_bad_payload_char": ([], [(1, "bad_payload")], "bits that are not known are not guessed"),
    "type1_204bits": ([209355000], [], "the first 168 bits are a whole type 1 under a right checksum"),
    "type24A_158bits": ([257057800], [], "only the last padding character is cut"),
    "type28_unknown": ([], [(1, "unknown_type")], "not defined in ITU-R M.1371-5; kept as it came"),
    "type5_422bits": ([B], [], "only DTE and spare are missing"),
}  # fmt: skip


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> dict[str, bytes]:
    told = json.loads((shared_data / "conformance" / "malformed_cases.json").read_text())["cases"]
    return {name: "\n".join(case["lines"]).encode("latin-1") for name, case in told.items()}


def test_no_case_is_left_out(cases: dict[str, bytes]) -> None:
    assert set(cases) == set(WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_the_outcome_is_the_one_wanted(name: str, cases: dict[str, bytes]) -> None:
    decoded = ais.decode(cases[name])
    mmsis, rejects, why = WANTED[name]
    found = [
        (row["line"], row["mmsi"])
        for table in ("positions", "statics")
        for row in decoded.table(table).to_pylist()
    ]  # fmt: skip
    assert [mmsi for _, mmsi in sorted(found)] == mmsis or [mmsi for _, mmsi in found] == mmsis, why
    told = decoded.table("rejects").to_pylist()
    assert [(row["line"], row["reason"]) for row in told] == rejects, why
    assert decoded.ledger.lines == decoded.ledger.accounted == cases[name].count(b"\n") + 1


def test_what_the_clocks_and_stations_of_the_cases_say(cases: dict[str, bytes]) -> None:
    wanted = {
        "double_tag_block": ("tag_block", "AS-SAM-BWBANK"),
        "pghp_wrapper": ("pghp", "992190934"),
        "prefix_timestamp": ("iso_prefix", None),
        "tag_bad_tag_cksum": ("tag_block_unverified", "2573105"),
        "tag_on_own_line": ("tag_block", "2573105"),
    }
    for name, pair in wanted.items():
        row = ais.decode(cases[name]).table("positions").to_pylist()[0]
        assert (row["time_source"], row["station"]) == pair
