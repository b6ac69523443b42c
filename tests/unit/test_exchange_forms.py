"""Two forms of a release of tracks: a partner is told the newer one where it reads it, and the older one unchanged."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.test_exchange_seal import PHL, SECRET, T0, accept, decision, seal, tracks
from typer.testing import CliRunner

from kuroshio import exchange
from kuroshio.cli.exchange import app
from kuroshio.errors import VerificationError
from kuroshio.exchange import Outlet, Terms, rows_of, seal_record, view
from kuroshio.exchange.carry import write_bundles
from kuroshio.exchange.columns import row_bytes
from kuroshio.exchange.lineage import is_own_provenance
from kuroshio.exchange.select import select_tracks
from kuroshio.node import unread
from kuroshio.peers import TRACK_FORM_OF, Item, Lane
from kuroshio.peers.frames import WIRE_VERSIONS
from kuroshio.schema import TRACKS, Effect, Obligations, merkle
from kuroshio.schema.release import RELEASED_TRACKS, TRACK_FORMS, TRACKLETS, Release
from kuroshio.schema.signing import b64, canonical, unb64
from kuroshio.testing.handnode import HandNode, trusting

WHOLE = ("cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2", "cov_eve_m2s", "cov_evn_m2s", "cov_nve_m2s", "cov_nvn_m2s")


@pytest.mark.parametrize(
    ("opened", "terms", "leave"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"redact": frozenset({"tracklets"})}, False),
        (True, {"redact": frozenset({"kinematics"})}, False),
        (True, {"redact": frozenset({"cov_eve_m2s"})}, False),
        (True, {"grid_deg": 0.1}, False),
        (True, {"marking": frozenset({"LEAK-EVIDENCE"})}, False),
    ],
)
def test_provenance_and_whole_covariances_leave_together_where_all_allow_it(
    opened: bool, terms: dict[str, object], leave: bool
) -> None:
    values = {name: np.full(3, 0.01 * (k + 1)) for k, name in enumerate(WHOLE)}
    values["cov_eve_m2s"][2] = np.nan  # not whole
    rows = tracks(3, **values)
    outlet = Outlet("JPN", SECRET, form=2 if opened else 1)
    release = seal(rows, decision(**terms), outlet)  # type: ignore[arg-type]
    assert release is not None
    told = rows_of(release)
    assert release.fields["wire"] == (2 if leave else 1)
    assert tuple(told.column_names) == TRACK_FORMS[release.fields["wire"]].names  # there is nothing to empty
    if leave:
        told = told.sort_by("mmsi")
        for name in (*WHOLE, "provenance"):
            assert [v is not None for v in told[name].to_pylist()] == [True, True, False], name
        again = select_tracks(rows, Obligations(), Outlet("USA", SECRET, form=2)).sort_by("mmsi")
        assert again["provenance"].to_pylist() == told["provenance"].to_pylist()
        assert again["ref"].to_pylist() != told["ref"].to_pylist()
        mine = told["provenance"][0].as_py()
        assert is_own_provenance(SECRET, mine)
        assert not is_own_provenance(b"another node's secret", mine)
        assert not is_own_provenance(SECRET, "x" + mine[1:]) or mine[0] == "x"
        assert told["cov_vnn_m2s2"][0].as_py() == pytest.approx(0.03)


BOOK = """
levels: {order: [U, R, C, S, TS]}
vocabulary: {subject: [vessel, dark_vessel, alert], purpose: [maritime_safety]}
parties:
  - {code: PHL, name: P, offices: {release_authority: ra}, enforces: [retention, onward, purpose, marking]}
  - {code: JPN, name: J, offices: {release_authority: ra}, enforces: [retention, onward, purpose, marking]}
accords:
  - id: TWO
    title: made up for a test
    kinds: [information]
    parties: [PHL, JPN]
    binding: treaty
    interpretation: {by: test, date: 2020-01-01, note: "illustrative; made up for a test"}
    status: [{state: in_force, from: 2020-01-01, recorded: 2020-01-01, source: test, confidence: in_force}]
    clauses: [{id: Art.1, effect: permit, text: all of it, when: {subject: {in: [vessel]}, level: {lte: R}}}]
