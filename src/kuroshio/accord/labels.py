"""Labels of other systems in and out: confidentiality label XML, REL TO strings, Traffic Light Protocol.

What enters: attributes of a thing, or label text. What leaves: label text, or attributes and terms. Sources: the
public descriptions of STANAG 4774 (ADatP-4774 Edition A Version 1: namespace, ConfidentialityInformation,
PolicyIdentifier, Classification, Category) and of STANAG 4778 (BindingInformation, MetadataBinding, DataReference);
FIRST TLP 2.0. Not checked against the NATO schema files, which are not public here. A label that says more than is
understood is never loosened: an unknown classification leaves the level unknown, and an unknown restrictive category
becomes a marking that a person must judge.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from kuroshio.clock import rfc3339
from kuroshio.errors import InputError
from kuroshio.schema import Obligations

NAMESPACE = "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"  # ADatP-4774 Ed. A V. 1
BINDING = "urn:nato:stanag:4778:bindinginformation:1:0"  # ADatP-4778 Ed. A V. 1
MAX_LABEL_BYTES = 65_536
MAX_LABELS = 200
CLASSIFICATIONS = {"U": "UNCLASSIFIED", "R": "RESTRICTED", "C": "CONFIDENTIAL", "S": "SECRET", "TS": "TOP SECRET"}
_LEVELS = {name: level for level, name in CLASSIFICATIONS.items()}
RELEASABLE, CAVEAT, ACCORDS = "Releasable To", "National Caveat", "Held Under"
_PARTY = re.compile(r"^[A-Z]{3}$")


def label_xml(item: Mapping[str, Any], *, created_us: int, policy: str | None = None) -> str:
    """Confidentiality label of a thing.

    Parameters
    ----------
    item
        Attributes by column of ITEMS; ``originator`` names the policy unless given.
    created_us
        Creation time, UTC microseconds.
    policy
        Policy identifier.

    Raises
    ------
    InputError
        When level or originator is missing: a label must not guess.
    """
    level, originator = item.get("level"), item.get("originator")
    if level not in CLASSIFICATIONS or not originator:
        raise InputError(
            f"no label without a known level and an originator: {level!r}, {originator!r}", code="accord.label"
        )
    ET.register_namespace("s4774", NAMESPACE)
    root = ET.Element(f"{{{NAMESPACE}}}originatorConfidentialityLabel")
    information = ET.SubElement(root, f"{{{NAMESPACE}}}ConfidentialityInformation")
    ET.SubElement(information, f"{{{NAMESPACE}}}PolicyIdentifier").text = policy or str(originator)
    ET.SubElement(information, f"{{{NAMESPACE}}}Classification").text = CLASSIFICATIONS[level]
    categories = (
        (RELEASABLE, "PERMISSIVE", item.get("releasable_to")),
        (CAVEAT, "RESTRICTIVE", item.get("caveats")),
        (ACCORDS, "INFORMATIVE", item.get("held_under")),
    )
    for tag, kind, values in categories:
        if not values and not (tag == RELEASABLE and values is not None):
            continue
        category = ET.SubElement(information, f"{{{NAMESPACE}}}Category", {"TagName": tag, "Type": kind})
        for value in sorted(values):
            ET.SubElement(category, f"{{{NAMESPACE}}}GenericValue").text = str(value)
    ET.SubElement(root, f"{{{NAMESPACE}}}CreationDateTime").text = rfc3339(created_us)
    return ET.tostring(root, encoding="unicode")


def binding_xml(item: Mapping[str, Any], *, uri: str, created_us: int, policy: str | None = None) -> str:
    """The label of a thing bound to it by reference: STANAG 4778 BindingInformation around the 4774 label.

    Parameters
    ----------
    item, created_us, policy
        As for `label_xml`.
    uri
        What the label is of, such as the address of a file.
    """
    ET.register_namespace("s4778", BINDING)
    root = ET.Element(f"{{{BINDING}}}BindingInformation")
    container = ET.SubElement(root, f"{{{BINDING}}}MetadataBindingContainer")
    binding = ET.SubElement(container, f"{{{BINDING}}}MetadataBinding")
    metadata = ET.SubElement(binding, f"{{{BINDING}}}Metadata")
    metadata.append(ET.fromstring(label_xml(item, created_us=created_us, policy=policy)))  # noqa: S314 - our own text
    ET.SubElement(binding, f"{{{BINDING}}}DataReference", {"URI": uri})
    return ET.tostring(root, encoding="unicode")


def attributes_of_label(text: str) -> dict[str, Any]:
    """Attributes by column of ITEMS that a confidentiality label says.

    Raises
    ------
    InputError
        When the text is not such a label, is larger than 64 KiB, or has a document type declaration.
    """
    if len(text) > MAX_LABEL_BYTES or "<!" in text:
        raise InputError("label is too large or has declarations", code="accord.label")
    try:
        root = ET.fromstring(text)  # noqa: S314 - declarations are refused above, so no entity can expand
    except ET.ParseError as err:
        raise InputError(f"label is not XML: {err}", code="accord.label") from err
    names = ("originatorConfidentialityLabel", "ConfidentialityLabel", "alternativeConfidentialityLabel")
    if root.tag == f"{{{BINDING}}}BindingInformation":
        bound = root.findall(f".//{{{BINDING}}}Metadata/*")
        if len(bound) != 1:  # which of several labels holds for what is not this reader's to guess
            raise InputError(f"a binding with {len(bound)} labels, not one", code="accord.label")
        root = bound[0]
    if root.tag not in {f"{{{NAMESPACE}}}{name}" for name in names}:
        raise InputError(f"not a confidentiality label: {root.tag[:120]!r}", code="accord.label")
    information = root.find(f"{{{NAMESPACE}}}ConfidentialityInformation")
    if information is None:
        raise InputError("label lacks ConfidentialityInformation", code="accord.label")
    classification = (information.findtext(f"{{{NAMESPACE}}}Classification") or "").strip().upper()
    policy = (information.findtext(f"{{{NAMESPACE}}}PolicyIdentifier") or "").strip()
    found: dict[str, Any] = {
        "level": _LEVELS.get(classification),
        "originator": policy if _PARTY.match(policy) else None,
        "releasable_to": None,
        "caveats": [],
        "held_under": None,
    }
    categories = information.findall(f"{{{NAMESPACE}}}Category")
    if len(categories) > MAX_LABELS:
        raise InputError(f"label has {len(categories)} categories", code="accord.label")
    for category in categories:
        _take(found, category)
    return found


def _take(found: dict[str, Any], category: ET.Element) -> None:
    tag, kind = category.get("TagName", ""), category.get("Type", "")
    values = sorted({(v.text or "").strip() for v in category} - {""})
    if tag.replace(" ", "").lower() in ("releasableto", "relto"):
        limit = set(values) if found["releasable_to"] is None else set(values) & set(found["releasable_to"])
        found["releasable_to"] = sorted(limit)
    elif tag == ACCORDS:
        found["held_under"] = sorted({*values, *(found["held_under"] or ())})
    elif kind != "INFORMATIVE":
        # restrictive, and what is not understood: it stays on the thing as a marking
        found["caveats"] = sorted({*found["caveats"], *(values or [tag])})


def parse_rel_to(text: str) -> list[str] | None:
    """Parties of a ``REL TO JPN, PHL`` string, sorted; None when the text holds no such phrase.

    Raises
    ------
    InputError
        When a name in it is not an alpha-3 code: a code of another scheme must not be dropped.
    """
    match = re.search(r"\bREL(?:EASABLE)? TO[: ]+([A-Za-z0-9, /&]+)", text.strip(), re.IGNORECASE)
    if match is None:
        return None
    names = [n for n in re.split(r"[,/&]|\bAND\b|\s+", match.group(1).upper()) if n]
    wrong = [n for n in names if not _PARTY.match(n)]
    if wrong or not names:
        raise InputError(f"REL TO names no party: {wrong or text!r}", code="accord.label")
    return sorted(set(names))


def rel_to(parties: list[str]) -> str:
    """``REL TO`` string of parties, sorted."""
    return f"REL TO {', '.join(sorted(parties))}"


# FIRST TLP 2.0: RED the recipients only; AMBER+STRICT the organisation; AMBER also its clients; GREEN the community
_TLP_ONWARD = {"RED": False, "AMBER+STRICT": False, "AMBER": False, "GREEN": True, "CLEAR": True, "WHITE": True}


def parse_tlp(text: str) -> Obligations:
    """Terms of a Traffic Light Protocol label; WHITE is the old name of CLEAR.

    Raises
    ------
    InputError
        On an unknown colour.
    """
    match = re.fullmatch(r"\s*(?:TLP[: ]\s*)?([A-Z]+(?:\+STRICT)?)\s*", text.upper())
    colour = match.group(1) if match else ""
    if colour not in _TLP_ONWARD:
        raise InputError(f"not a TLP label: {text!r}", code="accord.label")
    name = "CLEAR" if colour == "WHITE" else colour
    marking = frozenset() if name == "CLEAR" else frozenset((f"TLP:{name}",))
    return Obligations(onward=_TLP_ONWARD[colour], marking=marking)


def read(text: str) -> dict[str, Any] | None:
    """What a label of any of the three kinds says: ``form``, ``attributes`` of ITEMS, ``obligations``; None for none.

    Raises
    ------
    InputError
        When it is of one of the forms and malformed.
    """
    if text.lstrip().startswith("<"):
        return {"form": "stanag_4774", "attributes": attributes_of_label(text), "obligations": {}}
    parties = parse_rel_to(text)
    if parties is not None:
        return {"form": "rel_to", "attributes": {"releasable_to": parties}, "obligations": {}}
    if "TLP" not in text.upper():
        return None
    return {"form": "tlp", "attributes": {}, "obligations": parse_tlp(text).as_dict()}
