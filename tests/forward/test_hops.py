from __future__ import annotations

import pytest

from hipflask.forward.hops import answer_fields, request_fields, turn_back

SAID = {"client": "203.0.113.9", "host": "shop.example", "scheme": "https"}


def names(pairs: list[tuple[str, str]]) -> set[str]:
    return {name.lower() for name, _ in pairs}


def test_what_belongs_to_one_connection_ends_here() -> None:
    given = [
        ("Connection", "close, X-Secret-Hop, keep-alive"),
        ("X-Secret-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("TE", "trailers"),
        ("Trailer", "X-Sum"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic x"),
        ("Proxy-Connection", "keep-alive"),
        ("Expect", "100-continue"),
        ("Content-Length", "3"),
        ("Accept", "*/*"),
        ("X-Stays", "yes"),
    ]
    made = request_fields(given, **SAID)  # type: ignore[arg-type]
    ours = {"via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"}
    assert names(made) == {"accept", "x-stays"} | ours


def test_a_client_cannot_take_away_what_the_service_decides_by() -> None:
    given = [("Connection", "Authorization, Cookie, host"), ("Authorization", "t"), ("Cookie", "a")]
    made = request_fields(given, **SAID)  # type: ignore[arg-type]
    assert {"authorization", "cookie"} <= names(made)


def test_who_the_client_is_said_to_be_is_said_by_us() -> None:
    given = [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Real-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
    ]
    made = dict(request_fields(given, **SAID, prefix="/old"))  # type: ignore[arg-type]
    assert made == {
        "Via": "1.1 hipflask",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/old",
        "Forwarded": "for=203.0.113.9;host=shop.example;proto=https",
    }


def test_ipv6_ports_and_quotes_stay_inside_their_value() -> None:
    made = dict(request_fields([], client="2001:db8::1", host='a";by=x:8000', scheme="http"))
    assert made["Forwarded"] == 'for="[2001:db8::1]";host="a;by=x:8000";proto=http'
    assert "X-Forwarded-For" not in dict(request_fields([], client=None, host="a", scheme="http"))


def test_via_grows() -> None:
    made = dict(request_fields([("Via", "1.1 edge")], **SAID))  # type: ignore[arg-type]
    assert made["Via"] == "1.1 edge, 1.1 hipflask"


def test_an_answer_keeps_repeated_fields_and_loses_those_of_its_connection() -> None:
    given = [
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "5"),
        ("Location", "http://old.internal:8080/orders/1?x=2"),
    ]
    assert answer_fields(given, "http://old.internal:8080/base", "https://shop.example/") == [
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Content-Length", "5"),
        ("Location", "https://shop.example/orders/1?x=2"),
    ]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://old:80/a", "https://shop/a"),
        ("http://old:80", "https://shop"),
        ("http://old:8080/a", "http://old:8080/a"),
        ("http://old:80.evil.example/a", "http://old:80.evil.example/a"),
        ("/a", "/a"),
        ("https://old:80/a", "https://old:80/a"),
        ("http://[bad", "http://[bad"),
    ],
)
def test_a_location_behind_becomes_one_in_front(location: str, expected: str) -> None:
    assert turn_back(location, "http://old:80/base", "https://shop/") == expected
