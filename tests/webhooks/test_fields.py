from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask.webhooks import Delivery
from hipflask.webhooks.fields import dump_headers, join_fields, parse_headers

PAIRS = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=5)


@given(PAIRS)
def test_pairs_are_read_back_as_they_were(pairs):
    assert parse_headers(dump_headers(pairs)) == tuple(pairs)


@given(PAIRS)
def test_pairs_of_text_are_dumped_as_those_of_bytes_are(pairs):
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
    dump = join_fields(texts)
    assert dump is None or dump == dump_headers(pairs)
    # None is for a NUL, which would pass for the end of a value, and for nothing at all.
    assert (dump is None) == (not pairs or any(b"\0" in part for pair in pairs for part in pair))


NAMES = st.text("aBc-", min_size=1, max_size=3)


@given(st.lists(st.tuples(NAMES.map(str.encode), st.binary(max_size=9)), max_size=5))
def test_delivery_is_the_same_from_text_and_from_bytes(pairs):
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
    one, other = Delivery(texts, b"body"), Delivery(pairs, b"body")
    assert one == other and hash(one) == hash(other)
    assert one.headers == tuple(pairs) and one.dump_headers() == other.dump_headers()
    for name, _ in texts:
        assert one.values(name) == other.values(name) == one.values(name.upper())


@pytest.mark.parametrize("stored", [b"\0name", b"\0a\0b\0c"])
def test_half_a_pair_is_refused(stored):
    with pytest.raises(ValueError):
        parse_headers(stored)
