"""Checks signatures. What comes from the network gives a verdict, whatever it is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import EllipsisType

from ..scaffold import SetupError
from . import certificates, forms
from .accepting import make_accept
from .certificates import Fetch, RsaKey
from .claims import Claim, needed, read_body_time, read_claim, read_id
from .delivery import Delivery
from .keys import Key, Signed, make_key
from .scheme import Scheme
from .schemes import find_scheme
from .verdict import Reason, Refusal, Verdict

Secrets = str | bytes | Iterable[str | bytes]


_UNREAD = Claim(signatures=[], contents=[], algorithm="", id=None, is_id_signed=False, time_s=None)


class Verifier:
    """Checks deliveries of one scheme; make it once, at setup, and share it between threads.

    `secrets` is one secret or several, tried in this order: while one replaces another, give
    the new one first. `url` is the public URL that the sender was given (Square, Twilio), from
    your settings and never from a request. `webhook_id` and `fetch` are PayPal's: `fetch(url)`
    returns a certificate in PEM; it should keep the last few it fetched, must not follow
    redirects, and is called only with URLs of PayPal's API. `tolerance_s` replaces the
    scheme's, for both ways; None accepts any time. Raises SetupError for what is missing or not
    written as it should be.

        github = Verifier("github", os.environ["GITHUB_WEBHOOK_SECRET"])
    """

    def __init__(
        self,
        scheme: str | Scheme,
        secrets: Secrets = (),
        *,
        url: str | None = None,
        webhook_id: str | None = None,
        fetch: Fetch | None = None,
        tolerance_s: float | EllipsisType | None = ...,
    ) -> None:
        self.scheme = find_scheme(scheme)
        self._url, self._webhook_id = check_settings(self.scheme, url, webhook_id)
        self._fetch = fetch
        self._past_s, self._ahead_s = self.scheme.tolerance_s, self.scheme.future_s
        if not isinstance(tolerance_s, EllipsisType):
            if tolerance_s is not None and not tolerance_s >= 0:
                raise SetupError(f"tolerance_s={tolerance_s!r}: give 0 or more, or None.")
            self._past_s = self._ahead_s = tolerance_s
        given = list_secrets(secrets, self.scheme)
        self._secrets: list[bytes] = []
        self._keys: list[Key | RsaKey] = []
        if fetch is not None and self.scheme.key != "certificate":
            raise SetupError(f"fetch= is for certificates; {self.scheme.name!r} has none.")
        if not given and fetch is None:
            way = "secrets=[certificate] or fetch=" if self._has_certificate else "secrets="
            raise SetupError(
                f"Scheme {self.scheme.name!r} has no secret to check with: give {way}."
            )
        if self._has_certificate:
            certificates.load_cryptography()
        for number, secret in enumerate(given, start=1):
            where = f"Secret {number} for the scheme {self.scheme.name!r}"
            if self._has_certificate:
                self._keys.append(certificates.make_certificate_key(secret, where))
            else:
                made = make_key(
                    self.scheme.key, self.scheme.algorithm, secret, where, to_sign=False
                )
                self._keys.append(made)
                self._secrets.append(secret.encode() if isinstance(secret, str) else secret)
        self._accept = make_accept(
            self.scheme, self._keys, url=self._url, past_s=self._past_s, ahead_s=self._ahead_s
        )

    @property
    def _has_certificate(self) -> bool:
        return self.scheme.key == "certificate"

    def __repr__(self) -> str:
        return f"<Verifier {self.scheme.name!r}, {len(self._keys)} secrets>"

    def verify(
        self, delivery: Delivery, *, now: float | None = None, is_replay: bool = False
    ) -> Verdict:
        """Whether the delivery is the sender's, and recent; never raises for what it holds.

        `now` is in seconds since 1970, the system's clock without it. With `is_replay` its age
        does not matter, for deliveries that were stored when they were accepted. The signature
        is checked before the time, so that "stale" and "future" tell of the sender's clock.
        """
        now_s = time.time() if now is None else now
        if self._accept is not None and not is_replay:
            verdict = self._accept(delivery, now_s)
            if verdict is not None:
                return verdict
        return self._verify(delivery, now_s, is_replay)

    def _verify(self, delivery: Delivery, now_s: float, is_replay: bool) -> Verdict:
        """`verify`, step by step."""
        if self.scheme.check is not None:
            return self._ask_check(delivery)
        known = _UNREAD
        number = None
        try:
            known = read_claim(self.scheme, delivery, self._url, self._webhook_id)
            number = self._match(delivery, known, now_s)
            if number is None:
                raise Refusal(Reason.MISMATCH, "No secret gives the signature that was sent.")
            if self.scheme.body_time:
                known.time_s = read_body_time(self.scheme, delivery)
            if known.time_s is not None and not is_replay:
                self._check_time(now_s - known.time_s)
        except Refusal as refusal:
            return self._verdict(known, number, refusal)
        return self._verdict(known, number, None)

    def _match(self, delivery: Delivery, claim: Claim, now_s: float) -> int | None:
        """The number of the secret that gives one of the signatures; None if none does."""
        keys = self._keys
        if self._has_certificate:
            certificates.check_algorithm(needed(delivery, certificates.ALGORITHM_HEADER))
            if not keys and self._fetch is not None:
                url = needed(delivery, certificates.URL_HEADER)
                keys = [certificates.fetch_key(self._fetch, url)]
        for number, key in enumerate(keys, start=1):
            given = [
                signature
                for version, signature in claim.signatures
                if self.scheme.key != "standard" or version == key.version
            ]
            for content in claim.contents:
                signed = Signed(content, claim.algorithm, self.scheme.encoding)
                if given and key.accepts(signed, given):
                    if isinstance(key, RsaKey):
                        certificates.check_dates(key, now_s)
                    return number
        return None

    def _check_time(self, age_s: float) -> None:
        # Written so that a clock that gives no number refuses.
        if self._past_s is not None and not age_s <= self._past_s:
            raise Refusal(Reason.STALE, f"Sent {age_s:.0f} s ago; {self._past_s:g} s are allowed.")
        if self._ahead_s is not None and not -age_s <= self._ahead_s:
            detail = f"Sent {-age_s:.0f} s ahead of our clock; {self._ahead_s:g} s are allowed."
            raise Refusal(Reason.FUTURE, detail)

    def _verdict(self, claim: Claim, number: int | None, refusal: Refusal | None) -> Verdict:
        return Verdict(
            scheme=self.scheme.name,
            reason=refusal.reason if refusal else None,
            detail=refusal.detail if refusal else "",
            secret_no=number,
            id=claim.id,
            is_id_signed=number is not None and claim.is_id_signed,
            is_body_signed=number is not None and self.scheme.is_body_signed,
            time_s=claim.time_s,
        )

    def _ask_check(self, delivery: Delivery) -> Verdict:
        """The verdict of a function of the application's own."""
        check = self.scheme.check
        claim = Claim(
            signatures=[],
            contents=[],
            algorithm="",
            id=None,
            is_id_signed=self.scheme.is_id_signed,
            time_s=None,
        )
        try:
            found = read_id(self.scheme, delivery)
            claim.id = found.decode("ascii") if found else None
            for number, secret in enumerate(self._secrets, start=1):
                try:
                    is_right = check is not None and check(delivery, secret)
                except Exception as error:  # theirs; its text might hold a secret
                    kind = type(error).__name__
                    raise Refusal(Reason.FAILED, f"The scheme's function raised {kind}.") from None
                if is_right:
                    return self._verdict(claim, number, None)
        except Refusal as refusal:
            return self._verdict(claim, None, refusal)
        refused = Refusal(Reason.MISMATCH, "The scheme's function accepts it with no secret.")
        return self._verdict(claim, None, refused)


