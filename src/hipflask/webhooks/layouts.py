"""How the field with the signature is laid out. `dump` writes what `parse` reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .verdict import Reason, Refusal

# Svix signs with 11 keys at most; checking one takes time that an unknown caller decides on.
MOST_SIGNATURES = 16
LONGEST_FIELD_BYTES = 16 * 1024


class Found(NamedTuple):
    """What stands in the field: signatures as (version, text), the time, names of fields."""

    signatures: list[tuple[str, bytes]]
    time: bytes | None = None
    names: bytes = b""


class Layout(Protocol):
    """Reads and writes the value of the field that holds the signature."""

    def parse(self, value: bytes, name: str) -> Found:
        """What stands in the value; raises `Refusal` for another layout."""
        ...

    def dump(self, signatures: list[tuple[str, str]], time: str, names: str) -> str:
        """The value to send, of (version, text) pairs."""
        ...

    @property
    def takes_several(self) -> bool:
        """Whether a sender can sign with more than one secret."""
        ...


def _malformed(name: str) -> Refusal:
    return Refusal(Reason.MALFORMED, f"{name} has not the form of this scheme.")


def _refuse_joined(name: str, is_joined: bool) -> None:
    """Under WSGI a repeated field arrives as one, its values with commas between them."""
    if is_joined:
        raise Refusal(Reason.DUPLICATE, f"{name} was there more than once, and is joined.")


@dataclass(frozen=True)
class Whole:
    """The value is one signature behind a prefix: `sha256=757107ea...`.

    `any_case` accepts the prefix in upper and lower case (RFC 9110, 11.1, for `Bearer`).
    """

    prefix: str = ""
    any_case: bool = False
    takes_several = False

    def parse(self, value: bytes, name: str) -> Found:
        """The signature; `Refusal` if the prefix is another."""
        prefix = self.prefix.encode()
        begin = value[: len(prefix)]
        if begin != prefix and not (self.any_case and begin.lower() == prefix.lower()):
            raise _malformed(name)
        return Found([("", value[len(prefix) :])])

    def dump(self, signatures: list[tuple[str, str]], time: str, names: str) -> str:
        """The prefix and the signature."""
        return self.prefix + signatures[0][1]


@dataclass(frozen=True)
class Listed:
    """Signatures with commas between them, behind a prefix: `v0=1d2c...,77ab...`."""

    prefix: str = ""
    takes_several = True

    def parse(self, value: bytes, name: str) -> Found:
        """The signatures; `Refusal` if the prefix is another."""
        whole = Whole(self.prefix).parse(value, name).signatures[0][1]
        texts = whole.split(b",")
        begin = self.prefix.encode()
        _refuse_joined(name, begin != b"" and any(text.startswith(begin) for text in texts))
        return Found([("", text) for text in texts])

    def dump(self, signatures: list[tuple[str, str]], time: str, names: str) -> str:
        """The prefix and all signatures."""
        return self.prefix + ",".join(text for _, text in signatures)


@dataclass(frozen=True)
class Versions:
    """Signatures with spaces between them, a version before each: `v1,ARw4... v1a,9WMP...`."""

    takes_several = True

    def parse(self, value: bytes, name: str) -> Found:
        """The signatures, those of unknown versions too; what has no comma is passed over."""
        found = []
        for piece in value.split(b" "):
            version, comma, text = piece.partition(b",")
            if comma:
                found.append((version.decode("latin-1"), text))
        return Found(found)

    def dump(self, signatures: list[tuple[str, str]], time: str, names: str) -> str:
        """All signatures with their versions."""
        return " ".join(f"{version},{text}" for version, text in signatures)


@dataclass(frozen=True)
class Pairs:
    """Keys and values: `t=1674087231,v1=9c86...,v1=77ab...`; unknown keys are passed over."""

    separator: str
    time: str
    signature: str
    names: str = ""
    takes_several = True

    def parse(self, value: bytes, name: str) -> Found:
        """Signatures and time; `Refusal` for a piece without "=", and for two times."""
        found: list[tuple[str, bytes]] = []
        once: dict[bytes, bytes] = {}
        _refuse_joined(name, self.separator != "," and b"," in value)
        for piece in value.split(self.separator.encode()):
            key, equals, text = piece.strip(b" ").partition(b"=")
            if not equals:
                raise _malformed(name)
            if key == self.signature.encode():
                found.append(("", text))
            elif key == self.time.encode() or (self.names and key == self.names.encode()):
                if key in once:
                    raise Refusal(Reason.DUPLICATE, f"{name} has a key twice that may come once.")
                once[key] = text
        time = once.get(self.time.encode())
        if time is None:
            raise Refusal(Reason.MISSING, f"{name} has no time.")
        return Found(found, time, once.get(self.names.encode(), b""))

    def dump(self, signatures: list[tuple[str, str]], time: str, names: str) -> str:
        """The time, the names if the scheme has them, the signatures."""
        pieces = [f"{self.time}={time}"]
        if self.names:
            pieces.append(f"{self.names}={names}")
        pieces += [f"{self.signature}={text}" for _, text in signatures]
        return self.separator.join(pieces)
