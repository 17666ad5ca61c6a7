"""PayPal's certificates: where they may come from, and what they must be.

PayPal: "Webhooks, Integration guide", section "Message verification". Its SDK fetched whatever
URL the delivery named. Here the URL must be PayPal's API over https, and nothing is fetched but
by a function of the application; that must not follow redirects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..scaffold import SetupError
from .encodings import dump_signature
from .keys import INSTALL, Signed
from .verdict import Reason, Refusal

Fetch = Callable[[str], bytes]

URL_HEADER = "PAYPAL-CERT-URL"
ALGORITHM_HEADER = "PAYPAL-AUTH-ALGO"

_LONGEST_BYTES = 64 * 1024
_FEWEST_BITS, _MOST_BITS = 2048, 8192

# One host name, no port, no user, no query; a path in which nothing is escaped.
_is_paypal = re.compile(
    rb"https://api(?:-m)?(?:\.sandbox)?\.paypal\.com(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){1,8}\Z"
).match


def load_cryptography() -> Any:
    """The parts of the package `cryptography` for RSA; SetupError if it is not installed."""
    try:
        # An extra, and needed by the schemes with asymmetric keys only.
        from cryptography import x509
    except ImportError:
        raise SetupError(f"PayPal's scheme needs the package cryptography. {INSTALL}") from None
    return x509


class RsaKey:
    """The key of a certificate, with the time it is valid in; or, to sign with, a private key."""

    version = ""

    def __init__(self, pem: bytes) -> None:
        """Reads a certificate in PEM, the first if there are several; raises ValueError."""
        from cryptography.hazmat.primitives.asymmetric import rsa  # see load_cryptography

        certificate = load_cryptography().load_pem_x509_certificates(pem)[0]
        self._public = certificate.public_key()
        if not isinstance(self._public, rsa.RSAPublicKey):
            raise ValueError("not RSA")
        if not _FEWEST_BITS <= self._public.key_size <= _MOST_BITS:
            raise ValueError("key size")
        self._from_s = certificate.not_valid_before_utc.timestamp()
        self._until_s = certificate.not_valid_after_utc.timestamp()

    def is_valid_at(self, now_s: float) -> bool:
        """Whether the certificate is valid at that time, in seconds since 1970."""
        return bool(self._from_s <= now_s <= self._until_s)

    def accepts(self, signed: Signed, given: list[bytes]) -> bool:
        """Whether one is a signature of RSA with PKCS 1 v1.5 and SHA-256 (RFC 8017)."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        for signature in given:
            try:
                self._public.verify(signature, signed.content, padding.PKCS1v15(), hashes.SHA256())
            except InvalidSignature:
                continue
            return True
        return False

    def sign(self, signed: Signed) -> str:
        """Raises SetupError: a certificate cannot sign."""
        raise SetupError("A certificate cannot sign: give the private key, in PEM, to sign().")

    def __repr__(self) -> str:
        return "<RsaKey>"


class RsaSigner:
    """A private RSA key, in PEM without a password, that signs as PayPal does."""

    version = ""

    def __init__(self, pem: bytes, where: str) -> None:
        load_cryptography()
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            self._private: Any = load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            raise SetupError(f"{where} is no private key in PEM without a password.") from None

    def accepts(self, signed: Signed, given: list[bytes]) -> bool:
        """Never: who checks has the certificate."""
        return False

    def sign(self, signed: Signed) -> str:
        """The signature in base 64."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        made = self._private.sign(signed.content, padding.PKCS1v15(), hashes.SHA256())
        return dump_signature(made, signed.encoding).decode()

    def __repr__(self) -> str:
        return "<RsaSigner>"


def make_certificate_key(secret: object, where: str) -> RsaKey:
    """The key of a configured certificate; SetupError for what is none."""
    load_cryptography()
    if not isinstance(secret, (str, bytes)):
        raise SetupError(f"{where} is a {type(secret).__name__}; it must be a str or bytes.")
    try:
        return RsaKey(secret.encode() if isinstance(secret, str) else secret)
    except ValueError:
        raise SetupError(
            f"{where} is no certificate in PEM with an RSA key of {_FEWEST_BITS} bits or more."
        ) from None


def check_algorithm(value: bytes) -> None:
    """`Refusal` for any algorithm but PayPal's one."""
    if value.lower() != b"sha256withrsa":
        raise Refusal(Reason.MALFORMED, f"{ALGORITHM_HEADER} is not SHA256withRSA.")


def fetch_key(fetch: Fetch, url: bytes) -> RsaKey:
    """The key of the certificate at the URL; `Refusal`, before anything is fetched, for others'."""
    if _is_paypal(url) is None:
        raise Refusal(Reason.CERTIFICATE, f"{URL_HEADER} does not lead to PayPal's API.")
    try:
        pem: object = fetch(url.decode("ascii"))
    except Exception as error:  # theirs, of any kind; its text might hold what we must not tell
        kind = type(error).__name__
        raise Refusal(Reason.NO_CERTIFICATE, f"Fetching the certificate raised {kind}.") from None
    if not isinstance(pem, bytes) or len(pem) > _LONGEST_BYTES:
        raise Refusal(Reason.NO_CERTIFICATE, "What was fetched is no certificate.")
    try:
        return RsaKey(pem)
    except ValueError:
        raise Refusal(Reason.NO_CERTIFICATE, "What was fetched is no certificate.") from None


def check_dates(key: RsaKey, now_s: float) -> None:
    """`Refusal` for a certificate that is not valid now."""
    if not key.is_valid_at(now_s):
        raise Refusal(Reason.CERTIFICATE, "The certificate is not valid at this time.")
