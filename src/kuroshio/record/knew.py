"""What did a party know at a time, and why: answered from the record alone, signed, with a proof of every line.

What enters: files of a record, a party, a time, the owner's key. What leaves: a signed report as JSON, or as a page
that carries the same JSON. The record holds what was released, under which clause and what the party confirmed; it
does not hold the rows, and it cannot see what was told outside the node.
"""

from __future__ import annotations

import html
import json
from typing import Any

from kuroshio.clock import rfc3339
from kuroshio.errors import VerificationError
from kuroshio.record.files import Files
from kuroshio.record.journal import SALT_BYTES
from kuroshio.record.reader import Reader
from kuroshio.record.verify import verify_receipt
from kuroshio.schema.signing import KeyRing, Signer, b64, canonical, parse_canonical, unb64

TYPE = "kuroshio/knew/1"
CONTROL = frozenset({"recall", "tighten", "receipt", "checkpoint", "cosignature"})
SAID = frozenset({"recalled", "tightened"})  # leaves of this node on a release made before
KNOWN = frozenset({"received", "recalled"})
WHY = ("accord", "accord_version", "clauses", "obligations", "rules_digest", "engine", "consents", "decided_by")
HEADS = (
    "leaf", "released", "kind", "rows", "known", "state", "clauses", "obligations", "decided by", "consents", "events",
    "release",
)  # fmt: skip
LIMITS = (
    "From the record alone: what was released to the party, why, and what it confirmed with its own signature. The rows"
    " are held as a commitment (bundle_root). A release without a receipt by then may have been known. A receipt says"
    " 'no later than'. What was told outside this node is not here."
)


def knew(files: Files, party: str, *, at_us: int, made_at_us: int, signer: Signer) -> dict[str, Any]:
    """Signed report: every release to a party up to a time, its state then, the clause it rests on, and its proof.

    Parameters
    ----------
    files
        `files.Disk` of the record's folder.
    party
        Whose knowledge.
    at_us, made_at_us
        The time asked about, and now; UTC microseconds.
    signer
        Key of the record's owner.
    """
    reader = Reader(files)
    items: dict[str, dict[str, Any]] = {}
    events: list[tuple[int, dict[str, Any]]] = []
    for seq in range(reader.checkpoint.size):
        leaf = parse_canonical(reader.payload(seq)[SALT_BYTES:])
        if int(leaf.get("at_us", at_us + 1)) > at_us:
            continue
        kind = leaf["kind"]
        if leaf.get("to") == party and kind not in CONTROL:
            items[leaf["release_id"]] = _item(seq, leaf)
        elif kind in SAID or (kind == "receipt_of" and leaf["by"] == party):
            events.append((seq, leaf))
    for seq, leaf in events:
        item = items.get(leaf["release_id"])
        if item is not None:
            item["events"].append(_event(seq, leaf))
    for item in items.values():
        item["state"] = _state(item, at_us)
    cited = sorted({i["seq"] for i in items.values()} | {e["seq"] for i in items.values() for e in i["events"]})
    body = {
        "type": TYPE,
        "record_of": reader.checkpoint.origin.rpartition("/")[2],
        "party": party,
        "at_us": at_us,
        "made_at_us": made_at_us,
        "releases": list(items.values()),
        "proofs": [reader.receipt(seq) for seq in cited],
        "limits": LIMITS,
    }
    return {"report": body, "key_id": signer.key_id, "signature": sign_report(body, signer)}


def sign_report(body: dict[str, Any], signer: Signer) -> str:
    """Signature over the canonical body."""
    return b64(signer.sign(canonical(body)))


def _item(seq: int, leaf: dict[str, Any]) -> dict[str, Any]:
    named = ("partner_seq", "release_id", "kind", "rows", "level", "purpose", "originator", "bundle_root", "at_us")
    return {"seq": seq, **{n: leaf[n] for n in named}, "why": {n: leaf[n] for n in WHY}, "events": []}


def _event(seq: int, leaf: dict[str, Any]) -> dict[str, Any]:
    """What became of a release: this node's recall or earlier end, or the party's receipt."""
    event = {
        "seq": seq,
        "status": leaf["kind"] if leaf["kind"] in SAID else str(leaf["status"]),
        "at_us": leaf["at_us"],
    }
    return {**event, "retain_until_us": leaf["retain_until_us"]} if leaf["kind"] == "tightened" else event


