from __future__ import annotations

import pytest

from hipflask.forward import Answer, Failure, Kind, classify, parse_retry_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("status", "kind", "is_sick"),
    [
        (200, Kind.DELIVERED, False),
        (204, Kind.DELIVERED, False),
        (299, Kind.DELIVERED, False),
        (301, Kind.PERMANENT, False),
        (304, Kind.PERMANENT, False),
        (307, Kind.PERMANENT, False),
        (400, Kind.PERMANENT, False),
        (401, Kind.PERMANENT, False),
        (404, Kind.PERMANENT, False),
        (408, Kind.RETRY, False),
        (409, Kind.RETRY, False),
        (410, Kind.GONE, False),
        (422, Kind.PERMANENT, False),
        (425, Kind.RETRY, False),
        (429, Kind.RETRY, False),
        (499, Kind.PERMANENT, False),
        (500, Kind.RETRY, True),
        (501, Kind.RETRY, True),
        (503, Kind.RETRY, True),
        (599, Kind.RETRY, True),
    ],
)
def test_each_status_has_its_meaning(status: int, kind: Kind, is_sick: bool) -> None:
    outcome = classify(Answer(status), now=NOW)
    assert (outcome.kind, outcome.is_sick) == (kind, is_sick)


def test_no_answer_is_worth_another_attempt() -> None:
    outcome = classify(Answer(failure=Failure.CONNECT, error="no connection"), now=NOW)
    assert (outcome.kind, outcome.error, outcome.is_sick) == (Kind.RETRY, "no connection", True)


def test_a_redirect_is_told_and_not_followed() -> None:
    outcome = classify(Answer(302, (("Location", "http://169.254.169.254/"),)), now=NOW)
    assert outcome.kind is Kind.PERMANENT
    assert "'http://169.254.169.254/'" in outcome.error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 40, None),
        ("Tue, 14 Nov 99999 22:14:20 GMT", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, expected: float | None) -> None:
    assert parse_retry_after(text, NOW) == expected


def test_retry_after_is_read_of_what_is_tried_again() -> None:
    fields = (("retry-after", "7"),)
    assert classify(Answer(503, fields), now=NOW).retry_after_s == 7
    assert classify(Answer(429, fields), now=NOW).retry_after_s == 7
    assert classify(Answer(404, fields), now=NOW).retry_after_s is None
