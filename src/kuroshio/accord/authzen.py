"""Decisions in the shape of the OpenID AuthZEN Authorization API 1.0, so that other systems can ask this one.

What enters: evaluation requests: subject a party, action ``release``, resource a thing with its attributes. What
leaves: responses; the boolean is true only for what may go now and straight, with its terms in the context. Source:
Authorization API 1.0, sections 5 to 7. It serves nothing; `api` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuroshio.accord.attributes import to_us
from kuroshio.accord.book import Book
from kuroshio.accord.traces import reason_dict
from kuroshio.errors import InputError

ACTION = "release"
MAX_EVALUATIONS = 1000


def evaluation(book: Book, request: Mapping[str, Any], *, releaser: str, now_us: int) -> dict[str, Any]:
    """Response to one evaluation request.

    Parameters
    ----------
    book
        Agreements.
    request
        ``subject`` {type: party, id}, ``action`` {name: release}, ``resource`` {type: item, id, properties: columns of
        ITEMS}, ``context`` {time} optional.
    releaser
        Party this node belongs to.
    now_us
        Moment of the decision where the context names none, UTC microseconds.

    Raises
    ------
    InputError
        When a part is missing or of another type.
    """
    subject, resource = _entity(request, "subject"), _entity(request, "resource")
    action = request.get("action")
    if not isinstance(action, Mapping) or action.get("name") != ACTION:
        raise InputError(f"action {action!r} is not {{'name': '{ACTION}'}}", code="accord.authzen")
    if subject["type"] != "party" or resource["type"] != "item":
        raise InputError("subject must be a party and resource an item", code="accord.authzen")
    context = request.get("context") or {}
    at = to_us(context.get("time")) if isinstance(context, Mapping) else None
    properties = resource.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise InputError("resource properties are not an object", code="accord.authzen")
    item = {**properties, "item_id": resource["id"]}
    decision = book.evaluate(item, releaser=releaser, to=str(subject["id"]), valid_at_us=now_us if at is None else at)
    return {
        "decision": decision.flows and decision.obligations.via is None,
        "context": {
            "effect": decision.effect.word,
            "cited": decision.cited,
            "role": decision.role,
            "obligations": decision.obligations.as_dict(),
            "held_under": list(decision.held_under),
            "rules_digest": decision.rules_digest,
            "reason_admin": [reason_dict(r) for r in decision.reasons],
        },
    }


def evaluations(book: Book, request: Mapping[str, Any], *, releaser: str, now_us: int) -> dict[str, Any]:
    """Responses to a batch: top-level parts are the defaults of each entry; one bad entry is a false with its error.

    Raises
    ------
    InputError
        When ``evaluations`` is no list, or has more than 1,000 entries.
    """
    listed = request.get("evaluations")
    if not isinstance(listed, list) or len(listed) > MAX_EVALUATIONS:
        raise InputError(f"evaluations must be a list of at most {MAX_EVALUATIONS}", code="accord.authzen")
    defaults = {k: request[k] for k in ("subject", "action", "resource", "context") if k in request}
    out = []
    for one in listed:
        try:
            if not isinstance(one, Mapping):
                raise InputError("an evaluation is not an object", code="accord.authzen")
            out.append(evaluation(book, {**defaults, **one}, releaser=releaser, now_us=now_us))
        except InputError as err:
            out.append({"decision": False, "context": {"error": {"code": err.error_code, "message": err.message}}})
    return {"evaluations": out}


def _entity(request: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = request.get(name)
    if not isinstance(found, Mapping) or not found.get("type") or not found.get("id"):
        raise InputError(f"{name} needs type and id", code="accord.authzen")
    return found