def verify(
    scheme: str | Scheme,
    delivery: Delivery,
    secrets: Secrets = (),
    *,
    now: float | None = None,
    url: str | None = None,
    webhook_id: str | None = None,
    fetch: Fetch | None = None,
    tolerance_s: float | EllipsisType | None = ...,
    is_replay: bool = False,
) -> Verdict:
    """Check one delivery: a `Verifier` made, used and thrown away.

    Takes what `Verifier` and `Verifier.verify` take, and raises SetupError as the first does.

        verdict = verify("stripe", Delivery.of(request), os.environ["STRIPE_WEBHOOK_SECRET"])
    """
    verifier = Verifier(
        scheme, secrets, url=url, webhook_id=webhook_id, fetch=fetch, tolerance_s=tolerance_s
    )
    return verifier.verify(delivery, now=now, is_replay=is_replay)


def list_secrets(secrets: object, scheme: Scheme) -> list[str | bytes]:
    """The secrets in a list; SetupError for what is neither one nor several."""
    if isinstance(secrets, (str, bytes)):
        return [secrets]
    if not isinstance(secrets, Iterable):
        kind = type(secrets).__name__
        raise SetupError(
            f"The secrets for the scheme {scheme.name!r} are a {kind}: give a str, bytes, or a"
            " list of these. Is the setting they come from set?"
        )
    return list(secrets)


def check_settings(scheme: Scheme, url: str | None, webhook_id: str | None) -> tuple[str, str]:
    """The URL and the webhook's id; SetupError if one is missing that the scheme signs."""
    where = f"Scheme {scheme.name!r}"
    if scheme.needs_url and not url:
        raise SetupError(f"{where} signs the URL it was given: say which, with url=.")
    if url:
        forms.check_url(url, where, has_query=not scheme.signs_form)
    if scheme.needs_webhook_id and not webhook_id:
        raise SetupError(f"{where} signs the webhook's id: give it, with webhook_id=.")
    if webhook_id and not webhook_id.isprintable():
        raise SetupError(f"{where}: webhook_id={webhook_id!r} has characters that no id has.")
    return url or "", webhook_id or ""