release_orders:
  - {id: ORDER, by: PHL.release_authority, party: PHL, to: [JPN], valid: {from: 2020-01-01, until: 2035-01-01},
     when: {subject: {in: [vessel]}}}
"""


def whole(n: int = 3, **more: object) -> pa.Table:
    return tracks(n, **{name: np.full(n, 0.01 * (k + 1)) for k, name in enumerate(WHOLE)}, **more)


def test_the_older_form_is_what_it_was() -> None:
    """Frozen: what a node of the version before reads, in its order, and nothing else."""
    assert TRACK_FORMS[1].names == (
        "ref", "observed_at", "lat_deg", "lon_deg", "cov_ee_m2", "cov_en_m2", "cov_nn_m2", "sog_mps", "cog_deg",
        "vel_sigma_mps", "heading_deg", "p_exists", "status", "flags", "sensors", "mmsi", "p_identity", "imo", "name",
        "call_sign", "ship_type", "length_m", "nav_status", "lineage", "exercise",
    )  # fmt: skip
    assert TRACK_FORMS[2].names == (*TRACK_FORMS[1].names, *RELEASED_TRACKS.names[-8:])
    assert set(RELEASED_TRACKS.names[-8:]) == TRACKLETS
    assert set(TRACK_FORM_OF) == set(WIRE_VERSIONS)  # each version that is spoken reads a form
    assert set(TRACK_FORM_OF.values()) == set(TRACK_FORMS)


def test_both_forms_say_the_same_of_what_both_have_and_arrive_as_one_table() -> None:
    old, new = (seal(whole(), decision(), Outlet("JPN", SECRET, form=form)) for form in (1, 2))
    assert old is not None
    assert new is not None
    for form, release in ((1, old), (2, new)):
        rows = row_bytes(rows_of(release), TRACK_FORMS[form])
        leaves = exchange.row_commitments(rows, unb64(release.fields["salt_seed"]))
        assert release.fields["bundle_root"] == b64(merkle.root(leaves))  # the leaf commits to what was sent
        assert release.leaf()["bundle_root"] == release.fields["bundle_root"]
    before, after = accept(old), accept(new)
    assert before.released is not None
    assert after.released is not None
    assert before.released.schema == after.released.schema == RELEASED_TRACKS.arrow
    names = list(TRACK_FORMS[1].names)
    assert before.released.select(names).equals(after.released.select(names))
    assert before.tracks is not None
    assert after.tracks is not None
    for name in TRACKLETS - {"cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2"}:
        assert before.tracks[name].null_count == 3
        assert after.tracks[name].null_count == 0
    assert after.tracks["cov_ven_m2s2"].to_pylist() == [0.02] * 3
    assert before.tracks["cov_ven_m2s2"].to_pylist() != after.tracks["cov_ven_m2s2"].to_pylist()


def resealed(release: Release, **header: object) -> Release:
    """The release with other words in its header, signed by its releaser."""
    encoded = canonical({**release.fields, **header})
    return replace(release, header=encoded, signature=PHL.sign(encoded), _parsed={})


def test_a_form_that_is_not_what_the_header_says_is_refused() -> None:
    old, new = (seal(whole(), decision(), Outlet("JPN", SECRET, form=form)) for form in (1, 2))
    assert old is not None
    assert new is not None
    for release, wire, code in (
        (old, 2, "exchange.columns"),
        (new, 1, "exchange.columns"),
        (new, 3, "exchange.version"),
        (new, 0, "exchange.version"),
        (old, True, "exchange.version"),
        (old, None, "exchange.version"),
    ):
        with pytest.raises(VerificationError) as caught:
            accept(resealed(release, wire=wire))
        assert caught.value.error_code == code, wire
    terms = Terms("PHL", "JPN", T0, PHL)
    text = seal_record("safety", {"text": "CALM", "at_us": T0}, decision(), outlet=Outlet("JPN", SECRET), terms=terms)
    accept(text)
    with pytest.raises(VerificationError, match="reads \\[1\\]"):  # only tracks have another form
        accept(resealed(text, wire=2))


def test_a_view_is_in_the_form_that_is_sent_and_what_was_given_is_kept_over_a_change_of_form() -> None:
    outlet = Outlet("JPN", SECRET, form=2)
    new = seal(whole(), decision(), outlet)
    assert new is not None
    outlet.form = 1
    old = seal(whole(2, at_us=T0 + 1_000_000), decision(), outlet, now_us=T0 + 1_000_000)
    assert old is not None
    assert (new.fields["wire"], old.fields["wire"]) == (2, 1)
    given = outlet.picture()
    assert given.schema == RELEASED_TRACKS.arrow
    assert [p is None for p in given.sort_by("mmsi")["provenance"].to_pylist()] == [True, True, False]
    shown = view([(whole(), decision()), (whole(1), decision(Effect.OBLIGE, grid_deg=0.1))], releaser="PHL", to="JPN",
                 now_us=T0, outlet=Outlet("JPN", SECRET, form=2))  # fmt: skip
    assert shown.released["provenance"].null_count == 1


def test_what_lies_in_a_queue_for_a_partner_of_older_software_stays_and_its_tracks_go_in_the_older_form(
    tmp_path: Path,
) -> None:
    trusting(tmp_path, ("PHL", "JPN"), now_us=T0 - 1)
    (tmp_path / "book.yaml").write_text(BOOK, encoding="utf-8")
    partner = {"party": "JPN", "url": "https://127.0.0.1:1", "tracklets": True}
    document = {"node": {"party": "PHL", "name": "PHL"}, "accords": {"paths": ["../book.yaml"]}, "partners": [partner]}
    node = HandNode(tmp_path / "PHL", document)
    rows = whole()
    node.parts.core.picture = rows

    def told(now_us: int) -> list[exchange.Parcel]:
        node.sharing.share((rows.slice(0, 0), rows.slice(0, 0)), rows, own=rows, now_us=now_us)
        parcels, node.parcels[:] = list(node.parcels), []
        return [parcel for parcel in parcels if parcel.kind == "tracks"]

    node.sharing.reconsider(rows)
    [parcel] = told(T0)
    assert Release.from_bytes(parcel.data).fields["wire"] == 2
    item = Item(Lane.STATE, 0, "tracks", parcel.release_id, "", T0, parcel.data)
    assert node.room.may_still_go(item, now_us=T0, form=2)
    assert told(T0 + 1) == []  # nothing moved
    node.forms["JPN"] = 1  # its stream came up again with the version before
    assert not node.room.may_still_go(item, now_us=T0 + 1, form=1)
    node.room.settle([], now_us=T0 + 1)
    [again] = told(T0 + 2)
    release = Release.from_bytes(again.data)
    assert release.fields["wire"] == 1
    assert sorted(rows_of(release)["ref"].to_pylist()) == sorted(
        rows_of(Release.from_bytes(parcel.data))["ref"].to_pylist()
    )
    assert node.room.may_still_go(replace(item, release_id=again.release_id, body=again.data), now_us=T0 + 2, form=1)
    node.close()
    with (tmp_path / "stick").open("wb") as file:
        write_bundles(file, [parcel.data, again.data])
    words = ["import", str(tmp_path / "stick"), "--keys", str(tmp_path / "JPN" / "keys"), "--json"]
    done = CliRunner().invoke(app, [*words, "--tracks", str(tmp_path / "rows.parquet")])
    assert done.exit_code == 0, done.output
    carried = pq.read_table(tmp_path / "rows.parquet")
    assert carried.schema.names == list(TRACKS.names)
    assert [p is None for p in carried["provenance"].to_pylist()] == [False] * 3 + [True] * 3


def test_an_end_that_an_older_partner_could_not_read_is_told_it_in_the_older_form(tmp_path: Path) -> None:
    """The track has left the picture by then: its last row comes from the release that would have told it."""
    trusting(tmp_path, ("PHL", "JPN"), now_us=T0 - 1)
    (tmp_path / "book.yaml").write_text(BOOK, encoding="utf-8")
    partner = {"party": "JPN", "url": "https://127.0.0.1:1", "tracklets": True}
    document = {"node": {"party": "PHL", "name": "PHL"}, "accords": {"paths": ["../book.yaml"]}, "partners": [partner]}
    node = HandNode(tmp_path / "PHL", document)
    rows = whole()

    def told(changed: pa.Table, picture: pa.Table, now_us: int) -> list[exchange.Parcel]:
        node.parts.core.picture = picture
        node.sharing.share((changed, changed), picture, own=picture, now_us=now_us)
        parcels, node.parcels[:] = list(node.parcels), []
        return [parcel for parcel in parcels if parcel.kind == "tracks"]

    [first] = told(rows, rows, T0)
    one = whole(1, at_us=T0 + 1_000_000)
    at = one.schema.get_field_index("status")
    ended = one.set_column(
        at, TRACKS.arrow.field(at), pa.array(["ended"]).dictionary_encode().cast(TRACKS.arrow.field(at).type)
    )
    left = rows.filter(pa.array([i != ended["track_id"][0].as_py() for i in rows["track_id"].to_pylist()]))
    [over] = told(ended, left, T0 + 2_000_000)
    assert Release.from_bytes(over.data).fields["wire"] == 2
    node.forms["JPN"] = 1  # its stream came up again with the version before, and the end still waited
    item = Item(Lane.STATE, 1, "tracks", over.release_id, "", T0, over.data)
    assert not node.room.may_still_go(item, now_us=T0 + 3_000_000, form=1)
    node.room.settle([], now_us=T0 + 3_000_000)
    [again] = told(ended.slice(0, 0), left, T0 + 4_000_000)
    release = Release.from_bytes(again.data)
    assert release.fields["wire"] == 1
    [row] = rows_of(release).to_pylist()
    before = rows_of(Release.from_bytes(over.data)).to_pylist()[0]
    assert row["status"] == "ended"
    assert row == {name: before[name] for name in row}
    assert row["ref"] in rows_of(Release.from_bytes(first.data))["ref"].to_pylist()
    node.close()


def test_a_form_refused_in_a_file_is_told_in_the_older_one(tmp_path: Path) -> None:
    trusting(tmp_path, ("PHL", "JPN"), now_us=T0 - 1)
    (tmp_path / "book.yaml").write_text(BOOK, encoding="utf-8")
    partner = {"party": "JPN", "url": "https://127.0.0.1:1", "tracklets": True}
    document = {"node": {"party": "PHL", "name": "PHL"}, "accords": {"paths": ["../book.yaml"]}, "partners": [partner]}
    node = HandNode(tmp_path / "PHL", document)
    rows = whole()
    node.parts.core.picture = rows
    node.sharing.share((rows, rows), rows, own=rows, now_us=T0)
    [parcel] = [p for p in node.parcels if p.kind == "tracks"]
    said = {"release_id": parcel.release_id, "detail": "exchange.expired"}
    for detail, old in (("exchange.expired", set()), ("exchange.version", {"JPN"})):
        node.parcels.clear()
        node.room.unread.refused("JPN", [said | {"detail": detail}, {"release_id": "0" * 64, "detail": detail}])
        assert node.room.unread.old == old
        node.forms["JPN"] = 1 if old else 2
        node.room.settle([], now_us=T0 + 1_000_000)
        node.sharing.share((rows.slice(0, 0), rows.slice(0, 0)), rows, own=rows, now_us=T0 + 2_000_000)
        assert [Release.from_bytes(p.data).fields["wire"] for p in node.parcels if p.kind == "tracks"] == [1] * len(old)
    node.close()


def test_what_waits_to_be_told_anew_has_a_limit_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "UNREAD_MAX", 2)
    ledger = SimpleNamespace(made=lambda _: True, release=lambda _: {"refs": ["a"]})
    counters: Counter[str] = Counter()
    waiting = unread.Unread(SimpleNamespace(ledger=ledger), counters)  # type: ignore[arg-type]
    for name, dropped in (("1", 0), ("2", 0), ("3", 1)):
        waiting.refused("JPN", [{"release_id": name, "detail": unread.FORM_UNKNOWN}])
        assert counters["unread_dropped"] == dropped
