"""What became of a check: accepted, or refused and why."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """Why a delivery was refused. The text is short and stable, made to count by."""

    MISSING = "missing"  # a field that the scheme needs is not there
    DUPLICATE = "duplicate"  # a field, or the time in it, is there more than once
    MALFORMED = "malformed"  # a field, or what the scheme reads in the body, has no such form
    UNSIGNED_BODY = "unsigned-body"  # the signature would not cover the body
    CERTIFICATE = "certificate"  # not to be trusted: its place, its dates or its kind
    NO_CERTIFICATE = "no-certificate"  # it could not be fetched, or is none
    FAILED = "failed"  # a function of the application raised an exception
    MISMATCH = "mismatch"  # no secret gives this signature
    STALE = "stale"  # truly signed, longer ago than the tolerance
    FUTURE = "future"  # truly signed, for a time that is further ahead than the tolerance


class Refusal(Exception):
    """Ends a check inside this package; `Verifier.verify` makes the verdict of it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of a check; true in a condition if the delivery is accepted.

    `reason` is None or one of `Reason`; `detail` a sentence for logs that holds nothing secret
    and nothing the sender chose. `secret_no` is the number of the secret that matched, from 1,
    also for one that is stale or from the future. `id` is the delivery's id where it stands in
    a header field (see `Scheme.body_id` for the others), `is_id_signed` whether it can be
    trusted: what is not signed must never decide alone that a delivery is a repetition.
    `is_body_signed` is false where the bytes could be others and the check still pass: PayPal
    signs a CRC-32 of them, tokens nothing. `time_s` is the sender's, in seconds since 1970.
    """

    scheme: str
    reason: Reason | None = None
    detail: str = ""
    secret_no: int | None = None
    id: str | None = None
    is_id_signed: bool = False
    is_body_signed: bool = False
    time_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the delivery is accepted."""
        return self.reason is None

    @property
    def status(self) -> int:
        """The status code to answer with: 200, 401, or 503 if the application's function failed."""
        if self.reason is None:
            return 200
        return 503 if self.reason is Reason.FAILED else 401

    def __bool__(self) -> bool:
        return self.reason is None
