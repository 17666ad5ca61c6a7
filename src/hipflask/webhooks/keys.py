"""Secrets made ready to check and to sign with. None of them can be printed.

A key is made at setup: what is wrong with a secret is told then, by a `SetupError` that says
which one and what to do, and never shows it.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from binascii import Error, a2b_base64
from hmac import HMAC, compare_digest
from hmac import digest as hmac_digest
from hmac import new as hmac_new
from typing import Any, Literal, NamedTuple, Protocol

from ..scaffold import SetupError
from .encodings import Encoding, dump_signature, parse_signature

Algorithm = Literal["sha1", "sha256", "sha384", "sha512", "ed25519", "rsa-sha256", "token"]
# How a secret is written: as it is; base 64 behind `whsec_`, or Ed25519 behind `whpk_`; the hex
# digits of an Ed25519 key; a certificate.
KeyForm = Literal["text", "standard", "ed25519", "certificate"]

#: The sizes of signatures in bytes; RSA's and a token's are of any size.
SIGNATURE_BYTES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64, "ed25519": 64}
# Standard Webhooks: a secret has 24 to 64 bytes. More does no harm, less can be guessed.
SHORTEST_STANDARD_BYTES = 24

INSTALL = "Run: pip install 'hipflask[webhooks]'"


class Signed(NamedTuple):
    """What a signature is over, and how it is made and written."""

    content: bytes
    algorithm: str
    encoding: Encoding


class Key(Protocol):
    """Checks and makes signatures; `version` is what stands before them in `Versions`."""

    @property
    def version(self) -> str:
        """ "v1", or "v1a" for Ed25519."""
        ...

    def accepts(self, signed: Signed, given: list[bytes]) -> bool:
        """Whether one of these is its signature: bytes as decoded, a token as it was sent."""
        ...

    def sign(self, signed: Signed) -> str:
        """The signature as text; SetupError for a key that can only check."""
        ...


class _Hidden:
    """Has a repr that shows no field."""

    version = "v1"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class HmacKey(_Hidden):
    """A secret shared with the sender (RFC 2104)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def begin(self, algorithm: str) -> HMAC:
        """An HMAC that nothing was put in yet; a copy takes half as long as `hmac.digest`."""
        return hmac_new(self._secret, digestmod=algorithm)

    def accepts(self, signed: Signed, given: list[bytes]) -> bool:
        """Compares bytes, in a time that does not tell how many of them are right."""
        expected = hmac_digest(self._secret, signed.content, signed.algorithm)
        found = False
        for signature in given:
            found |= compare_digest(signature, expected)
        return found

    def sign(self, signed: Signed) -> str:
        """The HMAC as text."""
        made = hmac_digest(self._secret, signed.content, signed.algorithm)
        return dump_signature(made, signed.encoding).decode()


class TokenKey(_Hidden):
    """A secret that is sent as it is."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._digest = hashlib.sha256(secret).digest()

    def accepts(self, signed: Signed, given: list[bytes]) -> bool:
        """Compares hashes, so that the time taken tells nothing of the length either."""
        return any(compare_digest(hashlib.sha256(text).digest(), self._digest) for text in given)

    def sign(self, signed: Signed) -> str:
        """The token."""
        return self._secret.decode("latin-1")


class Ed25519Key(_Hidden):
    """The sender's public key, or, to sign with, a private one (RFC 8032)."""

    version = "v1a"

    def __init__(self, key: bytes, *, is_private: bool) -> None:
        ed25519 = _load_ed25519()
        self._private: Any = None
        if is_private:
            self._private = ed25519.Ed25519PrivateKey.from_private_bytes(key)
            self._public: Any = self._private.public_key()
        else:
            self._public = ed25519.Ed25519PublicKey.from_public_bytes(key)

    def accepts(self, signed: Signed, given: list[bytes]) -> bool:
        """Whether one is valid. Nothing secret takes part in the check."""
        from cryptography.exceptions import InvalidSignature  # loaded by __init__

        for signature in given:
            try:
                self._public.verify(signature, signed.content)
            except InvalidSignature:
                continue
            return True
        return False

    def sign(self, signed: Signed) -> str:
        """The signature as text; SetupError without the private key."""
        if self._private is None:
            raise SetupError("A public key cannot sign: give the private one to sign().")
        return dump_signature(self._private.sign(signed.content), signed.encoding).decode()


