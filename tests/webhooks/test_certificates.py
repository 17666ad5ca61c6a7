"""PayPal's certificates: given, fetched, and not to be fetched."""

from __future__ import annotations

import pytest

from hipflask.scaffold import SetupError
from hipflask.webhooks import Delivery, Reason, Verifier, sign
from hipflask.webhooks.certificates import RsaKey

from .senders import BODY, SENDERS, T, paypal_pair

SENDER = SENDERS["paypal"]
ID = "1JE4291016473214C"


def fields_with(name: str, value: str) -> list[tuple[str, str]]:
    private, _ = paypal_pair()
    headers = sign("paypal", BODY, private, now=T, webhook_id=ID)
    return [(n, value if n == name else v) for n, v in headers]


def test_fetched_certificate():
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return paypal_pair()[1].encode()

    verdict = Verifier("paypal", webhook_id=ID, fetch=fetch).verify(SENDER.deliver(), now=T)
    assert verdict.ok and verdict.secret_no == 1 and verdict.is_id_signed
    assert asked == ["https://api.sandbox.paypal.com/v1/notifications/certs/CERT-local"]


REFUSED = """
    http://api.paypal.com/v1/notifications/certs/CERT-1
    https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1
    https://evil.example/api.paypal.com/CERT-1
    https://api.paypal.com@evil.example/CERT-1
    https://user:pw@api.paypal.com/CERT-1
    https://api.paypal.com:8443/CERT-1
    https://evilpaypal.com/CERT-1
    https://www.paypal.com/upload/CERT-1
    https://127.0.0.1/CERT-1
    https://[::1]/CERT-1
    https://api.paypal.com/../CERT-1
    https://api.paypal.com/a?next=https://evil.example
    https://api.paypal.com/a#b
    https://api.paypal.com/%2e%2e/CERT-1
    https://api.paypal.com\\@evil.example/CERT-1
    https://api.paypal.com
    https://api.paypal.com/
    https://API.PAYPAL.COM/CERT-1
    //api.paypal.com/CERT-1
    file:///etc/passwd
    gopher://api.paypal.com/CERT-1
    https://аpi.paypal.com/CERT-1
""".split()


@pytest.mark.parametrize("url", REFUSED)
def test_a_certificate_elsewhere_is_never_fetched(url):
    def fetch(url: str) -> bytes:
        raise AssertionError("fetched")

    delivery = Delivery(fields_with("PAYPAL-CERT-URL", url), BODY)
    verdict = Verifier("paypal", webhook_id=ID, fetch=fetch).verify(delivery, now=T)
    assert verdict.reason is Reason.CERTIFICATE and verdict.status == 401
    assert url not in verdict.detail


@pytest.mark.parametrize("end", ["\n", "\r\nHost: evil.example", "\0", " "])
def test_a_url_with_an_end_of_its_own_is_never_fetched(end):
    url = "https://api.paypal.com/v1/notifications/certs/CERT-1" + end
    test_a_certificate_elsewhere_is_never_fetched(url)


@pytest.mark.parametrize("answer", [b"", b"-----BEGIN", None, "text", b"A" * 70_000, OSError("x")])
def test_what_is_fetched_may_be_no_certificate(answer):
    def fetch(url: str) -> bytes:
        if isinstance(answer, Exception):
            raise answer
        return answer

    verdict = Verifier("paypal", webhook_id=ID, fetch=fetch).verify(SENDER.deliver(), now=T)
    assert verdict.reason is Reason.NO_CERTIFICATE and verdict.status == 401


def test_a_certificate_is_valid_in_its_time():
    verifier = SENDER.verifier()
    whole = SENDER.deliver()
    for now in (T + 3600 * 24 * 2000, T - 3600 * 24 * 2000, float("nan"), float("inf")):
        verdict = verifier.verify(whole, now=now)
        assert verdict.reason is Reason.CERTIFICATE and not verdict.ok


@pytest.mark.parametrize("value", ["SHA1withRSA", "none", "\xff", ""])
def test_other_algorithms_are_refused(value):
    verdict = SENDER.verifier().verify(
        Delivery(fields_with("PAYPAL-AUTH-ALGO", value), BODY), now=T
    )
    assert verdict.reason in (Reason.MALFORMED, Reason.MISSING)


def test_another_key_s_signature_is_a_mismatch():
    whole = SENDER.deliver(id="a")
    fields = [(n, b"b" if n == b"PAYPAL-TRANSMISSION-ID" else v) for n, v in whole.headers]
    assert SENDER.verifier().verify(Delivery(fields, BODY), now=T).reason is Reason.MISMATCH
    other = Verifier("paypal", SENDER.secret, webhook_id="other")
    assert other.verify(whole, now=T).reason is Reason.MISMATCH


def certificate_of(key) -> bytes:
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_keys_that_are_weak_or_of_another_kind_are_refused():
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    for key in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 1024)):
        pem = certificate_of(key)
        with pytest.raises(SetupError, match="2048 bits"):
            Verifier("paypal", pem, webhook_id=ID)
        fetched = Verifier("paypal", webhook_id=ID, fetch=lambda url: pem)
        assert fetched.verify(SENDER.deliver(), now=T).reason is Reason.NO_CERTIFICATE


def test_keys_show_nothing_and_certificates_cannot_sign():
    from hipflask.webhooks.certificates import RsaSigner
    from hipflask.webhooks.keys import Signed

    private, certificate = paypal_pair()
    key, signer = RsaKey(certificate.encode()), RsaSigner(private.encode(), "x")
    assert repr([key, signer]) == "[<RsaKey>, <RsaSigner>]"
    assert not signer.accepts(Signed(b"", "rsa-sha256", "base64"), [b"AAAA"])
    with pytest.raises(SetupError, match="cannot sign"):
        key.sign(Signed(b"", "rsa-sha256", "base64"))
