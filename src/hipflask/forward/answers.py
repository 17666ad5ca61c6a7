"""What came back from a call, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

#: How much of an answer is kept with an attempt.
KEPT_BYTES = 2048
#: How much of an answer is read at most, before the connection is given up.
READ_BYTES = 64 * 1024
# 4xx that may pass: the server was slow, busy with the same, early, or throttles.
_PASSING = frozenset((408, 409, 425, 429))
_SECONDS = re.compile(r"[0-9]{1,9}")

Fields = Sequence[tuple[str, str]]


class Failure(StrEnum):
    """Why there is no answer."""

    #: No connection: nothing was sent.
    CONNECT = "connect"
    #: A deadline passed.
    TIMEOUT = "timeout"
    #: The connection ended, or what came is no HTTP.
    CUT = "cut"


class SendFailure(Exception):
    """A call without an answer. `was_sent` is whether a byte of it may have arrived."""

    def __init__(self, kind: Failure, text: str, *, was_sent: bool) -> None:
        super().__init__(text)
        self.kind = kind
        self.was_sent = was_sent


@dataclass(frozen=True)
class Answer:
    """What a call came to. Without a `status` there is a `failure`, and `error` in words.

    `body` is the beginning of what was read, `is_whole` whether that is all of it. `duration_s`
    is from the call to the end of what was read, `was_sent` whether the other side may have
    got a byte of the request.
    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_whole: bool = True
    duration_s: float = 0.0
    failure: Failure | None = None
    error: str = ""
    was_sent: bool = False

    def header(self, name: str) -> str | None:
        """The first field of that name, in any case; None without one."""
        return find_field(self.headers, name)


class Kind(StrEnum):
    """What an answer means for the call."""

    DELIVERED = "delivered"
    #: Worth another attempt.
    RETRY = "retry"
    #: No attempt will do better.
    PERMANENT = "permanent"
    #: The other side wants no more of this (410).
    GONE = "gone"


@dataclass(frozen=True)
class Outcome:
    """An answer, classified.

    `retry_after_s` is what the other side asked for, if it did. `is_sick` says that it speaks
    for the destination being down, which is what a breaker counts: who refuses is well.
    """

    kind: Kind
    error: str = ""
    retry_after_s: float | None = None
    is_sick: bool = False


def classify(answer: Answer, *, now: float) -> Outcome:
    """What follows from an answer. `now` is in seconds since 1970, for a Retry-After with a date.

    2xx is delivered. No answer, 5xx, 408, 409, 425 and 429 are worth another attempt; every
    other 4xx is permanent, and so is a redirect, which is never followed: the address is in the
    configuration, and no answer changes it. 410 is gone.
    """
    status = answer.status
    if status is None:
        return Outcome(Kind.RETRY, answer.error or str(answer.failure), is_sick=True)
    if 200 <= status < 300:
        return Outcome(Kind.DELIVERED)
    if status == 410:
        return Outcome(Kind.GONE, "410: the receiver wants no more of this")
    if 300 <= status < 400:
        where = answer.header("location")
        told = f" to {where[:200]!r}" if where else ""
        return Outcome(
            Kind.PERMANENT,
            f"{status}: redirected{told}; redirects are not followed, set the new address in"
            " the configuration",
        )
    is_passing = status in _PASSING
    if status >= 500 or is_passing:
        asked = parse_retry_after(answer.header("retry-after"), now)
        return Outcome(Kind.RETRY, f"answered {status}", asked, is_sick=not is_passing)
    return Outcome(Kind.PERMANENT, f"answered {status}")


def parse_retry_after(text: str | None, now: float) -> float | None:
    """The seconds that a Retry-After field asks for: a number, or a date. RFC 9110, 10.2.3

    None for no field and for one that cannot be read; 0 for a date that has passed.
    """
    if text is None:
        return None
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    try:
        return max(0.0, date.timestamp() - now)
    except (OverflowError, ValueError):
        return None


def find_field(fields: Fields, name: str) -> str | None:
    """The value of the first field of that name, in any case."""
    wanted = name.lower()
    return next((value for key, value in fields if key.lower() == wanted), None)
