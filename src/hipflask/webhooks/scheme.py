"""What a scheme is: a row of the table in `schemes.py`, or one made of parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from ..scaffold import SetupError
from .delivery import Delivery
from .encodings import Encoding, TimeForm
from .handshakes import Reply
from .keys import Algorithm, KeyForm
from .layouts import Layout, Whole

# The answer to a delivery that asks something, None for one that does not.
Handshake = Callable[[Delivery], Reply | None]
# Judges a delivery by one secret: a function of the application's own.
Check = Callable[[Delivery, bytes], bool]

#: What a template of the signed content can name.
NAMES = {"id", "time", "body", "url", "webhook_id", "crc32", "names", "values"}

_HASHES = ("sha1", "sha256", "sha384", "sha512")
_KEYS_FOR: dict[KeyForm, tuple[str, ...]] = {
    "text": (*_HASHES, "token"),
    "standard": ("sha256",),
    "ed25519": ("ed25519",),
    "certificate": ("rsa-sha256",),
}
# The layout of most: the signature and nothing else.
_WHOLE = Whole()

_pieces_of = re.compile(r"(\{\w*\})").split
_is_field_name = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z").match


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How a sender signs, and how much of the delivery that vouches for.

    `header` holds the signature, laid out by `layout`. `content` is the template of what is
    signed: text, and `{id}`, `{time}`, `{body}`, `{url}` (as configured), `{webhook_id}` (as
    configured), `{crc32}` (of the body, decimal), `{names}` and `{values}` (of header fields).
    `tolerance_s` is how old a delivery may be, `future_s` how far ahead of our clock its time
    may be, both inclusive, in seconds; None for any. `body_id` and `body_time` name a member of
    the JSON body. `signs_form` is Twilio's own way, see `forms.py`. The rest is for people: how
    long the sender waits for an answer, what it does without one, what to know, and in
    `lenient` which facts are a reading not confirmed.
    """

    name: str
    title: str
    header: str
    layout: Layout = _WHOLE
    content: str = "{body}"
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    key: KeyForm = "text"
    id_header: str = ""
    body_id: str = ""
    is_id_signed: bool = False
    is_body_signed: bool = True
    time_header: str = ""
    time_form: TimeForm = "s"
    body_time: str = ""
    tolerance_s: float | None = None
    future_s: float | None = None
    needs_url: bool = False
    needs_webhook_id: bool = False
    signs_form: bool = False
    fixed: tuple[tuple[str, str], ...] = ()
    check: Check | None = None
    type_header: str = ""
    body_type: tuple[str, ...] = ()
    type_detail: str = ""
    id_with: str = ""
    body_id_with: str = ""
    asks: Handshake | None = None
    ack: int = 202
    answer_s: float = 15
    max_body: int = 1024 * 1024
    source: str = ""
    rotation: str = ""
    patience: str = ""
    notes: tuple[str, ...] = ()
    lenient: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"Scheme {self.name!r}"
        for name in (
            self.header,
            self.id_header,
            self.time_header,
            self.type_header,
            self.id_with,
        ):
            if name and _is_field_name(name) is None:
                raise SetupError(f"{where}: {name!r} is no name of a header field.")
        for value, kind in (
            (self.algorithm, Algorithm),
            (self.encoding, Encoding),
            (self.key, KeyForm),
            (self.time_form, TimeForm),
        ):
            if value not in get_args(kind):
                raise SetupError(f"{where}: {value!r} is none of {', '.join(get_args(kind))}.")
        if self.algorithm not in _KEYS_FOR[self.key]:
            raise SetupError(f"{where}: a {self.key!r} key is not for {self.algorithm!r}.")
        for piece in self.pieces:
            if piece[:1] == "{" and piece[1:-1] not in NAMES:
                known = ", ".join(sorted(NAMES))
                raise SetupError(f"{where}: {piece} in the content is none of {known}.")
        if "{time}" in self.pieces and not (self.time_header or hasattr(self.layout, "time")):
            raise SetupError(f"{where}: {{time}} is signed, so say in which field: time_header=.")
        if "{id}" in self.pieces and not self.id_header:
            raise SetupError(f"{where}: {{id}} is signed, so say in which field: id_header=.")
        for limit in (self.tolerance_s, self.future_s):
            if limit is not None and not limit >= 0:
                raise SetupError(f"{where}: a tolerance of {limit!r} s. Give 0 or more, or None.")

    @cached_property
    def pieces(self) -> list[str]:
        """The template in pieces: text, or a name in braces."""
        return [piece for piece in _pieces_of(self.content) if piece]

    @cached_property
    def template(self) -> bytes:
        """The content for `%` and a mapping of names in bytes."""
        named = {f"{{{name}}}": f"%({name})b" for name in NAMES}
        return "".join(named.get(one, one.replace("%", "%%")) for one in self.pieces).encode()

    @cached_property
    def signs_fields(self) -> bool:
        """Whether the content holds fields that the sender chose."""
        return "{names}" in self.pieces or "{values}" in self.pieces

    @cached_property
    def signs_checksum(self) -> bool:
        """Whether the content holds a CRC-32 of the body."""
        return "{crc32}" in self.pieces

    @property
    def has_time(self) -> bool:
        """Whether a delivery tells when it was sent."""
        return bool(self.time_header or self.body_time or hasattr(self.layout, "time"))


