"""Records that are not tables: which fields of each kind may leave, and their forms.

What enters: a mapping. What leaves: a mapping built from the fields named here, each of its declared form. A field
that is not named is refused rather than dropped, so that nobody believes it was sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from kuroshio.errors import ReleaseRefused
from kuroshio.exchange import coarsen
from kuroshio.exchange.columns import STEPS, withheld_columns
from kuroshio.schema import Obligations

MAX_TEXT = 4_000
_HEX = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9_.:+/=-]{1,200}")


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _hex(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53


def _time(value: Any) -> bool:
    return _whole(value) and value >= 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _latitude(value: Any) -> bool:
    return _number(value) and abs(value) <= 90.0


def _longitude(value: Any) -> bool:
    return _number(value) and abs(value) <= 180.0


def _hexes(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 10_000 and all(_hex(v) for v in value)


def _words(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 200 and all(_word(v) for v in value)


def _wholes(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 200 and all(_whole(v) for v in value)


def _note(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 20_000


Form = Callable[[Any], bool]
_PLACE: dict[str, Form] = {"lat_deg": _latitude, "lon_deg": _longitude}
_WHAT: dict[str, Form] = {"item": _text, "category": _word, "quantity": _number, "unit": _word, "remarks": _text}

# information, support, equipment and access, each with the fields its clauses speak of (design: the four kinds)
RECORD_KINDS: dict[str, dict[str, Form]] = {
    "safety": {"text": _text, "at_us": _time, "mmsi": _whole, "name": _text, "source_ref": _word, **_PLACE},
    "order": {
        "order_id": _word, "step": _word, "activity": _word, "unit_ordering": _text, "unit_price": _number,
        "currency": _word, "price_basis": _word, "payment": _word, "due_us": _time, "place": _text,
        "ordered_by": _text, "accepted_by": _text, "settles": _word, "entry": _note, **_WHAT,
    },
    "equipment": {
        "asset_id": _word, "step": _word, "holder": _text, "place": _text, "custodian": _text, "end_use": _text,
        "evidence_sha256": _hex, "uncertain": _words, "at_us": _time, "entry": _note,
        **_WHAT,
    },
    "access": {
        "request_id": _word, "step": _word, "activity": _word, "craft": _text, "enter_us": _time, "leave_us": _time,
        "place": _text, "persons": _whole, "hazardous": _text, "remarks": _text,
        "entry": _note,
    },
}  # fmt: skip

# protocol statements: identifiers, hashes and times only
CONTROL_KINDS: dict[str, dict[str, Form]] = {
    "recall": {"release_ids": _hexes, "reason": _word, "at_us": _time},
    "tighten": {"release_ids": _hexes, "retain_until_us": _time, "reason": _word, "at_us": _time},
    "receipt": {"receipts": lambda v: isinstance(v, list) and len(v) <= 10_000 and all(_is_receipt(r) for r in v)},
    "checkpoint": {"note": _note, "old_size": _whole, "proof": _words},
    "cosignature": {"origin": _word, "size": _whole, "line": _text},
    "policy": {"accords": _words, "versions": _wholes, "at_us": _time},
}
_RECEIPT: dict[str, Form] = {
    "type": lambda v: v == "kuroshio/receipt/1", "release_id": _hex, "by": _word, "to": _word, "status": _word,
    "at_us": _time, "detail": lambda v: isinstance(v, str) and len(v) <= 200, "key_id": _word, "signature": _word,
}  # fmt: skip


def _is_receipt(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(_RECEIPT) and all(f(value[k]) for k, f in _RECEIPT.items())


def select_record(kind: str, body: Mapping[str, Any], obligations: Obligations) -> dict[str, Any]:
    """Fields of a record that may leave under the obligations.

    Raises
    ------
    ReleaseRefused
        On a field that the kind does not name or that is not of its form.
    """
    forms = RECORD_KINDS.get(kind) or CONTROL_KINDS[kind]
    for name, value in body.items():
        if name not in forms:
            raise ReleaseRefused(f"a {kind} has no field {name!r}", code="exchange.field_unknown")
        if value is not None and not forms[name](value):
            raise ReleaseRefused(f"field {name} of a {kind} is not of its form", code="exchange.field_form")
    withheld = withheld_columns(obligations.redact)
    if withheld & {"mmsi", "name"} and kind == "safety":
        raise ReleaseRefused("a safety text may hold names in its words: identity cannot be withheld from it",
                             code="exchange.redaction_impossible")  # fmt: skip
    chosen = {name: body[name] for name in forms if name in body and name not in withheld}
    grid = obligations.grid_deg
    if grid > 0.0:
        for name in ("lat_deg", "lon_deg"):
            if chosen.get(name) is not None:
                chosen[name] = (math.floor(float(chosen[name]) / grid) + 0.5) * grid
    for name in ("lat_deg", "lon_deg"):
        if chosen.get(name) is not None:
            chosen[name] = round(float(chosen[name]) * STEPS[name]) / STEPS[name]
    bucket_us = max(int(obligations.time_bucket_s), coarsen.MIN_BUCKET_S if grid > 0.0 else 0) * 1_000_000
    if bucket_us and chosen.get("at_us") is not None:
        chosen["at_us"] = chosen["at_us"] // bucket_us * bucket_us
    return chosen


def check_record(kind: str, body: Mapping[str, Any]) -> None:
    """Hold that a received record has only the fields of its kind, each of its form, and a statement all of them.

    Raises
    ------
    ReleaseRefused
        When it has not; `receive` turns it into a VerificationError.
    """
    select_record(kind, body, Obligations())
    for name in CONTROL_KINDS.get(kind, ()):
        if body.get(name) is None:
            raise ReleaseRefused(f"a {kind} without {name}", code="exchange.field_missing")
