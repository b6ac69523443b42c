"""TTD, tracked target data: 90 bits a target in six-bit characters, in one or several sentences.

What enters: TTD sentences. What leaves: targets in polar form, or parts that wait. It knows no clock and no position.
Source: IEC 61162-1 ed. 5, TTD and its tracked target data structure (protocol version 0); six-bit characters as in
ITU-R M.1371 armouring. The text of the standard is not public: order, widths, steps and status codes agree with the
public decoder `NmeaParser::parseTTDPayload` (90 bits, version 0 only), and its sample from an integrated navigation
system decodes to a plausible target (tests). Not confirmed by it: the values that stand for not available.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kuroshio.sensing.formats_lines import Line
from kuroshio.sensing.radar_sentences import Refusal, Sentence, checksum
from kuroshio.units import M_PER_NM, MPS_PER_KN

TARGET_BITS = 90
MAX_GROUPS = 8  # open multi-sentence groups kept
MAX_PARTS = 64  # sentences of one group
_LAYOUT = (  # field, width in bits
    ("version", 2),
    ("number", 10),
    ("bearing", 12),  # 0.1 deg true, 4095 not available
    ("speed", 12),  # 0.1 kn, 4095 not available
    ("course", 12),  # 0.1 deg, 4095 not available
    ("heading", 12),  # 0.1 deg, as AIS reports it
    ("status", 3),  # 0 not tracked, 1 acquiring, 2 lost, 4 tracked, 6 CPA alarm, 7 the same acknowledged
    ("mode", 1),  # 1 test target
    ("distance", 14),  # 0.01 nautical mile, 16383 is that or more
    ("speed_mode", 1),  # 0 true, 1 relative
    ("stabilisation", 1),  # 0 over ground, 1 through water
    ("reserved", 2),
    ("correlation", 8),
)
_NOT_AVAILABLE, _BEYOND = 4095, 16383
_NOT_TRACKED, _ACQUIRING, _LOST = 0, 1, 2


@dataclass(frozen=True)
class Target:
    """One target in polar form, with the rounding of its fields."""

    number: int
    range_m: float
    bearing_deg: float
    sog_mps: float
    cog_deg: float
    range_step_m: float
    bearing_step_deg: float
    time: bytes = b""
    through_water: bool = False


class TargetAssembler:
    """Joins the sentences of one TTD message; holds a bounded number of unfinished groups."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int, int], dict[int, tuple[Line, bytes, int]]] = {}
        self._lost: list[Line] = []

    def add(self, s: Sentence, line: Line) -> list[Target] | Refusal | None:
        """Targets when the message is complete, None while parts are missing, a `Refusal` on a malformed part."""
        if len(s.fields) < 5:
            return Refusal("too_short", f"TTD has {len(s.fields)} fields, needs 5")
        try:
            total, index = int(s.fields[0], 16), int(s.fields[1], 16)
            fill = int(s.fields[4])
            sequence = int(s.fields[2]) if s.fields[2] else -1
        except ValueError:
            return Refusal("bad_field", f"part numbers {s.fields[:3]!r}")
        if not (1 <= index <= total <= MAX_PARTS and 0 <= fill <= 5):
            return Refusal("bad_field", f"part {index} of {total}, {fill} fill bits")
        key = (s.talker, sequence, total)
        group = self._groups.setdefault(key, {})
        if index in group:  # the same part again: the old group will never complete
            self._lost += [part[0] for part in group.values()]
            group.clear()
        group[index] = (line, s.fields[3], fill)
        if len(group) < total:
            if len(self._groups) > MAX_GROUPS:
                oldest = next(iter(self._groups))
                self._lost += [part[0] for part in self._groups.pop(oldest).values()]
            return None
        del self._groups[key]
        bits = "".join(_bits(group[i][1], group[i][2] if i == total else 0) for i in range(1, total + 1))
        return _targets(bits)

    def expire(self, *, overdue: bool = False) -> list[Line]:
        """Lines whose message will not complete: all of them, or only the overdue ones."""
        lost, self._lost = self._lost, []
        if not overdue:
            lost += [part[0] for group in self._groups.values() for part in group.values()]
            self._groups.clear()
        return lost


def _bits(payload: bytes, fill: int) -> str:
    values = ((c - 48 if c < 88 else c - 56) & 63 for c in payload)
    text = "".join(format(v, "06b") for v in values)
    return text[: len(text) - fill] if fill else text


def _targets(bits: str) -> list[Target] | Refusal:
    count = len(bits) // TARGET_BITS
    if count == 0 or "1" in bits[count * TARGET_BITS :]:
        return Refusal("too_short", f"TTD payload of {len(bits)} bits, a target needs {TARGET_BITS}")
    targets = []
    for n in range(count):
        at, field = n * TARGET_BITS, {}
        for name, width in _LAYOUT:
            field[name] = int(bits[at : at + width], 2)
            at += width
        if field["version"] != 0:
            return Refusal("unsupported", f"TTD protocol version {field['version']}")
        if field["status"] in (_LOST, _NOT_TRACKED) or field["bearing"] >= 3600 or field["distance"] == _BEYOND:
            continue
        over = field["speed_mode"] == 0 and field["status"] != _ACQUIRING
        moving = over and field["speed"] != _NOT_AVAILABLE and field["course"] < 3600
        targets.append(
            Target(
                field["number"],
                field["distance"] * 0.01 * M_PER_NM,
                field["bearing"] * 0.1,
                field["speed"] * 0.1 * MPS_PER_KN if moving else np.nan,
                field["course"] * 0.1 if moving else np.nan,
                0.01 * M_PER_NM,
                0.1,
                through_water=field["stabilisation"] == 1,
            )
        )
    return targets


def encode_ttd(targets: list[dict[str, int]], *, sequence: int = 0, talker: str = "RA") -> list[bytes]:
    """TTD sentences of targets given as raw integers by field name; fields not given are 0, four targets a sentence."""
    bits = ["".join(format(t.get(name, 0), f"0{width}b") for name, width in _LAYOUT) for t in targets]
    groups = [bits[i : i + 4] for i in range(0, len(bits), 4)]
    sentences = []
    for index, group in enumerate(groups, 1):
        joined = "".join(group)
        values = [int(joined[i : i + 6], 2) for i in range(0, len(joined), 6)]
        payload = bytes(v + 48 if v < 40 else v + 56 for v in values)
        body = b"%sTTD,%02X,%02X,%d,%s,0" % (talker.encode(), len(groups), index, sequence, payload)
        sentences.append(b"!%s*%02X\r\n" % (body, checksum(body)))
    return sentences
