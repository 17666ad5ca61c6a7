"""How signatures and times are written. Reading is strict and in ASCII, and only raises Refusal."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from binascii import Error, a2b_base64
from datetime import UTC, datetime
from typing import Literal

from .verdict import Reason, Refusal

Encoding = Literal["hex", "base64", "base64url"]
TimeForm = Literal["s", "ms", "iso"]

_is_hex = re.compile(rb"(?:[0-9a-fA-F]{2})+\Z").match
_is_base64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}\Z").match
_is_base64url = re.compile(rb"[A-Za-z0-9_-]+={0,2}\Z").match
#: Digits of a time in seconds: enough until the year 5138.
LONGEST_SECONDS = 11
_is_seconds = re.compile(rb"[0-9]{1,%d}\Z" % LONGEST_SECONDS).match
_is_milliseconds = re.compile(rb"[0-9]{1,14}\Z").match
_is_iso = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})\Z"
).match
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def dump_signature(signature: bytes, encoding: Encoding) -> bytes:
    """The signature as text: hexadecimal in lower case, base 64 with its padding."""
    if encoding == "hex":
        return signature.hex().encode()
    return b64encode(signature) if encoding == "base64" else urlsafe_b64encode(signature)


def parse_signature(text: bytes, encoding: Encoding) -> bytes | None:
    """The bytes of a signature; None for what is not written as the encoding has it.

    Hexadecimal digits may be of either case. Base 64 needs its padding, and the bits that the
    last character does not use must be zero, so that one signature has one form.
    """
    if encoding == "hex":
        return bytes.fromhex(text.decode()) if _is_hex(text) else None
    if encoding == "base64url":
        if not _is_base64url(text):
            return None
        text = text.translate(_FROM_URL)
    if not _is_base64(text):
        return None
    try:
        signature = a2b_base64(text, strict_mode=True)
    except Error:
        return None
    return signature if b64encode(signature) == text else None


def parse_time(text: bytes, form: TimeForm, name: str) -> float:
    """Seconds since 1970; `Refusal` for anything but ASCII digits, or an ISO 8601 time."""
    if form == "iso":
        if _is_iso(text):
            try:
                return datetime.fromisoformat(text.decode()).timestamp()
            except (ValueError, OverflowError):  # the 31st of February
                pass
    elif (_is_seconds if form == "s" else _is_milliseconds)(text):
        return int(text) / (1 if form == "s" else 1000)
    raise Refusal(Reason.MALFORMED, f"The time of {name} is not written as a time.")


def dump_time(time_s: float, form: TimeForm) -> str:
    """The time as `parse_time` reads it, parts of a second left out."""
    if form == "iso":
        return datetime.fromtimestamp(int(time_s), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(int(time_s) if form == "s" else int(time_s) * 1000)
