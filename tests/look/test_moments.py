"""Times as people write and read them."""

from __future__ import annotations

import pytest

from hipflask.look.moments import dump_iso, dump_moment, dump_span, parse_moment

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", NOW - 30),
        ("5m", NOW - 300),
        ("5 min", NOW - 300),
        ("2H", NOW - 7200),
        ("7d", NOW - 604800),
        ("1w", NOW - 604800),
        ("2023-11-14", 1_699_920_000),
        ("2023-11-14T22:13:20", NOW),
        ("2023-11-14T23:13:20+01:00", NOW),
        (" 2023-11-14T22:13:20Z ", NOW),
        ("999999w", 0.0),
        ("0001-01-01", 0.0),
    ],
)
def test_parse_moment(text, moment):
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "5", "-5m", "5y", "٣d", "2023-13-01", "9" * 50])
def test_parse_moment_refuses_the_rest_and_says_what_it_knows(text):
    with pytest.raises(ValueError, match="write 30s, 5m, 2h"):
        parse_moment(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0424, "42 ms"),
        (0.9999, "1 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7200, "2 h"),
        (9000, "2 h 30 min"),
        (5 * 86400 + 3 * 3600, "5 d 3 h"),
        (-60, "-1 min"),
    ],
)
def test_dump_span(seconds, text):
    assert dump_span(seconds) == text


def test_dump_moment():
    assert dump_moment(NOW) == "2023-11-14 22:13:20Z"
    assert dump_iso(NOW) == "2023-11-14T22:13:20Z"
