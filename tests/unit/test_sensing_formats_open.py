"""Formats by name: opened with checked options, and found out from a file's head."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kuroshio.errors import ConfigError, InputError
from kuroshio.sensing.formats import FORMATS, open_decoder, sniff
from kuroshio.sensing.formats_sniff import sniff_bytes
from kuroshio.testing.sea import Sea, record

START = 1_780_000_000_000_000
RADAR = {"lat_deg": 20.0, "lon_deg": 122.0}
NEEDED = {
    "asterix": RADAR,
    "pcap": {"options": RADAR},
    "csv": {"columns": {"time": "t", "mmsi": "m", "lat_deg": "y", "lon_deg": "x"}},
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_opens_and_survives_rubbish(name: str) -> None:
    decoder = open_decoder(name, "s", NEEDED.get(name, {}))
    out = decoder.feed(b"\x00\xff rubbish \n{]\n<x>\n" * 3, START)
    out.ledger.add(decoder.flush().ledger)
    assert out.ledger.lines == out.ledger.accounted


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_unknown_option_is_refused_and_the_known_are_named(name: str) -> None:
    with pytest.raises(ConfigError) as failure:
        open_decoder(name, "s", {**NEEDED.get(name, {}), "colour": "red"})
    assert "colour" in failure.value.message
    for known in FORMATS[name].options:
        assert known in failure.value.message


def test_unknown_formats_and_missing_or_wrong_options_are_named() -> None:
    with pytest.raises(ConfigError, match="morse"):
        open_decoder("morse", "s", {})
    with pytest.raises(ConfigError, match="lat_deg"):
        open_decoder("asterix", "s", {})
    with pytest.raises(ConfigError, match="on earth"):
        open_decoder("asterix", "s", {"lat_deg": 99.0, "lon_deg": 0.0})
    with pytest.raises(ConfigError):
        open_decoder("asterix", "s", {"lat_deg": "north", "lon_deg": 0.0})
    with pytest.raises(ConfigError, match="reference"):
        open_decoder("ttm", "s", {"reference": "yesterday"})


def test_a_reference_day_may_be_written_as_text() -> None:
    decoder = open_decoder("asterix", "s", {**RADAR, "reference": "2026-05-28T00:00:00Z"})
    assert decoder.feed(b"").ledger.lines == 0


def test_what_the_sea_records_is_recognised(tmp_path: Path) -> None:
    manifest = record(Sea(1, start_us=START), START + 700_000_000, tmp_path)
    for entry in manifest.values():
        if entry["bytes"]:
            assert sniff(tmp_path / entry["file"]) == entry["format"]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"garbage\n!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24\n", "aivdm"),
        (b"\\s:a,c:1*00\\$RATTM,1\n", "ttm"),
        (b"MMSI,BaseDateTime,LAT,LON,SOG\n", "marinecadastre"),
        (b"# Timestamp,Type of mobile,MMSI\n", "dma_csv"),
        (b'{ "type": "FeatureCollection", "features": []}', "detections_geojson"),
        (b"", None),
        (b"hello", None),
        (bytes(range(256)), None),
    ],
)
def test_heads_are_told_apart(head: bytes, expected: str | None) -> None:
    assert sniff_bytes(head) == expected


def test_files_packed_or_unreadable(tmp_path: Path) -> None:
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(b"$RATTM,1\n"))
    assert sniff(packed) == "ttm"
    (tmp_path / "empty").write_bytes(b"")
    for bad in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(InputError):
            sniff(bad)
    packed.write_bytes(b"\x1f\x8b broken")
    with pytest.raises(InputError):
        sniff(packed)


def format_table() -> str:
    """Table of the reference page: every format with its options, as the code has them."""
    rows = ["| format | what it is | options |", "|---|---|---|"]
    for form in FORMATS.values():
        options = ", ".join(f"`{name}`" for name in form.options) or "-"
        rows.append(f"| `{form.name}` | {form.doc} | {options} |")
    return "\n".join(rows)


def test_the_reference_page_lists_every_format_and_tells_of_every_option() -> None:
    folder = Path(__file__).resolve().parents[2] / "docs" / "reference"
    page = (folder / "formats.md").read_text()
    assert format_table() in page
    told = page.replace(format_table(), "")
    told += "".join((folder / name).read_text() for name in ("radar.md", "tables.md", "sensing.md"))
    missing = {
        (f.name, o) for f in FORMATS.values() for o in f.options if f"`{o}`" not in told and f"{o} =" not in told
    }
    assert not missing


if __name__ == "__main__":
    print(format_table())
