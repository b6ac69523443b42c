"""Kernels that take eight or thirty-two bytes at a time, against loops over bytes."""

from __future__ import annotations

import numpy as np
import pytest

from kuroshio.sensing.ais import fieldtext, lanes, words
from kuroshio.sensing.ais.fields import TEXT_ALPHABET
from kuroshio.sensing.ais.kernels import Bytes, kernel
from kuroshio.sensing.ais.pack import ARMOUR, unarmour


@pytest.fixture
def noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, 4096).astype(np.uint8)


def test_searches_find_the_first_byte_of_their_kind(noise: np.ndarray) -> None:
    sparse = np.where(noise > 250, noise - 230, 0x41 + noise % 20).astype(np.uint8)
    sparse[::97] = 0x5C
    sparse[-lanes.LANES :] = 0
    for at in range(0, 3900, 7):
        end = next(k for k in range(at, 4096) if sparse[k] not in ARMOUR)
        assert lanes.payload_end(sparse, at) == end
        end = next(k for k in range(at, 4096) if sparse[k] < 0x20 or sparse[k] == 0x5C or sparse[k] > 127)
        assert lanes.tag_end(sparse, at) == end


def test_the_sum_of_any_range_is_the_exclusive_or(noise: np.ndarray) -> None:
    for start in range(40):
        for length in range(70):
            assert lanes.xor_bytes(noise, start, start + length) == np.bitwise_xor.reduce(
                noise[start : start + length], initial=0
            )


def test_each_byte_is_a_payload_character_or_not() -> None:
    for byte in range(256):
        for length in (1, 2, 7, 31, 32, 33, 40):
            buf = np.full(3 + 40 + 2 * lanes.LANES, 0x41, np.uint8)
            buf[3 + length - 1] = byte
            buf[3 + length :] = 0
            assert lanes.all_six(buf, 3, 3 + length) == (byte in ARMOUR), (byte, length)


def test_words_of_characters_are_their_bits(rng: np.random.Generator) -> None:
    for chars in range(9):
        payload = bytes(ARMOUR[k] for k in rng.integers(0, 64, 8))
        buf = np.frombuffer(payload + bytes(8), np.uint8)
        value, _ = unarmour(payload[:chars].ljust(8, b"0"), 0)
        assert int(words.six_word(buf, 0, chars)) == value


def test_ten_digits_are_their_number_or_none(rng: np.random.Generator) -> None:
    for value in [0, 1, 9_999_999_999, *rng.integers(0, 10**10, 200).tolist()]:
        buf = np.frombuffer(b"x" + b"%010d" % value + bytes(8), np.uint8)
        assert words.ten_digits(buf, 1) == value
    for at in range(10):
        for wrong in b"/:a \x00\xff":
            text = bytearray(b"1234567890" + bytes(8))
            text[at] = wrong
            assert words.ten_digits(np.frombuffer(bytes(text), np.uint8), 0) == -1


@kernel
def _four(buf: Bytes, at: int, chars: int, out: np.ndarray) -> None:
    out[0], out[1], out[2], out[3] = lanes.six_words(buf, at, chars)


def test_four_words_at_once_are_the_words_one_by_one(rng: np.random.Generator) -> None:
    payload = bytes(ARMOUR[k] for k in rng.integers(0, 64, 32))
    buf, out = np.frombuffer(b"x" + payload + bytes(8), np.uint8), np.zeros(4, np.uint64)
    for chars in range(-9, 50):
        _four(buf, 1, chars, out)
        assert out.tolist() == [int(words.six_word(buf, 1 + 8 * w, min(chars, 32) - 8 * w)) for w in range(4)]


def test_seven_characters_are_text_until_an_at_sign(rng: np.random.Generator) -> None:
    for _ in range(300):
        sixes = rng.integers(0, 64, 7).tolist()
        bits = int("".join(f"{six:06b}" for six in sixes), 2)
        text, size = words.text_word(bits)
        wanted = "".join(TEXT_ALPHABET[six] for six in sixes)
        assert size == (wanted + "@").index("@")
        assert int(text).to_bytes(8, "little")[:size].decode() == wanted[:size]


def test_eight_digits_are_the_number(rng: np.random.Generator) -> None:
    for value in [0, 1, 9, 10, 99_999_999, *rng.integers(0, 10**8, 300).tolist()]:
        assert int(words.eight_digits(np.uint64(value))).to_bytes(8, "little") == b"%08d" % value


@kernel
def _written(value: int, decimals: int, out: Bytes) -> int:
    return fieldtext._number(value, decimals, out, 0)


def test_numbers_are_written_with_their_decimals(rng: np.random.Generator) -> None:
    out = np.zeros(64, np.uint8)
    edges = [0, 1, 9, 10, 99, 10**8 - 1, 10**8, 10**9, 2**31, 2**32, 10**15, 2**53]
    for value in [*edges, *(-v for v in edges), *(10 ** rng.uniform(0, 17, 200)).astype(np.int64).tolist()]:
        for decimals in range(9):
            size = _written(int(value), decimals, out)
            whole, rest = divmod(abs(int(value)), 10**decimals)
            wanted = ("-" if value < 0 else "") + str(whole) + (f".{rest:0{decimals}d}" if decimals else "")
            assert out[:size].tobytes().decode() == wanted
