"""The ledger, labels, ODRL, AuthZEN, signatures and activities of `kuroshio accord` as a person uses them."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from kuroshio import accord, clock
from kuroshio.accord.samples import FOLDER
from kuroshio.cli.main import app
from kuroshio.errors import KuroshioError
from kuroshio.schema import ITEMS

ORDER = {
    "accord": "AUS-JPN-ACSA", "from": "JPN", "to": "AUS", "item": "fuel", "quantity": 100, "unit": "m3",
    "price_basis": "cost", "unit_price": 7, "currency": "JPY", "payment_mode": "cash", "place": "Yokosuka",
    "date": "2026-03-02",
}  # fmt: skip
ITEM = {"kind": "information", "subject": "vessel", "originator": "PHL", "level": "R", "purpose": "maritime_safety"}


def run(*args: object):
    return CliRunner().invoke(app, ["accord", *map(str, args)])


def ok(*args: object):
    found = run(*args)
    assert found.exit_code == 0, (args, found.output, found.exception)
    return found


def told(*args: object) -> dict:
    out = ok(*args).stdout
    return json.loads(out[out.index("{") :])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ledger.jsonl"
    steps = [
        ("order", "AUS:smith", ORDER, "2026-03-01"),
        ("accept", "JPN:sato", {}, "2026-03-01T01:00:00Z"),
        ("deliver", "JPN:ito", {"source_document": "sha256:" + "0" * 64, "delivered_at": "x"}, "2026-03-02"),
        ("receipt", "AUS:jones", {"received": 90}, "2026-03-02T01:00:00Z"),
    ]
    for step, by, facts, at in steps:
        ok("ledger", "add", path, "support", "o1", step, "--by", by, "-f", json.dumps(facts), "--at", at)
    return path


def test_ledger_from_order_to_balance(file):
    assert "receipted" in ok("ledger", "show", file).stdout
    assert "AUS:jones" in ok("ledger", "show", file, "o1").stdout
    assert told("ledger", "show", file, "--json")["exchanges"][0]["state"] == "receipted"
    assert "630" in ok("ledger", "balances", file, "--year", 2026).stdout
    assert told("ledger", "balances", file, "--json")["balances"][0]["debtor"] == "AUS"
    assert told("ledger", "duties", file, "--json")["duties"][0]["cite"] == "AUS-JPN-ACSA Art.5"
    assert "Art.5" in ok("ledger", "duties", file).stdout
    assert told("ledger", "commitments", file, "--json")["commitments"]
    assert "2026-05-28" in ok("ledger", "commitments").stdout
    assert "unit_price" in ok("ledger", "steps", "support").stdout
    assert told("ledger", "steps", "access", "--json")["steps"][0]["step"] == "propose"


def test_a_weapon_is_refused_with_its_clause_and_leaves_no_line(file):
    before = file.read_text()
    order = json.dumps({**ORDER, "item": "weapon_system", "decision": "permit"})
    found = run("ledger", "add", file, "support", "o2", "order", "--by", "AUS:smith", "-f", order)
    assert found.exit_code != 0
    assert isinstance(found.exception, KuroshioError)
    assert "AUS-JPN-ACSA Art.2.w" in str(found.exception)
    assert file.read_text() == before


def test_ledgers_are_compared(file, tmp_path):
    other = tmp_path / "other.jsonl"
    lines = file.read_text().splitlines()
    other.write_text("\n".join([*lines[::-1], lines[0]]) + "\n")
    assert told("ledger", "reconcile", file, other, "--json")["same"] is True
    other.write_text("\n".join(lines[:3]) + "\n")
    found = run("ledger", "reconcile", file, other)
    assert found.exit_code == 7
    assert "only ours: support o1 receipt" in found.stdout


def test_a_bad_line_is_named(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"kind": "gift"}\n')
    found = run("ledger", "show", path)
    assert "bad.jsonl:1" in str(found.exception)


def test_labels_go_out_and_come_back(tmp_path):
    item = json.dumps({**ITEM, "releasable_to": ["JPN", "USA"]})
    found = told("label", "-i", item, "--json")
    assert found["rel_to"] == "REL TO JPN, USA"
    path = tmp_path / "label.xml"
    path.write_text(found["stanag_4774"])
    read = told("read-label", f"@{path}", "--json")
    assert read["attributes"]["level"] == "R"
    assert read["attributes"]["releasable_to"] == ["JPN", "USA"]
    path.write_text(told("label", "-i", item, "--bind", "file:picture.parquet", "--json")["stanag_4774"])
    assert 'URI="file:picture.parquet"' in path.read_text()
    assert told("read-label", f"@{path}", "--json")["attributes"] == read["attributes"]
    container = path.read_text().partition("<s4778:MetadataBindingContainer>")[2].partition("</s4778:BindingInfo")[0]
    twice = path.read_text().replace(
        "</s4778:BindingInfo", f"<s4778:MetadataBindingContainer>{container}</s4778:BindingInfo"
    )
    path.write_text(twice)
    assert "2 labels" in str(run("read-label", f"@{path}").exception)
    assert "REL TO" in ok("label", "-i", item).stdout
    assert told("read-label", "TLP:RED", "--json")["obligations"] == {"marking": ["TLP:RED"], "onward": False}
    assert "rel_to" in ok("read-label", "SECRET//REL TO JPN, PHL").stdout
    assert "neither" in str(run("read-label", "hello").exception)


def test_odrl_and_authzen():
    assert told("odrl", "JPN-PHL-RAA")["@type"] == "Agreement"
    request = {"subject": {"type": "party", "id": "JPN"}, "action": {"name": "release"},
               "resource": {"type": "item", "id": "t", "properties": ITEM}}  # fmt: skip
    assert told("authzen", json.dumps(request), "--from", "PHL")["decision"] is True
    batch = {"evaluations": [request, {**request, "subject": {"type": "party", "id": "KOR"}}]}
    found = told("authzen", json.dumps(batch), "--from", "PHL")["evaluations"]
    assert [e["decision"] for e in found] == [True, False]


def test_signatures_by_each_party_and_versions_that_only_append(tmp_path):
    keys = {p: Ed25519PrivateKey.generate() for p in ("JPN", "PHL")}
    for path in accord.sample_paths():
        text = path.read_text()
        for party, key in keys.items():
            public = key.public_key().public_bytes_raw().hex()
            line = f"    keys: [{{office: competent_authority, ed25519: {public}}}]\n"
            text = text.replace(f"  - code: {party}\n", f"  - code: {party}\n{line}")
        (tmp_path / path.name).write_text(text)
    lines = []
    for party, key in keys.items():
        (tmp_path / f"{party}.key").write_text(key.private_bytes_raw().hex())
        signed = told("sign", "JPN-PHL-RAA", "--party", party, "--office", "competent_authority",
                      "--key", tmp_path / f"{party}.key", "-b", tmp_path)  # fmt: skip
        lines.append(json.dumps(signed))
    (tmp_path / "signatures.jsonl").write_text("\n".join(lines))
    found = told("verify", tmp_path / "signatures.jsonl", "-b", tmp_path, "--earlier", FOLDER, "--json")
    assert found["signed"] == {"JPN-PHL-RAA": {"JPN": True, "PHL": True}}
    assert "JPN, PHL" in ok("verify", tmp_path / "signatures.jsonl", "-b", tmp_path).stdout
    changed = tmp_path / "jpn-phl-cooperation.yaml"
    changed.write_text(changed.read_text().replace("answer_within: P14D", "answer_within: P15D"))
    assert "not the content that was signed" in str(
        run("verify", tmp_path / "signatures.jsonl", "-b", tmp_path).exception
    )
    (tmp_path / "signatures.jsonl").write_text("")
    again = run("verify", tmp_path / "signatures.jsonl", "-b", tmp_path, "--earlier", FOLDER)
    assert "clauses changed and the version is still 1" in str(again.exception)


def test_activities_and_the_shape_of_the_network():
    found = {a["id"]: a["state"] for a in told("activities", "--at", "2026-11-20", "--json")["activities"]}
    assert found == {"DRILL-2026": "running", "RELIEF-2025": "over"}
    assert "luzon_strait" in ok("activities").stdout
    shape = told("graph", "--at", "2026-11-20", "--json")["shape"]
    assert shape["lattice"]["worst_party_share_lost"] == 0.0
    assert shape["hub_and_spoke"]["worst_party_share_lost"] > shape["as_it_is"]["worst_party_share_lost"] > 0.3
    assert "lattice" in ok("graph").stdout


@pytest.mark.parametrize("language", ["en", "ja", "fil"])
def test_no_clause_of_the_samples_is_left_in_another_language(language):
    assert "[en]" not in ok("print", "-l", language).stdout


def test_dry_run_writes_its_map(tmp_path):
    rows = ITEMS.from_rows([{**ITEM, "item_id": "a", "level": "C", "lat_deg": 20.0, "lon_deg": 121.0, "held_under": [],
                             "caveats": [], "sensors": ["radar"], "exercise": False,
                             "observed_at": clock.parse_rfc3339("2026-11-20")}])  # fmt: skip
    pq.write_table(rows, tmp_path / "p.parquet")
    out = tmp_path / "map.geojson"
    found = ok(
        "dry-run", tmp_path / "p.parquet", "--from", "PHL", "--to", "JPN", "-d", accord.draft_path(), "--map", out
    )
    assert json.loads(out.read_text())["features"][0]["properties"] == {"rows": 1, "effect": 1, "terms": 0}
    assert "JPN: deny ->" in found.stdout