def _state(item: dict[str, Any], at_us: int) -> str:
    """received, sent (not confirmed by then), recalled (not confirmed gone), withdrawn, expired or refused."""
    seen = {event["status"] for event in item["events"]}
    kept_s = item["why"]["obligations"].get("retention_s")
    ends_us = [int(event["retain_until_us"]) for event in item["events"] if event["status"] == "tightened"]
    if "withdrawn" in seen and ("recalled" in seen or not ends_us):  # else it came after its end, and was not taken
        return "withdrawn"
    if "refused" in seen:
        return "refused"
    if kept_s is not None:
        ends_us.append(item["at_us"] + int(kept_s) * 1_000_000)
    if ends_us and min(ends_us) <= at_us:
        return "expired"
    if "recalled" in seen:
        return "recalled"
    return "received" if "received" in seen else "sent"


def verify_knew(signed: dict[str, Any], keys: KeyRing, *, now_us: int) -> dict[str, Any]:
    """Body of a report that holds: the owner signed it, and each line is what a proven leaf of its record says.

    Raises
    ------
    VerificationError
        ``record.report`` or the code of the proof that does not hold.
    """
    try:
        body, key_id = signed["report"], str(signed["key_id"])
        owner, party = str(body["record_of"]), str(body["party"])
        keys.verify(owner, key_id, canonical(body), unb64(signed["signature"]), now_us=now_us)
        leaves = {}
        for receipt in body["proofs"]:
            proven = verify_receipt(receipt, owner, keys, now_us=now_us)
            leaves[proven.seq] = proven.leaf
        for item in body["releases"]:
            leaf = leaves[item["seq"]]
            plain = _item(item["seq"], leaf)
            plain["events"], plain["state"] = item["events"], _state(item, int(body["at_us"]))
            if leaf.get("to") != party or plain != item:
                raise VerificationError(f"line {item['seq']} is not what the record says", code="record.report")
            for event in item["events"]:
                told = leaves[event["seq"]]
                if told["release_id"] != item["release_id"] or event != _event(event["seq"], told):
                    raise VerificationError(f"line {event['seq']} is not what the record says", code="record.report")
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise VerificationError(f"not a report: {err}", code="record.report") from err
    return dict(body)


_HEAD = '<script type="application/json" id="report">'


def page(signed: dict[str, Any]) -> str:
    """The report as a page of its own; the signed JSON is inside it."""
    body = signed["report"]
    title = f"What {body['party']} knew at {rfc3339(body['at_us'])}"
    rows = []
    for item in body["releases"]:
        why, word = item["why"], "yes" if item["state"] in KNOWN else "perhaps" if item["state"] == "sent" else "no"
        events = "; ".join(f"{e['status']} {rfc3339(e['at_us'])} (leaf {e['seq']})" for e in item["events"])
        cells = (
            item["seq"], rfc3339(item["at_us"]), item["kind"], item["rows"], word, item["state"],
            "; ".join(why["clauses"]),
            json.dumps(why["obligations"], sort_keys=True), why["decided_by"], ", ".join(why["consents"]), events,
            item["release_id"][:16],
        )  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in cells) + "</tr>")
    inside = json.dumps(signed, sort_keys=True).replace("<", "\\u003c")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        "<style>body{font:14px sans-serif;margin:2em}td,th{border:1px solid #999;padding:.2em .5em;text-align:left}"
        f"table{{border-collapse:collapse}}</style><h1>{html.escape(title)}</h1>"
        f"<p>Record of {html.escape(body['record_of'])}, signed by {html.escape(signed['key_id'])}. Check it: "
        f"<code>kuroshio record verify THIS_FILE --keys BUNDLE</code></p>"
        f"<p>{html.escape(body['limits'])}</p><table><tr>"
        + "".join(f"<th>{n}</th>" for n in HEADS)
        + f"</tr>{''.join(rows)}</table>{_HEAD}{inside}</script></html>\n"
    )


def read_page(text: str) -> dict[str, Any]:
    """Signed JSON of a page or of a JSON file.

    Raises
    ------
    VerificationError
        When there is none, or the page shows other than its JSON says.
    """
    inside = text.partition(_HEAD)[2].partition("</script>")[0] if _HEAD in text else text
    try:
        signed = json.loads(inside)
        if _HEAD in text and page(signed) != text:
            raise VerificationError("the page shows other than what was signed", code="record.report")
    except (ValueError, KeyError, TypeError) as err:
        raise VerificationError(f"not a report: {err}", code="record.report") from err
    return dict(signed)
