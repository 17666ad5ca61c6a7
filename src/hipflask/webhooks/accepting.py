"""The short way to accept a delivery: a function made at setup, for schemes that sign by HMAC.

Nearly every delivery is signed once, in the form that the scheme itself writes. So the field is
compared, as it was sent, with the one that we would write. What is anything else, in whatever
way, is left to `Verifier`, which can also say why it refuses: what is accepted here it accepts
too, with the same verdict (`tests/webhooks/test_accepting.py` holds both together). 1,000 times
the signed example of Standard Webhooks takes 5 ms instead of 12.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from binascii import b2a_base64, hexlify
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Any

from .delivery import Delivery
from .encodings import LONGEST_SECONDS, Encoding
from .keys import HmacKey
from .layouts import Layout, Listed, Pairs, Versions, Whole
from .scheme import Scheme
from .verdict import Verdict

#: What is not accepted here is hashed a second time: a larger body is not hashed here at all.
LARGEST_BYTES = 32 * 1024

Accept = Callable[[Delivery, float], Verdict | None]
# The text before the body in what is signed, of the id and the time.
_Head = Callable[[str, str], bytes]

_is_id = re.compile(r"[!-~]{1,256}\Z").match
# What names a value in `Pairs`, and what stands between two: neither is part of any value.
_is_plain_key = re.compile(r"[a-z][a-z0-9]*\Z").match
_SEPARATORS = (",", ";")


def make_accept(
    scheme: Scheme,
    keys: Sequence[object],
    *,
    url: str,
    past_s: float | None,
    ahead_s: float | None,
) -> Accept | None:
    """What gives the verdict on a delivery that is accepted, and None for any other.

    None where the scheme is not of this kind: then there is no short way.
    """
    secrets = [key for key in keys if isinstance(key, HmacKey)]
    laid_out = _laid_out(scheme.layout)
    write_head = _make_head(scheme, url)
    if laid_out is None or write_head is None or not keys or len(secrets) != len(keys):
        return None
    if scheme.check is not None or scheme.signs_form or scheme.body_time or scheme.time_form != "s":
        return None
    if scheme.key == "standard" and type(scheme.layout) is not Versions:
        return None  # its keys are for signatures with a version
    write_prefix, time_at, separator = laid_out
    begun = [(number, key.begin(scheme.algorithm)) for number, key in enumerate(secrets, start=1)]
    dump = _DUMPS[scheme.encoding]
    header, name = scheme.header.lower(), scheme.name
    # No field has the name None.
    id_header: Any = scheme.id_header.lower() or None
    time_header: Any = scheme.time_header.lower() or None
    has_time = time_header is not None or time_at > 0
    is_id_needed = "{id}" in scheme.pieces
    is_id_signed, is_body_signed = scheme.is_id_signed, scheme.is_body_signed

    def accept(delivery: Delivery, now_s: float) -> Verdict | None:
        fields, body = delivery.single, delivery.body
        given = fields.get(header)
        if given is None or len(body) > LARGEST_BYTES:
            return None
        found = fields.get(id_header) or None
        if is_id_needed if found is None else _is_id(found) is None:
            return None
        time_s, time = None, ""
        if has_time:
            if time_header is None:
                time = given[time_at : given.find(separator)]
            else:
                time = fields.get(time_header, "")
            if not (0 < len(time) <= LONGEST_SECONDS and time.isascii() and time.isdigit()):
                return None
            time_s = float(int(time))
            # Written so that a clock that gives no number refuses.
            if past_s is not None and not now_s - time_s <= past_s:
                return None
            if ahead_s is not None and not time_s - now_s <= ahead_s:
                return None
        signature, prefix = given.encode("latin-1"), write_prefix(time)
        begin = write_head(found or "", time)
        for number, key in begun:
            made = key.copy()
            made.update(begin)
            made.update(body)
            if compare_digest(signature, prefix + dump(made.digest())):
                return Verdict(
                    scheme=name,
                    secret_no=number,
                    id=found,
                    is_id_signed=is_id_signed,
                    is_body_signed=is_body_signed,
                    time_s=time_s,
                )
        return None

    return accept


def _laid_out(layout: Layout) -> tuple[Callable[[str], bytes], int, str] | None:
    """What writes all that stands before the signature, of the time; where the time begins (0:
    it is not there), and what ends it. None for a layout that has more in it.
    """
    # Their very classes: another one may override how it reads.
    kind = type(layout)
    if isinstance(layout, Pairs) and kind is Pairs:
        names = (layout.time, layout.signature)
        if layout.names or layout.separator not in _SEPARATORS or names[0] == names[1]:
            return None
        if not all(map(_is_plain_key, names)):
            return None
        before, after = f"{names[0]}=", f"{layout.separator}{names[1]}="
        return lambda time: f"{before}{time}{after}".encode(), len(before), layout.separator
    if isinstance(layout, Whole) and kind is Whole:
        prefix = layout.prefix
    elif isinstance(layout, Listed) and kind is Listed:
        # Where a signature could begin like the prefix, the long way takes it for two values.
        if layout.prefix and not re.match(r"[a-z0-9]{1,8}=\Z", layout.prefix):
            return None
        prefix = layout.prefix
    elif kind is Versions:
        prefix = f"{HmacKey.version},"
    else:
        return None
    whole = prefix.encode()
    return lambda time: whole, 0, ""


def _make_head(scheme: Scheme, url: str) -> _Head | None:
    """None where the body is not the last in what is signed, or anything else before it."""
    pieces = scheme.pieces
    if not pieces or pieces[-1] != "{body}":
        return None
    texts, names = [""], []
    for piece in pieces[:-1]:
        if piece in ("{id}", "{time}"):
            names.append(piece)
            texts.append("")
        elif piece[:1] == "{" and piece != "{url}":
            return None
        else:
            texts[-1] += url if piece == "{url}" else piece
    if not names:
        always = texts[0].encode()
        return lambda found, time: always
    if names == ["{time}"]:
        before, after = texts
        return lambda found, time: f"{before}{time}{after}".encode()
    if names == ["{id}", "{time}"]:
        first, between, last = texts
        return lambda found, time: f"{first}{found}{between}{time}{last}".encode()
    return None


def _to_base64(signature: bytes) -> bytes:
    return b2a_base64(signature, newline=False)


_DUMPS: dict[Encoding, Callable[[bytes], bytes]] = {
    "hex": hexlify,
    "base64": _to_base64,
    "base64url": urlsafe_b64encode,
}