def _load_ed25519() -> Any:
    try:
        # An extra, and needed by the schemes with asymmetric keys only.
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise SetupError(f"This scheme needs the package cryptography. {INSTALL}") from None
    return ed25519


def make_key(form: KeyForm, algorithm: str, secret: object, where: str, *, to_sign: bool) -> Key:
    """A key of a secret; SetupError, with `where` in it, if it is not written as it should be."""
    if not isinstance(secret, (str, bytes)):
        raise SetupError(f"{where} is a {type(secret).__name__}; it must be a str or bytes.")
    if not secret.strip():
        raise SetupError(f"{where} is empty. Is the setting it comes from set?")
    if isinstance(secret, str) and secret != secret.strip():
        raise SetupError(f"{where} has white space around it. Take it away, a line end perhaps.")
    if form == "ed25519":
        return _make_ed25519(secret, where, to_sign=to_sign)
    if form == "standard":
        return _make_standard(secret, where, to_sign=to_sign)
    raw = secret.encode() if isinstance(secret, str) else secret
    return TokenKey(raw) if algorithm == "token" else HmacKey(raw)


def _make_ed25519(secret: str | bytes, where: str, *, to_sign: bool) -> Ed25519Key:
    raw = secret if isinstance(secret, bytes) else parse_signature(_ascii(secret), "hex")
    if raw is None or len(raw) != 32:
        raise SetupError(
            f"{where} is no Ed25519 key: it must be 64 hexadecimal digits, as the sender's"
            " console shows them."
        )
    return Ed25519Key(raw, is_private=to_sign)


def _make_standard(secret: str | bytes, where: str, *, to_sign: bool) -> Key:
    """Standard Webhooks: "Signature scheme". `whsec_` may be left out, as in its libraries."""
    if isinstance(secret, bytes):
        raw: bytes | None = secret
        prefix = "whsec_"
    else:
        begin = next((p for p in ("whsec_", "whpk_", "whsk_") if secret.startswith(p)), "")
        prefix = begin or "whsec_"
        raw = _parse_base64(secret.removeprefix(begin))
    if raw is None:
        raise SetupError(f"{where} is no base 64 behind {prefix}: copy it from the sender again.")
    if prefix == "whsec_":
        if len(raw) < SHORTEST_STANDARD_BYTES:
            raise SetupError(
                f"{where} has {len(raw)} bytes; a secret has at least"
                f" {SHORTEST_STANDARD_BYTES}, in base 64 behind whsec_."
            )
        return HmacKey(raw)
    if prefix == "whsk_" and not to_sign:
        raise SetupError(f"{where} is the sender's private key: check with the public one, whpk_.")
    # A private key is its seed, or the seed and the public key behind it.
    if len(raw) == 64 and prefix == "whsk_":
        raw = raw[:32]
    if len(raw) != 32:
        raise SetupError(f"{where} has {len(raw)} bytes; an Ed25519 key has 32, behind {prefix}.")
    return Ed25519Key(raw, is_private=prefix == "whsk_")


def _parse_base64(text: str) -> bytes | None:
    """The bytes of base 64, whose padding may be left out."""
    raw = _ascii(text).rstrip(b"=")
    try:
        decoded = a2b_base64(raw + b"=" * (-len(raw) % 4), strict_mode=True)
    except Error:
        return None
    return decoded if b64encode(decoded).rstrip(b"=") == raw else None


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")
