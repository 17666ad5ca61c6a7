"""Keys in addresses: any value, and the same one back."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask.tools.keys import dump_key, parse_key

KINDS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    str: st.text(max_size=50),
    bytes: st.binary(max_size=50),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    UUID: st.uuids(),
    date: st.dates(),
    datetime: st.datetimes(),
    bool: st.booleans(),
}
one = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.tuples(st.just(kind), KINDS[kind] | st.none())
)


@given(st.lists(one, min_size=1, max_size=3))
def test_a_key_comes_back(parts: list[tuple[Any, Any]]) -> None:
    types, values = [kind for kind, _ in parts], [value for _, value in parts]
    text = dump_key(values)
    assert re.fullmatch(r"[A-Za-z0-9_~,-]+", text)
    assert parse_key(text, types) == tuple(values)


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_none(text: str) -> None:
    found = parse_key(text, [str, int])
    if found is not None:
        assert parse_key(dump_key(found), [str, int]) == found


@pytest.mark.parametrize(
    "key", ["", "~", "~2f", "~2", "a/b", "a%2Fb", "1,2", "~bxx", "~FF", "..", "x" * 3000]
)
def test_what_is_no_key_is_none(key: str) -> None:
    assert parse_key(key, [int]) is None


def test_a_key_that_is_too_long_has_no_address() -> None:
    assert dump_key(["x" * 3000]) == ""
