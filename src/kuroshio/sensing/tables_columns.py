"""Columns to numbers and times, all rows at once; what cannot be read is null, and a mask says which it was.

What enters: Arrow arrays, of text (CSV) or typed (Parquet). What leaves: NumPy arrays with NaN (or a sentinel) and
masks of faults. No row is looked at by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.units import US_PER_S, BoolArray, FloatArray, IntArray

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$"
_ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?$"
NO_TIME = np.iinfo(np.int64).min


def numbers(values: Any) -> tuple[FloatArray, BoolArray]:
    """(float64 with NaN where empty or faulty, mask of faulty) of text or numbers."""
    if not pa.types.is_string(values.type):
        if not is_number(values.type):
            return np.full(len(values), np.nan), values.is_valid().to_numpy(zero_copy_only=False)
        found = _floats(pc.cast(values, pa.float64(), safe=False))
        return found, np.isnan(found) & values.is_valid().to_numpy(zero_copy_only=False)
    text = pc.utf8_trim_whitespace(values)
    try:
        floats = pc.cast(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text), pa.float64())
        found = _floats(floats)
        return found, np.isnan(found) & floats.is_valid().to_numpy(zero_copy_only=False)  # nan and inf are words
    except pa.ArrowInvalid:
        pass
    good = pc.match_substring_regex(text, _NUMBER)
    found = _floats(pc.cast(pc.if_else(good, text, pa.scalar(None, pa.string())), pa.float64()))
    return found, np.isnan(found) & pc.not_equal(text, "").to_numpy(zero_copy_only=False)


def is_number(type_: pa.DataType) -> bool:
    """True for whole, floating and decimal numbers."""
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def plain(values: Any) -> Any:
    """One array without dictionaries, and with one kind of text."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    if pa.types.is_string(array.type) and array.null_count:
        array = pc.fill_null(array, "")
    return array


def _floats(values: Any) -> FloatArray:
    array = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def times_us(values: Any, time_format: str) -> IntArray:
    """UTC microseconds of text, numbers or times, `NO_TIME` where it is none.

    Parameters
    ----------
    time_format
        ``iso``, ``epoch_s``, ``epoch_ms``, ``epoch_us`` or a strptime format; times without an offset are UTC. A
        column that holds times already needs none.
    """
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _as_int(pc.cast(values, pa.timestamp("us", getattr(values.type, "tz", None)), safe=False), NO_TIME)
    if time_format.startswith("epoch_"):
        floats, _ = numbers(values)
        factor = {"epoch_s": float(US_PER_S), "epoch_ms": 1000.0, "epoch_us": 1.0}[time_format]
        whole = np.abs(floats) < 4e18 / factor
        return np.where(whole, np.rint(np.where(whole, floats, 0.0) * factor), NO_TIME).astype(np.int64)
    if not pa.types.is_string(values.type):
        return np.full(len(values), NO_TIME, np.int64)
    text = pc.utf8_trim_whitespace(values)
    if time_format == "iso":
        text = pc.replace_substring_regex(text, r"(Z|\+00:?00| UTC)$", "")
        text = pc.replace_substring_regex(text, r"(\.\d{6})\d+$", r"\1")
        good = pc.match_substring_regex(text, _ISO)
        text = pc.if_else(good, text, pa.scalar(None, pa.string()))
        try:
            return _as_int(pc.cast(text, pa.timestamp("us")), NO_TIME)
        except pa.ArrowInvalid:  # a 31st of February has the form of a time and is none
            return _iso_us(text)
    stamps = pc.strptime(text, time_format, "us", error_is_null=True)
    first_days = pc.fill_null(pc.less_equal(pc.day(stamps), 3), False)
    if pc.any(first_days).as_py():  # Arrow takes the 31st of a shorter month for the 1st of the next, and so on
        seconds = pc.cast(pc.floor_temporal(stamps, unit="second"), pa.timestamp("s"))
        written = pc.replace_substring_regex(pc.strftime(seconds, time_format), r"\b0", "")
        same = pc.equal(written, pc.replace_substring_regex(text, r"\b0", ""))
        stamps = pc.if_else(pc.or_(pc.invert(first_days), pc.fill_null(same, False)), stamps, None)
    return _as_int(stamps, NO_TIME)


def _iso_us(text: Any) -> IntArray:
    """UTC microseconds of text that has the form of an ISO time, where it also is one; `NO_TIME` elsewhere."""

    def part(start: int, stop: int, width: int) -> IntArray:
        piece = pc.utf8_rpad(pc.utf8_slice_codeunits(filled, start, stop), width, "0")
        result: IntArray = pc.cast(piece, pa.int64()).to_numpy(zero_copy_only=False)
        return result

    filled = pc.fill_null(text, "0000-00-00T00:00:00")
    year, month, day = part(0, 4, 4), part(5, 7, 2), part(8, 10, 2)
    hour, minute, second, micro = part(11, 13, 2), part(14, 16, 2), part(17, 19, 2), part(20, 26, 6)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    in_month = lengths[np.where((month >= 1) & (month <= 12), month, 0)] + ((month == 2) & leap)
    good = (day >= 1) & (day <= in_month) & (hour < 24) & (minute < 60) & (second < 60)
    months = (np.where(good, year, 1970) - 1970) * 12 + np.where(good, month, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    seconds = ((first + day - 1) * 24 + hour) * 3600 + minute * 60 + second
    return np.where(good, seconds * US_PER_S + micro, NO_TIME)


def integers(values: FloatArray, low: int, high: int, absent: int = -1) -> IntArray:
    """Whole numbers within [low, high], `absent` elsewhere."""
    kept = (values >= low) & (values <= high) & (np.abs(values - np.rint(values)) < 1e-6)
    return np.where(kept, np.rint(np.where(kept, values, 0.0)), absent).astype(np.int64)


def coded(values: Any, words: dict[str, int], low: int, high: int) -> IntArray:
    """Codes of a column that holds numbers or their names; -1 where it holds neither."""
    if pa.types.is_string(values.type):  # few different words: each is looked at once
        words_in = pc.dictionary_encode(values)
        held = _coded(words_in.dictionary, words, low, high)
        return np.append(held, -1)[_as_int(words_in.indices, -1)]
    return _coded(values, words, low, high)


def _coded(values: Any, words: dict[str, int], low: int, high: int) -> IntArray:
    floats, faulty = numbers(values)
    codes = integers(floats, low, high)
    if not words or not faulty.any() or not pa.types.is_string(values.type):
        return codes
    named = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    index = _as_int(pc.index_in(named, pa.array(list(words))), -1)
    of_word = np.array([*words.values(), -1], np.int64)[index]
    return np.where(codes >= 0, codes, of_word)


def words_of(values: Any) -> Any:
    """Text trimmed of spaces and @, null where nothing is left."""
    text = values if pa.types.is_string(values.type) else pc.cast(values, pa.string())
    text = pc.utf8_trim(text, characters=" @\t\r")
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _as_int(values: Any, absent: int) -> IntArray:
    filled = pc.fill_null(pc.cast(values, pa.int64()), absent)
    result: IntArray = filled.to_numpy(zero_copy_only=False).astype(np.int64)
    return result
