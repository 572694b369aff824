"""Names as text: no two names have one spelling, and every spelling leads back to its name."""

import doctest
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup_core.images import names
from dedup_core.images.names import on_disk, readable, storable

RAW_NAMES = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.lists(st.sampled_from([b"\\", b"x", b"5", b"c", b"e9", b"\xe9", b"\xff", b"/", "ü".encode()])).map(b"".join),
)


@given(RAW_NAMES)
def test_a_name_is_found_again_by_its_text(name):
    assert on_disk(readable(name)) == name


@given(RAW_NAMES, RAW_NAMES)
def test_two_names_never_share_a_text(one, other):
    assert (readable(one) == readable(other)) == (one == other)


@given(RAW_NAMES)
def test_bytes_and_what_python_makes_of_them_have_one_text(name):
    assert readable(os.fsdecode(name)) == readable(name)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\\")))
def test_an_ordinary_name_stays_as_it_is(name):
    assert readable(name) == storable(name) == name


@given(st.text())
def test_any_text_can_be_stored_and_what_is_stored_stays(name):
    stored = storable(name)
    assert stored.encode("utf-8").decode("utf-8") == stored
    assert storable(stored) == stored


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"caf\\xe9.jpg", "a\ud83d.jpg"])
def test_a_readable_name_is_not_escaped_again(name):
    assert storable(readable(name)) == readable(name)


def test_examples_hold():
    assert doctest.testmod(names).failed == 0
