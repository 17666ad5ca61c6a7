"""What a delivery claims: the signatures it carries, what they are over, its id and its time."""

from __future__ import annotations

import re
import zlib

import msgspec

from . import forms
from .delivery import Delivery
from .encodings import parse_signature, parse_time
from .keys import SIGNATURE_BYTES
from .layouts import LONGEST_FIELD_BYTES, MOST_SIGNATURES, Found
from .scheme import Scheme
from .verdict import Reason, Refusal

_is_id = re.compile(rb"[!-~]{1,256}\Z").match
_MOST_NAMES = 32
# Standard Webhooks: HMAC with SHA-256, and Ed25519.
_STANDARD_BYTES = {"v1": 32, "v1a": 64}


class Claim(msgspec.Struct, kw_only=True):
    """Read from the header fields; nothing of it is checked yet.

    `signatures` are (version, signature) pairs, decoded but for tokens.
    """

    signatures: list[tuple[str, bytes]]
    contents: list[bytes]
    algorithm: str
    id: str | None
    is_id_signed: bool
    time_s: float | None


def one(delivery: Delivery, name: str) -> bytes | None:
    """The value of a field that may be there once; `Refusal` for more, or for 16 KiB of it."""
    values = delivery.values(name)
    if len(values) != 1:
        if not values:
            return None
        raise Refusal(Reason.DUPLICATE, f"{name} is there {len(values)} times.")
    value = values[0]
    if len(value) > LONGEST_FIELD_BYTES:
        raise Refusal(Reason.MALFORMED, f"{name} has more than {LONGEST_FIELD_BYTES} bytes.")
    return value


def needed(delivery: Delivery, name: str) -> bytes:
    """The value of a field that must be there once, and not be empty."""
    value = one(delivery, name)
    if not value:
        raise Refusal(Reason.MISSING, f"{name} is not there, or empty.")
    return value


def read_id(scheme: Scheme, delivery: Delivery) -> bytes | None:
    """The delivery's id: visible ASCII, at most 256 characters."""
    if not scheme.id_header:
        return None
    value = one(delivery, scheme.id_header)
    if not value:
        if "{id}" in scheme.pieces:
            raise Refusal(Reason.MISSING, f"{scheme.id_header} is not there, or empty.")
        return None
    if _is_id(value) is None:
        raise Refusal(Reason.MALFORMED, f"{scheme.id_header} is not in visible ASCII.")
    return value


def read_claim(scheme: Scheme, delivery: Delivery, url: str, webhook_id: str) -> Claim:
    """What the delivery claims under the scheme; `Refusal` where it cannot be read."""
    found = scheme.layout.parse(needed(delivery, scheme.header), scheme.header)
    delivery_id = read_id(scheme, delivery)
    time = found.time
    if scheme.time_header:
        time = needed(delivery, scheme.time_header)
    time_s = None
    if time is not None:
        time_s = parse_time(time, scheme.time_form, scheme.time_header or scheme.header)
    algorithm: str = scheme.algorithm
    is_id_signed = scheme.is_id_signed
    if scheme.signs_form:
        algorithm = forms.parse_settings(one(delivery, forms.SETTINGS_HEADER))
        types = [value] if (value := one(delivery, "Content-Type")) is not None else []
        contents = forms.contents_of(url, delivery, types)
    elif scheme.content == "{body}":
        contents = [delivery.body]
    else:
        known = {
            b"time": time or b"",
            b"id": delivery_id or b"",
            b"body": delivery.body,
            b"url": url.encode(),
            b"webhook_id": webhook_id.encode(),
        }
        if scheme.signs_fields:
            names = [name for name in found.names.split(b" ") if name]
            known |= {b"names": found.names, b"values": values_of(delivery, names)}
            signed = {name.lower() for name in names}
            is_id_signed = scheme.id_header.lower().encode() in signed
        if scheme.signs_checksum:
            known[b"crc32"] = str(zlib.crc32(delivery.body)).encode()
        contents = [scheme.template % known]
    return Claim(
        signatures=well_formed(scheme, algorithm, found),
        contents=contents,
        algorithm=algorithm,
        id=delivery_id.decode("ascii") if delivery_id else None,
        is_id_signed=is_id_signed,
        time_s=time_s,
    )


def values_of(delivery: Delivery, names: list[bytes]) -> bytes:
    """The values of signed fields, a dot between them (Hook0)."""
    if len(names) > _MOST_NAMES:
        raise Refusal(Reason.MALFORMED, f"More than {_MOST_NAMES} fields are named as signed.")
    return b".".join(needed_among(delivery, name.decode("latin-1")) for name in names)


def needed_among(delivery: Delivery, name: str) -> bytes:
    """As `needed`, for a name that the sender chose and that no message may show."""
    values = delivery.values(name)
    if len(values) != 1:
        reason = Reason.DUPLICATE if values else Reason.MISSING
        raise Refusal(reason, "A field that is named as signed must be there once.")
    return values[0]


def well_formed(scheme: Scheme, algorithm: str, found: Found) -> list[tuple[str, bytes]]:
    """The signatures that can be some; `Refusal` if none can, or if there are too many."""
    if len(found.signatures) > MOST_SIGNATURES:
        detail = f"{scheme.header} holds more than {MOST_SIGNATURES} signatures."
        raise Refusal(Reason.MALFORMED, detail)
    kept = []
    for version, text in found.signatures:
        if algorithm == "token":
            signature = text or None
        else:
            signature = parse_signature(text, scheme.encoding)
            if signature is not None and not _has_size(scheme, algorithm, version, signature):
                signature = None
        if signature is not None:
            kept.append((version, signature))
    if not kept:
        raise Refusal(Reason.MALFORMED, f"{scheme.header} holds no signature of this scheme.")
    return kept


def _has_size(scheme: Scheme, algorithm: str, version: str, signature: bytes) -> bool:
    if scheme.key == "standard":
        return len(signature) == _STANDARD_BYTES.get(version)
    size = SIGNATURE_BYTES.get(algorithm)
    return size is None or len(signature) == size


def read_body_time(scheme: Scheme, delivery: Delivery) -> float:
    """The time in the signed JSON body, in milliseconds there; `Refusal` without one."""
    try:
        members = msgspec.json.decode(delivery.body, type=dict[str, msgspec.Raw])
        value = bytes(members[scheme.body_time])
    except KeyError:
        raise Refusal(Reason.MISSING, f"The body has no {scheme.body_time}.") from None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Refusal(Reason.MALFORMED, "The body is no JSON object.") from None
    return parse_time(value, scheme.time_form, f"the body's {scheme.body_time}")
