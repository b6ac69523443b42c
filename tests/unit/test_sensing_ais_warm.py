"""Warming up compiles what decoding uses, and nothing twice."""

from __future__ import annotations

from kuroshio.sensing import ais
from kuroshio.sensing.ais import contents, cut, extract, fieldtext, warm


def test_the_halves_compile_the_kernels_that_decoding_uses() -> None:
    warm.warm_columns()
    ais.warm_up()
    used = (
        cut.split, cut.extract, extract.values, extract.envelope, extract.texts, extract.text_room, extract.payloads,
        extract.intern_codes, extract.intern_names, extract.utc_times, extract.no_dimensions, contents.choose,
        contents.write, fieldtext.objects, fieldtext.objects_room,
    )  # fmt: skip
    assert {kernel.py_func.__name__: len(kernel.signatures) for kernel in used} == {
        kernel.py_func.__name__: 1 for kernel in used
    }


def test_what_is_compiled_already_is_not_told() -> None:
    ais.warm_up()
    told: list[bool] = []
    ais.warm_up(lambda: told.append(True))
    assert told == []
