"""Word-at-a-time kernels against loops over bytes."""

from __future__ import annotations

import numpy as np
import pytest

from kuroshio.sensing.ais import words
from kuroshio.sensing.ais.pack import ARMOUR, unarmour


@pytest.fixture
def noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, 4096).astype(np.uint8)


def test_searches_find_the_first_byte_of_their_kind(noise: np.ndarray) -> None:
    sparse = np.where(noise > 250, noise - 230, 0x41 + noise % 20).astype(np.uint8)
    sparse[::97] = 0x5C
    sparse[-16:] = 0
    for at in range(0, 3900, 7):
        end = next(k for k in range(at, 4096) if sparse[k] < 0x30 or sparse[k] == 0x5C or sparse[k] > 127)
        assert words.payload_end(sparse, at) == end
        end = next(k for k in range(at, 4096) if sparse[k] < 0x20 or sparse[k] == 0x5C or sparse[k] > 127)
        assert words.tag_end(sparse, at) == end


def test_the_sum_of_any_range_is_the_exclusive_or(noise: np.ndarray) -> None:
    for start in range(40):
        for length in range(40):
            assert words.xor_bytes(noise, start, start + length) == np.bitwise_xor.reduce(
                noise[start : start + length], initial=0
            )


def test_each_byte_is_a_payload_character_or_not() -> None:
    for byte in range(256):
        for length in range(1, 20):
            buf = np.full(40, 0x41, np.uint8)
            buf[3 + length - 1] = byte
            buf[3 + length :] = 0
            assert words.all_six(buf, 3, 3 + length) == (byte in ARMOUR), (byte, length)


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