def hmac_scheme(
    name: str,
    *,
    header: str,
    algorithm: Algorithm = "sha256",
    encoding: Encoding = "hex",
    prefix: str = "",
    content: str = "{body}",
    time_header: str = "",
    time_form: TimeForm = "s",
    tolerance_s: float | None = 300,
    id_header: str = "",
    layout: Layout | None = None,
) -> Scheme:
    """A scheme of your own: an HMAC over a template, in a header field.

    `content` must hold `{body}`, and may hold `{time}`, `{id}` and `{url}`. Put a character
    between two of them that neither can hold: without one, `1` and `23` sign as `12` and `3`.
    With `time_header`, deliveries are refused that are more than `tolerance_s` old or ahead.
    Raises SetupError for what cannot work.

        hmac_scheme("acme", header="X-Acme-Signature", time_header="X-Acme-Time",
                    content="{time}.{body}", prefix="v1=")
    """
    where = f"hmac_scheme({name!r})"
    if algorithm not in ("sha1", "sha256", "sha384", "sha512"):
        raise SetupError(
            f"{where}: algorithm={algorithm!r} is none of sha1, sha256, sha384, sha512."
        )
    if "{body}" not in content:
        raise SetupError(f"{where}: the content does not hold {{body}}, so any body would pass.")
    if prefix and layout is not None:
        raise SetupError(f"{where} has both prefix= and layout=. Give the prefix to the layout.")
    if time_header and "{time}" not in content and layout is None:
        raise SetupError(
            f"{where}: the time in {time_header} is not signed, anybody could renew it. Put"
            " {time} into the content, or leave time_header out."
        )
    has_time = "{time}" in content
    return Scheme(
        name=name,
        title=name,
        header=header,
        layout=layout or Whole(prefix),
        content=content,
        algorithm=algorithm,
        encoding=encoding,
        time_header=time_header,
        time_form=time_form,
        id_header=id_header,
        is_id_signed="{id}" in content,
        tolerance_s=tolerance_s if has_time else None,
        future_s=tolerance_s if has_time else None,
        needs_url="{url}" in content,
    )


def own_scheme(
    name: str,
    check: Check,
    *,
    id_header: str = "",
    is_id_signed: bool = False,
    is_body_signed: bool = True,
) -> Scheme:
    """A scheme that a function of yours judges: `check(delivery, secret)` returns a bool.

    It is called with each secret, as bytes, until it returns true. Compare with
    `hmac.compare_digest`, over bytes. What it raises becomes a refusal with the reason
    "failed", which names the exception's class and not its text.
    """
    if not callable(check):
        raise SetupError(f"own_scheme({name!r}): {type(check).__name__} cannot be called.")
    return Scheme(
        name=name,
        title=name,
        header="",
        check=check,
        content="",
        id_header=id_header,
        is_id_signed=is_id_signed,
        is_body_signed=is_body_signed,
    )
