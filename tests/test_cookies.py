"""One cookie found in the field and one put together, held against Werkzeug."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import dump_cookie, http_date, parse_cookie

from hipflask.cookies import make_composer, make_finder

find = make_finder("session")

pieces = st.sampled_from(
    [
        "session",
        "sessio",
        "session2",
        "SESSION",
        "=",
        ";",
        "; ",
        " ",
        "\t",
        ",",
        "a",
        "x.y-z_",
        "\n",
    ]
    + ['"', "\\", "\x00", "\x0b", "é", "\xa0", "b=c"]
)
fields = st.lists(pieces, max_size=12).map("".join)


@given(fields)
def test_finds_what_werkzeug_finds(field: str) -> None:
    found = find(field)
    if found is None:
        assert '"' in field or not field.isascii()
    else:
        assert found == parse_cookie(field).get("session", "")


@pytest.mark.parametrize("name", ["session", "__Host-session", "a.b", "a|b", "(x)", "$", "a*"])
def test_the_name_is_taken_as_it_is(name: str) -> None:
    finder = make_finder(name)
    for field in (f"x=1; {name}=v; y=2", f"{name}=v", f"{name}x=w;{name} = v ;", "a=1; b=2", ""):
        assert finder(field) == parse_cookie(field).get(name, "")


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", 'a"b', "é", "a\n", "\t"])
def test_a_name_out_of_the_ordinary_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cookie"):
        make_finder(name)


def test_a_long_field_out_of_form_is_read_in_one_go() -> None:
    spaces = " " * 100_000
    for field in (f"session={spaces}a b", f"session{spaces}x", f";{spaces}x", ";" * 100_000):
        assert find(field) == ""


values = st.text("abcXYZ019-_.", max_size=30)
scopes = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from([None, "/", "/a b", "/é", "/x;y", "/; Expires=e"]),
        "domain": st.sampled_from([None, "", "example.com", ".example.com:80", "bücher.example"]),
        "secure": st.sampled_from([True, False, 1, 0, "yes"]),
        "httponly": st.booleans(),
        "samesite": st.sampled_from([None, "lax", "Strict", "none"]),
        "partitioned": st.booleans(),
    },
)
dates = st.none() | st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1))


@given(values, dates, scopes, st.sampled_from(["session", "v", "; Expires=e", "Expires", "é"]))
def test_composes_what_werkzeug_dumps(
    value: str, date: datetime | None, scope: dict[str, Any], name: str
) -> None:
    expires = None if date is None else date.replace(tzinfo=UTC)
    try:
        compose = make_composer(name, **scope)
    except ValueError:
        assert not name.isascii() or ";" in name
        return
    text = None if expires is None else http_date(expires)
    assert compose(value, text) == dump_cookie(name, value, expires=expires, **scope)


def test_settings_in_error_are_told_of() -> None:
    with pytest.raises(ValueError, match="SameSite"):
        make_composer("session", samesite="Sometimes")
