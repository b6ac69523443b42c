"""The agreement vectors of the specification, through the command line as another implementation would be run."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from kuroshio.cli.accord import app

SPEC = Path(__file__).resolve().parents[2] / "spec" / "agreements"
VECTORS = json.loads((SPEC / "vectors" / "decisions.json").read_text("utf-8"))
DIGESTS = json.loads((SPEC / "vectors" / "digests.json").read_text("utf-8"))


def test_the_schema_shipped_is_the_schema_published():
    shipped = resources.files("kuroshio.accord").joinpath("agreement.schema.json").read_bytes()
    assert shipped == (SPEC / "agreement.schema.json").read_bytes()
    Draft202012Validator.check_schema(json.loads(shipped))


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
def test_decision(vector, tmp_path):
    book = tmp_path / "book.yaml"
    book.write_text(json.dumps(vector["book"]))
    arguments = ["why", "--item", json.dumps(vector["item"]), "--from", vector["from"], "--to", vector["to"]]
    arguments += ["--at", vector["at"], "--book", str(book), "--json"]
    if vector["known"] is not None:
        arguments += ["--known", vector["known"]]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, (found.output, found.exception)
    answer = json.loads(found.stdout.splitlines()[-1])
    assert {name: answer[name] for name in vector["expect"]} == vector["expect"]


@pytest.mark.parametrize("vector", DIGESTS, ids=[v["name"] for v in DIGESTS])
def test_digest(vector, tmp_path):
    book = tmp_path / "book.yaml"
    book.write_text(json.dumps(vector["book"]))
    found = CliRunner().invoke(app, ["check", str(book), "--json"])
    assert json.loads(found.stdout.splitlines()[-1])["rules_digest"] == vector["digest"]


def test_digests_tell_content_apart_and_nothing_else():
    one, same, other = (v["digest"] for v in DIGESTS)
    assert one == same
    assert one != other
