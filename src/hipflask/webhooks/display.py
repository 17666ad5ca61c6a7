"""Shows to people what a stranger sent: readable, short, and with nothing secret.

What comes out may go to a terminal or, escaped, into a page: characters that would steer a
terminal, or turn text round, are written as escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec

from ..look.words import visible as visible  # what shows bodies shows texts, too
from .scheme import Scheme

#: Bytes of a body that are shown; the rest can be downloaded.
MOST_SHOWN = 64 * 1024
_REDACTED = "(redacted)"
_is_secret = re.compile(
    r"authorization|cookie|token|secret|passw|credential|api-?key|access-?key|[-_]key\Z|session",
    re.ASCII,
).search


@dataclass(frozen=True)
class Shown:
    """A body for people: `kind` is json, form, text, binary, empty or gone; `text` is safe."""

    kind: str
    text: str = ""
    #: Whether bytes beyond the limit were left out.
    is_cut: bool = False
    size: int = 0


def redact(
    headers: Iterable[tuple[bytes | str, bytes | str]], secret_names: Iterable[str] = ()
) -> list[tuple[str, str]]:
    """Header fields for people, in order: values whose name tells of a secret are left out.

    `secret_names` are further fields that hold one, as the header of a token scheme does.
    """
    secret = {name.lower() for name in secret_names}
    shown = []
    for raw_name, raw_value in headers:
        name, value = _to_text(raw_name), _to_text(raw_value)
        lower = name.lower()
        # An idempotency token is an id and opens nothing.
        if lower in secret or (_is_secret(lower) and "idempotency" not in lower):
            value = _REDACTED
        shown.append((visible(name), visible(value)))
    return shown


def pretty(body: bytes | None, content_type: str = "", limit: int = MOST_SHOWN) -> Shown:
    """A body for people: JSON indented with its numbers and order untouched, forms as lines.

    None is a body that retention took. At most `limit` bytes are read, except of JSON and
    forms, which are read whole up to four times as many, so that they can be laid out.
    """
    if body is None:
        return Shown("gone")
    if not body:
        return Shown("empty")
    size = len(body)
    media = content_type.partition(";")[0].strip().lower()
    if size <= 4 * limit:
        if media == "application/x-www-form-urlencoded":
            return _cut("form", _form(body), limit, size)
        text = _json(body)
        if text is not None:
            return _cut("json", text, limit, size)
    try:
        return _cut("text", _decode_start(body, limit), limit, size, is_cut=size > limit)
    except UnicodeDecodeError:
        return _cut("binary", _hex(body[: min(limit, 1024)]), limit, size, is_cut=size > 1024)


def secret_headers(scheme: Scheme) -> tuple[str, ...]:
    """The header fields in which senders of a scheme put the secret itself."""
    return (scheme.header,) if scheme.algorithm == "token" else ()


def content_type(headers: Iterable[tuple[bytes | str, bytes | str]]) -> str:
    """The value of Content-Type; "" without one."""
    return next((_to_text(v) for n, v in headers if _to_text(n).lower() == "content-type"), "")


def _cut(kind: str, text: str, limit: int, size: int, is_cut: bool = False) -> Shown:
    return Shown(kind, visible(text[:limit]), is_cut or len(text) > limit, size)


def _json(body: bytes) -> str | None:
    if body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return msgspec.json.format(body, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _form(body: bytes) -> str:
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return "\n".join(f"{name} = {value}" for name, value in pairs)


def _decode_start(body: bytes, limit: int) -> str:
    try:
        return body[:limit].decode()
    except UnicodeDecodeError as error:
        # The limit may have cut a character in two: that is no reason to show digits.
        if len(body) > limit and error.start >= limit - 3:
            return body[: error.start].decode()
        raise


def _hex(body: bytes) -> str:
    rows = (body[start : start + 16] for start in range(0, len(body), 16))
    return "\n".join(
        f"{number * 16:06x}  {row.hex(' '):<47}  "
        + "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        for number, row in enumerate(rows)
    )


def _to_text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
