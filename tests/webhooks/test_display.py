"""What a stranger sent, shown to people: readable, short, nothing secret, nothing that steers."""

from __future__ import annotations

import pytest

from hipflask.webhooks.display import pretty, redact, visible


def test_json_is_indented_with_its_numbers_and_order_untouched():
    shown = pretty(b'{"b":1.50,"a":12345678901234567890,"b":1e2}', "application/json")
    assert shown.kind == "json" and not shown.is_cut
    assert shown.text == '{\n  "b": 1.50,\n  "a": 12345678901234567890,\n  "b": 1e2\n}'


@pytest.mark.parametrize(
    ("body", "content_type", "kind", "text"),
    [
        (None, "application/json", "gone", ""),
        (b"", "application/json", "empty", ""),
        (b"{broken", "application/json", "text", "{broken"),
        (b"a=1&b=%41+b&c=", "application/x-www-form-urlencoded; charset=utf-8", "form",
         "a = 1\nb = A b\nc = "),
        (b"12", "application/json", "text", "12"),
        ("gr\u00fcn".encode(), "text/plain", "text", "gr\u00fcn"),
        (b"\xff\x00A", "image/png", "binary", "000000  ff 00 41" + " " * 41 + "..A"),
        (b"[" * 5000, "application/json", "text", "[" * 5000),
    ],
)  # fmt: skip
def test_pretty_tells_the_kind(body, content_type, kind, text):
    shown = pretty(body, content_type)
    assert (shown.kind, shown.text) == (kind, text)


def test_what_is_large_is_cut_and_says_so():
    shown = pretty(b'{"a": "' + b"x" * 5000 + b'"}', limit=1000)
    assert (len(shown.text), shown.is_cut, shown.size) == (1000, True, 5009)
    shown = pretty(b"y" * 5000, limit=1000)
    assert (shown.kind, len(shown.text), shown.is_cut) == ("text", 1000, True)


def test_a_character_cut_in_two_is_no_reason_to_show_digits():
    for limit in range(100, 104):
        shown = pretty("\u20ac".encode() * 500, "text/plain", limit=limit)
        assert shown.kind == "text" and set(shown.text) == {"\u20ac"}


def test_nothing_steers_the_terminal_or_turns_text_round():
    assert visible("a\x1b[31mb\u202ec\td\n") == "a\\u001b[31mb\\u202ec\td\n"
    assert "\x1b" not in pretty(b'{"a":"\\u001b", "b":"\x9b"}'.replace(b"\x9b", b"\xc2\x9b")).text
    assert "\r" not in pretty(b"one\rtwo").text


def test_headers_are_redacted_by_name():
    fields = [
        (b"Content-Type", b"application/json"),
        (b"Authorization", b"Bearer abc"),
        (b"X-Gitlab-Token", b"abc"),
        (b"Cookie", b"a=abc"),
        (b"X-Own", b"abc"),
        (b"X-Auth-Key", b"abc"),
        (b"Idempotency-Key", b"k"),
        (b"I-Twilio-Idempotency-Token", b"k"),
        (b"X-Latin", b"gr\xfcn\x1b"),
    ]
    shown = redact(fields, secret_names=["x-own"])
    assert [name for name, _ in shown] == [name.decode() for name, _ in fields]
    values = dict(shown)
    assert "abc" not in repr(shown)
    assert values["X-Own"] == values["Cookie"] == "(redacted)"
    assert values["Idempotency-Key"] == values["I-Twilio-Idempotency-Token"] == "k"
    assert values["X-Latin"] == "gr\u00fcn\\u001b"
