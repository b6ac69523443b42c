"""Documents against the agreement schema: every fault with its place and the offending value.

What enters: `Document`. What leaves: `Fault` rows. It checks form only; what the words mean is `build`'s matter.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from kuroshio.accord.faults import Fault, suggest
from kuroshio.accord.source import Document, Path

SCHEMA_FILE = "agreement.schema.json"
MAX_VALUE_SHOWN = 80


@functools.cache
def agreement_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of an agreement file; the same bytes stand in ``spec/agreements``."""
    text = resources.files("kuroshio.accord").joinpath(SCHEMA_FILE).read_text("utf-8")
    return dict(json.loads(text))


@functools.cache
def _validator(definition: str) -> Draft202012Validator:
    schema = agreement_schema()
    return Draft202012Validator({"$defs": schema["$defs"], "$ref": f"#/$defs/{definition}"})


def definition_of(data: Any) -> str:
    """``accord`` where the document is one accord, else ``book``."""
    return "accord" if isinstance(data, dict) and ("kinds" in data or "clauses" in data) else "book"


def validate(document: Document, definition: str | None = None) -> list[Fault]:
    """Faults of form of one document, in order of place; empty when it is of the schema.

    Parameters
    ----------
    document
        Parsed file.
    definition
        Name under ``$defs``; by default accord or book by its keys.
    """
    if not isinstance(document.data, dict):
        return [document.fault((), "accord.schema", f"expected a mapping, found {_shown(document.data)}")]
    errors = _validator(definition or definition_of(document.data)).iter_errors(document.data)
    return sorted({fault for error in errors for fault in _faults(document, error)})


def _faults(document: Document, error: ValidationError) -> Iterator[Fault]:
    if error.context and error.validator in ("oneOf", "anyOf"):
        yield document.fault(tuple(error.absolute_path), "accord.schema", _message(error))
        return
    path: Path = tuple(error.absolute_path)
    schema: Any = error.schema
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(schema.get("properties", {}))
        for name in error.instance:
            if name not in known:
                hint = suggest(str(name), known)
                message = f"unknown field {name!r} in {_where(path)}{hint}"
                yield document.fault((*path, name), "accord.unknown_field", message, key=True)
        return
    is_key = "propertyNames" in error.absolute_schema_path
    yield document.fault((*path, str(error.instance)) if is_key else path, "accord.schema", _message(error), key=is_key)


def _message(error: ValidationError) -> str:
    path: Path = tuple(error.absolute_path)
    where, value = _where(path), _shown(error.instance)
    rule: Any = error.validator_value
    schema: Any = error.schema
    instance: Any = error.instance
    if schema is False or error.validator is None:
        return f"{where} is not allowed here: {value} (see the effect of the clause)"
    if error.validator == "required":
        missing = [name for name in rule if name not in instance]
        return f"{where} lacks {', '.join(map(repr, missing))}"
    if error.validator == "enum":
        return f"{where} is {value}, not one of {', '.join(map(str, rule))}{suggest(str(error.instance), rule)}"
    if error.validator == "pattern":
        meaning = schema.get("description")
        return f"{where} is {value}, not of the form {meaning or rule}"
    if error.validator == "type":
        return f"{where} is {value}, not {rule if isinstance(rule, str) else ' or '.join(rule)}"
    if error.validator == "dependentRequired":
        return f"{where} needs grid_deg and time_bucket_s together: one row a bucket, or exact times leak the position"
    if error.validator == "uniqueItems":
        return f"{where} holds a value twice: {value}"
    return f"{where}: {error.message[:200]}"


def _where(path: Path) -> str:
    if not path:
        return "the file"
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_VALUE_SHOWN else text[: MAX_VALUE_SHOWN - 3] + "..."
