"""The one door: what is refused, what leaves, and what the other side makes of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import exchange, record
from kuroshio.errors import ReleaseRefused, VerificationError
from kuroshio.exchange import Outlet, Terms, receive, seal_control, seal_record, seal_tracks, view
from kuroshio.exchange.columns import GROUPS
from kuroshio.exchange.ledger_file import Sealed
from kuroshio.exchange.lineage import mark_of
from kuroshio.schema import ALERTS, TRACKS, Citation, Decision, Effect, Obligations
from kuroshio.schema.release import LINEAGE_MAX, RELEASED_TRACKS, Release
from kuroshio.schema.signing import Ed25519Signer, KeyRing, canonical, public_key

T0 = 1_790_000_000_000_000
SECRET = bytes(range(32))
PHL = Ed25519Signer("PHL", b"p" * 32)
JPN = Ed25519Signer("JPN", b"j" * 32)
KEYS = KeyRing([public_key(PHL), public_key(JPN)])


def tracks(n: int = 3, at_us: int = T0, **columns: object) -> pa.Table:
    ids = np.arange(1, n + 1)
    values: dict[str, object] = {
        "track_id": ids,
        "observed_at": np.full(n, at_us).astype("datetime64[us]"),
        "lat_deg": 14.123456 + 0.31 * ids,
        "lon_deg": 120.654321 - 0.17 * ids,
        "cov_ee_m2": np.full(n, 400.0),
        "cov_en_m2": np.full(n, 10.0),
        "cov_nn_m2": np.full(n, 500.0),
        "cov_vee_m2s2": np.full(n, 0.04),
        "cov_vnn_m2s2": np.full(n, 0.04),
        "sog_mps": np.full(n, 7.3),
        "cog_deg": np.full(n, 93.7),
        "heading_deg": np.full(n, 95.0),
        "p_exists": np.full(n, 0.99),
        "status": ["confirmed"] * n,
        "mmsi": 548_000_000 + ids,
        "flags": np.zeros(n, np.int32),
        "hits": np.full(n, 50),
        "sensors": pa.array([["ais", "radar"]] * n, pa.list_(pa.string())),
        "sources": pa.array([["secret-head-7"]] * n, pa.list_(pa.string())),
        "name": [f"SHIP {i}" for i in ids],
        "call_sign": ["DUAB"] * n,
        "imo": 9_000_000 + ids,
        "length_m": np.full(n, 183.0),
        "exercise": [False] * n,
    }
    values.update(columns)
    return TRACKS.build(values, rows=n)


def decision(effect: Effect = Effect.PERMIT, **obligations: object) -> Decision:
    return Decision(
        effect,
        (Citation("PH-JP-INFO", "Art.4"),),
        Obligations(**obligations),  # type: ignore[arg-type]
        basis="PH-JP-INFO",
        rules_digest="ab" * 32,
        engine="test",
    )


def seal(
    rows: pa.Table, verdict: Decision, outlet: Outlet | None = None, now_us: int = T0, **more: object
) -> Release | None:
    return seal_tracks(
        rows,
        verdict,
        releaser="PHL",
        to="JPN",
        now_us=now_us,
        signer=PHL,
        outlet=outlet or Outlet("JPN", SECRET),
        **more,  # type: ignore[arg-type]
    )


def accept(release: Release, now_us: int = T0, **more: object) -> exchange.Received:
    arguments: dict[str, object] = {"keys": KEYS, "me": "JPN", "now_us": now_us, "verify_receipt": lambda r: None}
    arguments |= more
    return receive(release.with_receipt({"x": 1}).to_bytes(), **arguments)  # type: ignore[arg-type]


def test_exact_release_arrives_as_partner_tracks() -> None:
    release = seal(tracks(), decision())
    assert release is not None
    got = accept(release)
    assert got.tracks is not None
    rows, sent = got.tracks.to_pylist(), tracks().to_pylist()
    for row, origin in zip(rows, sent, strict=True):
        assert row["partner"] == "PHL"
        assert row["partner_track"] != str(origin["track_id"])
        assert row["lat_deg"] == pytest.approx(origin["lat_deg"], abs=1e-7)
        assert row["mmsi"] == origin["mmsi"]
        assert row["cov_nn_m2"] == 500.0
        assert row["sources"] == ["partner:PHL"]
        assert row["sensors"] == ["partner"]
    assert got.held_under == ("PH-JP-INFO",)
    assert not got.echo.any()
    assert got.release.release_id == release.release_id


def test_nothing_but_selected_columns_leaves() -> None:
    release = seal(tracks(), decision())
    assert release is not None
    plain = accept(release).released
    assert plain is not None
    assert tuple(plain.column_names) == RELEASED_TRACKS.names
    for name in ("track_id", "hits", "sources", "superseded_by"):
        assert name not in plain.column_names
    whole = pa.decompress(
        release.payload, decompressed_size=release.fields["payload_bytes"], codec="zstd", asbytes=True
    )
    assert b"secret-head-7" not in whole + release.header


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_each_redaction_group_withholds_its_columns_and_no_other(group: str) -> None:
    base, cut = seal(tracks(), decision()), seal(tracks(), decision(Effect.OBLIGE, redact=frozenset({group})))
    assert base is not None
    assert cut is not None
    full, less = accept(base).released, accept(cut).released
    assert full is not None
    assert less is not None
    for name in RELEASED_TRACKS.names:
        if name in GROUPS[group]:
            assert less.column(name).null_count == less.num_rows
        else:
            assert less.column(name).equals(full.column(name)), name


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (decision(Effect.DENY), "exchange.not_permitted"),
        (decision(Effect.DECIDE), "exchange.not_permitted"),
        (Decision(Effect.PERMIT, ()), "exchange.no_basis"),
        (Decision(Effect.PERMIT, (Citation("X", "1"),)), "exchange.no_basis"),
        (decision(Effect.OBLIGE, via="USA"), "exchange.via"),
        (decision(Effect.OBLIGE, redact=frozenset({"moonlight"})), "exchange.redaction_unknown"),
        (decision(Effect.OBLIGE, redact=frozenset({"lat_deg"})), "exchange.redaction_essential"),
        (decision(Effect.OBLIGE, grid_deg=float("nan")), "exchange.obligations"),
        (decision(Effect.OBLIGE, delay_s=-1), "exchange.obligations"),
        (decision(Effect.OBLIGE, purpose=frozenset({"fisheries"})), "exchange.purpose"),
    ],
)
def test_door_is_closed(verdict: Decision, code: str) -> None:
    with pytest.raises(ReleaseRefused) as caught:
        seal(tracks(), verdict)
    assert caught.value.error_code == code


def test_door_holds_the_parties() -> None:
    with pytest.raises(ReleaseRefused, match="outlet"):
        seal(tracks(), decision(), Outlet("USA", SECRET))
    with pytest.raises(ReleaseRefused, match="sign"):
        seal_tracks(tracks(), decision(), releaser="PHL", to="JPN", now_us=T0, signer=JPN, outlet=Outlet("JPN", SECRET))


def test_coarse_release_is_one_row_a_bucket_on_the_grid() -> None:
    outlet, verdict = Outlet("JPN", SECRET), decision(Effect.OBLIGE, grid_deg=0.1, time_bucket_s=600)
    start = T0 // 600_000_000 * 600_000_000
    given = []
    for step in range(0, 1800, 60):
        release = seal(tracks(at_us=start + step * 1_000_000), verdict, outlet, now_us=start + step * 1_000_000)
        if release is not None:
            given.append(accept(release, now_us=start + step * 1_000_000).released)
    assert len(given) == 3
    for bucket, rows in enumerate(given):
        assert rows is not None
        assert set(rows.column("observed_at").cast(pa.int64()).to_pylist()) == {start + bucket * 600_000_000}
        for row in rows.to_pylist():
            for name in ("lat_deg", "lon_deg"):
                cells = row[name] / 0.1 - 0.5
                assert abs(cells - round(cells)) < 1e-5
            assert row["name"] is None
            assert row["heading_deg"] is None
            assert row["cog_deg"] == 90.0
            assert row["sog_mps"] == 6.25
            assert row["length_m"] == 175.0
            assert row["cov_nn_m2"] > (0.1 * 110_000) ** 2 / 6


def test_grid_alone_brings_a_bucket() -> None:
    release = seal(tracks(), decision(Effect.OBLIGE, grid_deg=0.1))
    assert release is not None
    assert release.fields["obligations"]["time_bucket_s"] == 60


def test_delay_gives_the_newest_state_that_is_old_enough() -> None:
    outlet, verdict = Outlet("JPN", SECRET), decision(Effect.OBLIGE, delay_s=600)
    ages = []
    for step in range(0, 1800, 10):
        now = T0 + step * 1_000_000
        release = seal(tracks(at_us=now), verdict, outlet, now_us=now)
        if release is not None:
            got = accept(release, now_us=now).released
            assert got is not None
            ages.append((now - got.column("observed_at").cast(pa.int64()).to_pylist()[0]) / 1e6)
    assert ages
    assert min(ages) >= 600
    assert max(ages) <= 620
    assert outlet.counters["held"] <= 3 * 62


def test_references_differ_by_recipient_and_last() -> None:
    one, two = Outlet("JPN", SECRET), Outlet("USA", SECRET)
    assert one.ref(17) == Outlet("JPN", SECRET).ref(17)
    assert one.ref(17) != two.ref(17)
    assert one.track_of(one.ref(17)) == 17


def test_own_tracks_are_never_sent_back_and_lineage_tells_of_echo() -> None:
    deep = [f"mark{k}" for k in range(LINEAGE_MAX)]
    rows = tracks(
        4,
        partner=[None, "JPN", "USA", "KOR"],
        partner_track=[None, "ref-one", "ref-two", "ref-three"],
        lineage=pa.array([None, None, ["older"], deep], pa.list_(pa.string())),
    )
    release = seal(rows, decision())
    assert release is not None
    got = accept(release, gave=lambda mark: mark == "older")
    assert got.tracks is not None
    assert got.tracks["lineage"].to_pylist() == [[], [mark_of("ref-two"), "older"], [mark_of("ref-three"), *deep[:-1]]]
    assert got.echo.tolist() == [False, True, False]
    assert release.fields["lineage"] == ["PHL"]
    sent = release.header + pa.decompress(
        release.payload, decompressed_size=release.fields["payload_bytes"], codec="zstd", asbytes=True
    )
    for word in (b"USA", b"KOR", b"ref-two", b"ref-three"):  # neither who gave it nor under which reference
        assert word not in sent


def test_an_old_release_names_parties_and_ours_is_known_in_it() -> None:
    release = seal(tracks(2, partner=["USA", "KOR"], partner_track=["u", "k"],
                          lineage=pa.array([["JPN"], ["KOR"]], pa.list_(pa.string()))), decision())  # fmt: skip
    assert release is not None
    assert accept(release).echo.tolist() == [True, False]


def test_a_coarse_row_carries_no_marks_that_two_recipients_could_join_it_by() -> None:
    rows = tracks(1, partner=["USA"], partner_track=["u1"])
    coarse = seal(rows, decision(Effect.OBLIGE, grid_deg=0.1, time_bucket_s=600))
    assert coarse is not None
    released = accept(coarse).released
    assert released is not None
    assert released["lineage"].to_pylist() == [[]]


def test_a_lineage_beyond_the_limits_is_refused(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for marks in (["m"] * (LINEAGE_MAX + 1), ["m" * 33]):
        monkeypatch.setattr("kuroshio.exchange.select.lineage_column", lambda rows, m=marks: [m] * rows.num_rows)
        release = seal(tracks(1), decision())
        assert release is not None
        with pytest.raises(VerificationError) as caught:
            accept(release)
        assert caught.value.error_code == "exchange.limits"


def test_velocity_is_told_as_no_better_known_than_its_longer_axis() -> None:
    rows = tracks(1, cov_vee_m2s2=[0.04], cov_ven_m2s2=[0.06], cov_vnn_m2s2=[0.25])
    release = seal(rows, decision())
    assert release is not None
    released = accept(release).released
    assert released is not None
    longest = np.linalg.eigvalsh(np.array([[0.04, 0.06], [0.06, 0.25]]))[-1]
    assert released["vel_sigma_mps"].to_pylist() == [pytest.approx(np.sqrt(longest), abs=1e-3)]


def test_view_is_what_is_sent() -> None:
    outlet, verdict = Outlet("JPN", SECRET), decision(Effect.OBLIGE, grid_deg=0.1, time_bucket_s=600)
    denied = decision(Effect.DENY)
    shown = view([(tracks(), verdict), (tracks(1), denied)], releaser="PHL", to="JPN", now_us=T0, outlet=outlet)
    release = seal(tracks(), verdict, outlet)
    assert release is not None
    assert accept(release).released == shown.released
    assert [s[0] for s in shown.shown] == [1, 2, 3]
    assert shown.withheld == ((1, "PH-JP-INFO Art.4", "deny"),)
    assert shown.tracks.column("track_id").to_pylist() == [1, 2, 3]


def test_receive_refuses_what_does_not_hold() -> None:
    release = seal(tracks(), decision(Effect.OBLIGE, retention_s=60))
    assert release is not None
    cases = {
        "exchange.not_for_us": {"me": "USA"},
        "exchange.future": {"now_us": T0 - 10**9},
        "exchange.expired": {"now_us": T0 + 61 * 10**6},
        "keys.unknown": {"keys": KeyRing()},
    }
    for code, more in cases.items():
        with pytest.raises(VerificationError) as caught:
            accept(release, **more)
        assert caught.value.error_code == code
    with pytest.raises(VerificationError) as caught:
        receive(release.to_bytes(), keys=KEYS, me="JPN", now_us=T0, verify_receipt=lambda r: None)
    assert caught.value.error_code == "exchange.no_receipt"
    revoked = KeyRing([public_key(PHL)])
    revoked.revoke(PHL.key_id, T0)
    with pytest.raises(VerificationError) as caught:
        accept(release, keys=revoked)
    assert caught.value.error_code == "keys.revoked"


def test_every_flipped_byte_is_refused() -> None:
    release = seal(tracks(1), decision())
    assert release is not None
    data = release.with_receipt({"x": 1}).to_bytes()
    body = len(data) - len(b'{"x":1}')
    for at in range(0, body, 7):
        bad = bytearray(data)
        bad[at] ^= 1
        with pytest.raises(VerificationError):
            receive(bytes(bad), keys=KEYS, me="JPN", now_us=T0, verify_receipt=lambda r: None)


def test_records_and_control_statements() -> None:
    outlet, terms = Outlet("JPN", SECRET), Terms("PHL", "JPN", T0, PHL)
    body = {"text": "BUOY ADRIFT", "lat_deg": 14.5, "lon_deg": 120.25, "at_us": T0}
    got = accept(seal_record("safety", body, decision(), outlet=outlet, terms=terms))
    assert got.body == body
    with pytest.raises(ReleaseRefused) as caught:
        seal_record("safety", body | {"feed": "x"}, decision(), outlet=outlet, terms=terms)
    assert caught.value.error_code == "exchange.field_unknown"
    with pytest.raises(ReleaseRefused):
        seal_record("telemetry", body, decision(), outlet=outlet, terms=terms)
    recall = {"release_ids": ["ab" * 32], "reason": "error", "at_us": T0}
    assert accept(seal_control("recall", recall, outlet=outlet, terms=terms)).body == recall
    with pytest.raises(ReleaseRefused):
        seal_control("recall", recall | {"release_ids": ["SHIP at 14.5 N"]}, outlet=outlet, terms=terms)


def test_alerts_speak_of_references_only() -> None:
    alerts = ALERTS.build(
        {
            "alert_id": ["a1"], "definition": ["dark_vessel"], "version": ["1"], "change": ["open"],
            "grade": ["confirmed"], "severity": ["warning"], "track_ids": pa.array([[5]], pa.list_(pa.int64())),
            "start_at": np.array([T0], "datetime64[us]"), "known_at": np.array([T0], "datetime64[us]"),
            "lat_deg": [14.2], "lon_deg": [120.1], "summary": ["Track 5 near Batanes"], "evidence": ["{}"],
        },
        rows=1,
    )  # fmt: skip
    outlet, terms = Outlet("JPN", SECRET), Terms("PHL", "JPN", T0, PHL)
    exact = exchange.seal_alerts(alerts, decision(), outlet=outlet, terms=terms)
    assert exact is not None
    row = accept(exact).released.to_pylist()[0]  # type: ignore[union-attr]
    assert row["refs"] == [outlet.ref(5)]
    assert row["summary"] == "Track 5 near Batanes"
    coarse = exchange.seal_alerts(alerts, decision(Effect.OBLIGE, grid_deg=0.5), outlet=outlet, terms=terms)
    assert coarse is not None
    row = accept(coarse).released.to_pylist()[0]  # type: ignore[union-attr]
    assert row["summary"] is None
    assert row["lat_deg"] % 0.5 == pytest.approx(0.25)


def test_release_under_a_real_record(tmp_path) -> None:  # type: ignore[no-untyped-def]
    log = record.open_log(tmp_path / "record", PHL, secret=SECRET)
    release = seal(tracks(), decision())
    assert release is not None
    [seq] = log.append([release.leaf()])
    log.publish()
    check = record.ReceiptVerifier(KEYS)
    check.now_us = T0
    bundle = release.with_receipt(log.receipt(seq)).to_bytes()
    got = receive(bundle, keys=KEYS, me="JPN", now_us=T0, verify_receipt=check.verify)
    assert got.tracks is not None
    assert check.witnesses["PHL"].next_seq == 1
    other = seal(tracks(at_us=T0 + 1), decision())
    assert other is not None
    with pytest.raises(VerificationError) as caught:
        stolen = other.with_receipt(log.receipt(seq)).to_bytes()
        receive(stolen, keys=KEYS, me="JPN", now_us=T0, verify_receipt=check.verify)
    assert caught.value.error_code == "record.leaf_mismatch"


def test_ledger_follows_a_release_and_its_recall() -> None:
    ledger, theirs, outlet = exchange.Ledger(), exchange.Ledger(), Outlet("JPN", SECRET)
    first, second = (seal(tracks(at_us=T0 + i), decision(), outlet, now_us=T0 + i) for i in (0, 1))
    assert first is not None
    assert second is not None
    for release in (first, second):
        ledger.sealed(Sealed(release))
        assert theirs.hold(accept(release, now_us=T0 + 1))
        assert not theirs.hold(accept(release, now_us=T0 + 1))
    assert ledger.recall(first.release_id, by="officer", reason="error", now_us=T0)["state"] == "withdrawn"
    assert ledger.unconfirmed("JPN") == 1
    [newest, older] = theirs.newest("PHL", "tracks")
    assert newest[0] == second.release_id
    assert newest[1] == older[1]
    assert len(newest[1]) == 3
    assert theirs.withdraw([first.release_id], "PHL", now_us=T0) == [first.release_id]
    assert theirs.withdraw([first.release_id], "PHL", now_us=T0) == []
    assert theirs.withdraw([second.release_id], "USA", now_us=T0) == []  # a stranger cannot recall
    assert theirs.withdraw([second.release_id], "PHL", now_us=T0) == [second.release_id]
    assert list(theirs.newest("PHL", "tracks")) == []
    receipt = exchange_receipt(first.release_id)
    ledger.receipted(receipt)
    assert ledger.release(first.release_id)["state"] == "withdrawal_confirmed"
    assert not theirs.hold(accept(first, now_us=T0 + 1))


def exchange_receipt(release_id: str):  # type: ignore[no-untyped-def]
    from kuroshio.schema.release import WITHDRAWN, Receipt

    receipt = Receipt(release_id, "JPN", "PHL", WITHDRAWN, T0).signed(JPN)
    receipt.verify(KEYS, now_us=T0)
    assert Receipt.from_dict(receipt.as_dict()) == receipt
    assert canonical(receipt.as_dict())
    return receipt
