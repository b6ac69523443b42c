"""Any text is a book or refused with places; any book reads the same written another way."""

from __future__ import annotations

import json

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio import accord, clock
from kuroshio.accord.phrases import LANGUAGES
from kuroshio.accord.printed import print_accord, print_caveats
from kuroshio.testing import accords as world


def faults_of(file, text):
    """Faults of a text, none where it is a book; anything but a refusal is a failure of the test."""
    try:
        accord.parse({file: text})
    except accord.AccordFileError as err:
        return err.faults
    return None


GOOD = accord.draft_path().read_text("utf-8")


@given(st.text(max_size=400))
def test_any_text_is_a_book_or_refused_with_places(text):
    faults = faults_of("any.yaml", text)
    assert faults is None or faults
    assert all(f.line >= 1 and f.column >= 1 and f.file == "any.yaml" for f in faults or ())


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 40), st.text(max_size=12))
def test_a_good_file_spoilt_anywhere_is_a_book_or_refused(at, length, put):
    faults = faults_of("bad.yaml", GOOD[:at] + put + GOOD[at + length :])
    assert faults is None or faults


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "kinds", "when", "effect", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(
        ["accords", "parties", "caveats", "consents", "activities", "release_orders", "areas", "levels", "vocabulary"]
    ),
    JSON,
)
def test_any_section_of_any_shape_is_refused_or_read(section, value):
    faults = faults_of("s.yaml", json.dumps({section: value}))
    assert faults is None or faults


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_the_same_content_in_another_dress_has_the_same_digest(seed):
    plain = world.random_plain(clock.generator(seed))
    as_json = world.book_of(plain)
    as_yaml = accord.parse({"y.yaml": yaml.safe_dump(json.loads(json.dumps(plain)), sort_keys=True)})
    assert as_json.rules_digest == as_yaml.rules_digest
    for name in as_json.content.accords:
        for language in LANGUAGES:
            assert name in print_accord(as_json, name, language=language)
    assert print_caveats(as_json) == print_caveats(as_yaml)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_lint_and_listing_never_fail(seed):
    book = world.book_of(world.random_plain(clock.generator(seed)))
    assert all(f.severity in ("warning", "info") for f in accord.lint(book, now_us=world.NOW_US))
    json.dumps(book.accords(valid_at_us=world.NOW_US))
