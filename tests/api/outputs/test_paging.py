"""Pages of a list, and the Link fields that lead from one to the next."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from hipflask.api.outputs.paging import (
    CursorPaging,
    Page,
    Paging,
    dump_cursor,
    page_of,
    parse_cursor,
    query_with,
)
from hipflask.api.problems import Invalid


def links_of(page: Page[Any], query: bytes = b"") -> dict[str, str]:
    """Relation -> target, of the page's Link field."""
    field = dict(page.fields(query)).get("Link", "")
    found = {}
    for link in field.split(", ") if field else []:
        target, options = link.split(">; ")
        assert target.startswith("<?")
        found[parse_options_header(f"x; {options}")[1]["rel"]] = target[1:]
    return found


def test_a_page_in_the_middle_leads_everywhere() -> None:
    page = page_of(list("ab"), Paging(2, 2), total=7)
    assert page.items == ["a", "b"]
    assert links_of(page) == {
        "first": "?page=1", "prev": "?page=1", "next": "?page=3", "last": "?page=4"
    }  # fmt: skip
    assert dict(page.fields(b""))["X-Total-Count"] == "7"


def test_one_item_too_many_tells_of_a_next_page() -> None:
    paging = Paging(page=3, per_page=2)
    assert (paging.offset, paging.limit) == (4, 3)
    page = page_of("abc", paging)
    assert page.items == "ab"
    assert links_of(page) == {"first": "?page=1", "prev": "?page=2", "next": "?page=4"}
    assert "next" not in links_of(page_of("ab", paging))
    assert "X-Total-Count" not in dict(page.fields(b""))


def test_the_ends_lead_no_further() -> None:
    assert links_of(page_of([], Paging(), total=0)) == {"first": "?page=1", "last": "?page=1"}
    assert links_of(page_of([1], Paging(9, 1), total=3))["prev"] == "?page=3"
    assert "next" not in links_of(page_of([1], Paging(3, 1), total=3))
    assert "next" not in links_of(page_of([1, 2], Paging(1_000_000, 1)))
    assert "last" not in links_of(page_of([1], Paging(1, 1), total=10**9))


def test_other_parameters_are_kept_as_they_were_sent() -> None:
    query = b"tag=a%20b&page=2&tag=c+d&p%61ge=5&empty=&flag"
    page = page_of([1], Paging(2, 1), total=2)
    assert links_of(page, query)["prev"] == "?tag=a%20b&tag=c+d&empty=&flag&page=1"


def test_a_long_query_is_not_sent_back_four_times() -> None:
    query = b"tag=" + b"x" * 800
    assert set(links_of(page_of([1], Paging(2, 1), total=4), query)) == {"prev", "next"}
    assert links_of(page_of([1], Paging(1, 1), total=1), b"tag=" + b"x" * 2000) == {}


@given(st.binary(max_size=40), st.integers(1, 99))
def test_no_query_gets_out_of_its_reference(query: bytes, number: int) -> None:
    target = query_with(query, "page", str(number))
    assert not set(target) & set('<>"\r\n\0 ') and target.isascii()
    url = urljoin("http://there/orders?old=1", target)
    assert urlsplit(url)[:3] == ("http", "there", "/orders")


@given(st.lists(st.tuples(st.text(), st.text(max_size=5)), max_size=4), st.integers(1, 99))
def test_the_other_parameters_arrive_again(pairs: list[tuple[str, str]], number: int) -> None:
    from urllib.parse import urlencode

    sent = urlencode(pairs, errors="replace")
    others = [pair for pair in parse_qsl(sent, keep_blank_values=True) if pair[0] != "page"]
    target = query_with(sent.encode(), "page", str(number))
    found = parse_qsl(target[1:], keep_blank_values=True)
    assert found == [*others, ("page", str(number))]


def test_numbers_out_of_range_are_refused() -> None:
    for query in ({"page": 0}, {"per_page": 101}, {"page": 10**7}, {"per_page": 0}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(query, Paging)
    assert msgspec.convert({}, Paging) == Paging(1, 20)


class Camel(Paging, frozen=True, rename="camel"):
    page: int = 1
    per_page: int = 7


class After(CursorPaging, frozen=True, rename={"cursor": "after"}):
    cursor: str | None = None


def test_a_renamed_field_is_named_so_in_links() -> None:
    page = page_of("ab", After(per_page=1), key=str)
    assert links_of(page, b"after=x") == {"first": "?", "next": f"?after={dump_cursor('a')}"}
    assert page_of([1], Camel()).items == [1]


def test_a_cursor_leads_after_the_last_item() -> None:
    rows = [(date(2026, 1, day), day) for day in (1, 2, 3)]
    paging = CursorPaging(per_page=2)
    assert paging.after(tuple[date, int]) is None
    page = page_of(rows, paging, key=lambda row: row)
    target = links_of(page, b"per_page=2")["next"]
    name, cursor = parse_qsl(target[1:])[-1]
    assert name == "cursor"
    after = CursorPaging(cursor=cursor).after(tuple[date, int])
    assert after == (date(2026, 1, 2), 2)
    assert "next" not in links_of(page_of(rows[:2], paging, key=lambda row: row))
    with pytest.raises(TypeError, match="key="):
        page_of(rows, paging)


@pytest.mark.parametrize(
    "cursor", ["", "x", "ü", "a+b/", dump_cursor("text"), dump_cursor([[[1]]]), "=" * 9, "W10\n"]
)
def test_what_is_no_cursor_is_a_422_that_does_not_say_it(cursor: str) -> None:
    with pytest.raises(Invalid) as caught:
        CursorPaging(cursor=cursor).after(tuple[int, str])
    flaw = caught.value.flaws[0]
    assert flaw.location == ("query", "cursor")


@given(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(), st.none() | st.booleans()))
def test_a_cursor_is_read_as_it_was_written(key: tuple[int, str, bool | None]) -> None:
    text = dump_cursor(key)
    assert query_with(b"", "cursor", text) == f"?cursor={text}"
    assert parse_cursor(text, tuple[int, str, bool | None]) == key


@given(st.text(max_size=30))
def test_parsing_a_cursor_raises_nothing_but_value_error(text: str) -> None:
    try:
        parse_cursor(text, list[int])
    except ValueError:
        pass
