"""The event in a delivery's body: as plain JSON, as a form, or as the type a handler names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from .failures import Permanent

#: Fields of a form that are read; a longer one is bad data.
MOST_FORM_FIELDS = 1000
FORM = b"application/x-www-form-urlencoded"


class Kept(Protocol):
    """What is read of a delivery that was kept: `Received` is one."""

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """Header fields, names and values."""
        ...

    @property
    def body(self) -> bytes:
        """The bytes of the body."""
        ...

    @property
    def event(self) -> Any:
        """What `plain_event` makes of them."""
        ...


Read = Callable[[Kept], Any]


def media_type(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The media type of a delivery, in lower case and without parameters; b"" without one."""
    for name, value in fields:
        if name.lower() == b"content-type":
            return bare_type(value)
    return b""


def bare_type(value: bytes) -> bytes:
    """The media type in the value of a Content-Type field."""
    return value.partition(b";")[0].strip().lower()


def plain_event(fields: tuple[tuple[bytes, bytes], ...], body: bytes) -> Any:
    """The event as a handler without an annotation gets it.

    JSON decoded. Of a form the field `payload` decoded, which is where GitHub and Slack put
    their JSON, or the form as a dict with the last value of each field. Raises Permanent.
    """
    if media_type(fields) != FORM:
        return _decoded(body)
    form = read_form(body)
    return _decoded(form["payload"].encode()) if "payload" in form else form


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form, of a repeated one the last value. Raises Permanent."""
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FORM_FIELDS
        )
    except ValueError as error:
        raise Permanent(f"The body is no form: {type(error).__name__}.") from None
    return dict(pairs)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Permanent(f"The body is no JSON: {error}") from None


def reader_of(annotation: Any) -> Read:
    """What reads the event for a handler that annotates it so; None for no annotation.

    Raises TypeError for a type that nobody can read. What it returns raises Permanent, with
    the path of what is wrong, for data that is not of the type.
    """
    if annotation is None or annotation is Any:
        return lambda received: received.event
    if annotation is bytes:
        return lambda received: received.body
    from ..api.kinds import codec_of  # who annotates no event does not pay for it
    from ..api.model import Rejected

    codec = codec_of(annotation)
    decode, convert = codec.decode_json, codec.from_builtins

    def read(received: Kept) -> Any:
        try:
            if media_type(received.fields) == FORM:
                return convert(received.event, lax=True)
            return decode(received.body)
        except Rejected as rejected:
            raise Permanent(_told(rejected)) from None

    return read


def _told(rejected: Any) -> str:
    """The first flaws as "data.object.amount: expected an integer, got text"."""
    lines = []
    for flaw in rejected.flaws[:5]:
        path = ".".join(str(part) for part in flaw.location) or "the event"
        lines.append(f"{path}: expected {flaw.expected}, got {flaw.got}")
    return "; ".join(lines)
