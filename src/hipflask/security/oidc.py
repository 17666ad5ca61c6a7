"""Logging in elsewhere: OpenID Connect (Core 1.0) with the code flow, PKCE, state and nonce.

Needs Authlib, which makes the requests and judges the claims: `pip install 'hipflask[oidc]'`.
What it fetches is fetched by `fetching.py`, within deadlines and sizes, and only from hosts that
may be asked; signatures are joserfc's.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from werkzeug.exceptions import ServiceUnavailable

from ..globals import _cv_request, _no_req_msg
from ..scaffold import SetupError
from .fetching import FetchFailed, check_url, fetch, fetch_json
from .identity import Identity, Refused
from .tokens import Keys, claim_of, roles_of

_log = logging.getLogger("hipflask.security")

#: Asymmetric ones: the provider can make a token, and nobody who can check one.
ALGORITHMS = ("RS256", "ES256", "PS256")
#: Where a login on its way stands in the session: state -> nonce, verifier, next, when.
_KEY = "_oidc"
#: That somebody came from there, in the session.
CAME = "_oidc_came"
_MOST_PENDING = 3
_PENDING_S = 600.0
# At once in a process: more would take the threads that other requests run in.
_AT_ONCE = 4
_FRESH_S = 3600.0
_STALE_S = 24 * 3600.0
_AGAIN_S = 5.0
_LONGEST = 16 * 1024
_LONGEST_NEXT = 512
_BASIC, _POST = "client_secret_basic", "client_secret_post"


class ProviderAway(ServiceUnavailable):
    """503: the service that people log in at does not answer, or not as it should."""

    description = "The service that you log in at does not answer."

    def __init__(self) -> None:
        super().__init__(retry_after=5)


class OIDCLogin:
    """Logs people in at an OpenID Connect provider, by `add_login(app, oidc=OIDCLogin(...))`.

    `issuer` is the provider's URL, from which its endpoints are discovered at the first login;
    `client_id` and `client_secret` are what it gave the application (without a secret: a public
    client). The callback to register there is `/login/oidc/callback`, or `redirect_uri`.

    `name` and `roles` say which claims of the ID token become the identity's ("sub" and "roles";
    "realm_access.roles" steps inside), `claims` which more are kept in the session. `identify`,
    in place of these, makes the identity of all claims, or gives None for somebody who may not
    come in. `title` stands on the button.

    Endpoints are https, and at public addresses unless the issuer's host is their host. Raises
    SetupError for an issuer that is no URL, algorithms that cannot be meant, and without Authlib.

        OIDCLogin("https://id.example.org/realms/shop", "shop", settings.oidc_secret)
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str | None = None,
        *,
        scopes: Iterable[str] = ("openid", "profile", "email"),
        name: str = "sub",
        roles: str = "roles",
        claims: Collection[str] = ("name", "email"),
        identify: Callable[[Mapping[str, Any]], Identity | None] | None = None,
        algorithms: Collection[str] = ALGORITHMS,
        title: str = "Single sign-on",
        redirect_uri: str | None = None,
        leeway_s: int = 30,
        timeout_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            host = check_url(issuer).hostname
        except ValueError as error:
            raise SetupError(f"OIDCLogin(issuer=...): {error}.") from None
        if not algorithms or any(each == "none" or each.startswith("HS") for each in algorithms):
            raise SetupError(
                f"OIDCLogin(algorithms={list(algorithms)!r}): name those with a public key that"
                " the provider signs with."
            )
        if "openid" not in (wanted := list(scopes)):
            raise SetupError(f"OIDCLogin(scopes={wanted!r}): one of them is 'openid'.")
        _load_authlib()
        self.issuer = issuer
        self.client_id = client_id
        self.title = title
        self._client_secret = client_secret
        self._scope = " ".join(wanted)
        self._name = name
        self._roles = roles
        self._claims = tuple(claims)
        self._identify = identify
        self._algorithms = list(algorithms)
        self._redirect_uri = redirect_uri
        self._leeway_s = leeway_s
        self._clock = clock
        self._timeout_s = timeout_s
        self._private = (str(host),)
        self._found: dict[str, Any] = {}
        self._keys: Keys | None = None
        self._fresh_until = self._stale_until = self._ask_again = float("-inf")
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def begin(self, callback: str, wanted: str = "") -> str:
        """Where to send a browser that wants to log in; remembered in its session.

        `callback` is this application's URL that it comes back to, `wanted` the path that it
        goes to then. Raises ProviderAway (503). May block for the deadline.
        """
        with self._one_of_few():
            found = self._discover()
        state, nonce, verifier = (secrets.token_urlsafe(24) for _ in range(3))
        verifier += secrets.token_urlsafe(12)  # 43 characters at least (RFC 7636, 4.1)
        session = _session()
        pending = _pending(session, self._clock())
        for old in list(pending)[: len(pending) - _MOST_PENDING + 1]:
            del pending[old]
        kept = wanted if len(wanted) <= _LONGEST_NEXT else ""
        pending[state] = [nonce, verifier, kept, int(self._clock())]
        session[_KEY] = pending
        url, _ = self._client(callback).create_authorization_url(
            found["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
        )
        return str(url)

    def finish(self, args: Mapping[str, str], callback: str) -> tuple[Identity, str]:
        """Who came back from the provider, and the path that they wanted.

        `args` is the query of the callback. Raises Refused for an answer that does not belong to
        a login of this browser, that was used already, or whose token is not accepted; and
        ProviderAway (503). May block for three times the deadline.
        """
        session = _session()
        pending = _pending(session, self._clock())
        # Used once, whatever comes of it.
        begun = pending.pop(args.get("state", ""), None)
        session[_KEY] = pending
        if begun is None:
            raise Refused("This login was not begun here, or too long ago. Begin again.")
        nonce, verifier, wanted, _ = begun
        if args.get("iss", self.issuer) != self.issuer:
            raise Refused("Another service answered than the one that was asked.")
        code = args.get("code", "")
        if "error" in args or not 0 < len(code) <= _LONGEST:
            raise Refused("The service did not let you in.")
        with self._one_of_few():
            found = self._discover()
            if found.get("authorization_response_iss_parameter_supported") and "iss" not in args:
                raise Refused("The answer does not say which service gave it.")
            token = self._redeem(found, callback, code, verifier)
            claims = self._judge(token, nonce)
        return self._identity(claims), str(wanted)

    def logout_location(self, back: str) -> str | None:
        """Where to end the provider's own session, for a browser that came from there.

        None where it offers that not, or is not known yet: nothing is fetched here.
        """
        where = self._found.get("end_session_endpoint")
        if not where or CAME not in _session():
            return None
        fields = {"client_id": self.client_id, "post_logout_redirect_uri": back}
        return f"{where}{'&' if urlsplit(where).query else '?'}{urlencode(fields)}"

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        if self._identify is not None:
            identity = self._identify(claims)
            if identity is None:
                raise Refused("You are known, and may not come in.")
            return identity
        name = claim_of(claims, self._name)
        if not isinstance(name, str) or not 0 < len(name) <= 255:
            raise Refused("The service did not say who you are.")
        kept = {each: claims[each] for each in self._claims if _is_short(claims.get(each))}
        return Identity(name, roles=roles_of(claim_of(claims, self._roles)), claims=kept)

    def _redeem(
        self, found: Mapping[str, Any], callback: str, code: str, verifier: str
    ) -> Mapping[str, Any]:
        """The tokens for a code, from the provider itself."""
        from authlib.oauth2 import OAuth2Error  # loaded with the constructor

        try:
            token: Mapping[str, Any] = self._client(callback).fetch_token(
                found["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
            )
        except OAuth2Error as error:
            _log.warning("%s refused a code: %s", self.issuer, error.error)
            raise Refused("The service did not confirm your login.") from None
        # What a provider sends is anything at all, and Authlib reckons with it.
        except Exception as error:
            _log.error("The login at %s failed: %s", self.issuer, error)
            raise ProviderAway from error
        return token

    def _judge(self, token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """The claims of the ID token (OpenID Connect Core 1.0, 3.1.3.7)."""
        from authlib.oidc.core import CodeIDToken  # loaded with the constructor
        from joserfc import jwt

        raw = token.get("id_token")
        if self._keys is None or not isinstance(raw, str) or len(raw) > _LONGEST:
            raise Refused("The service sent no token that could be read.")
        try:
            decoded = self._keys.read(
                lambda held: jwt.decode(raw, held, algorithms=self._algorithms)
            )
        except OSError as error:
            _log.error("The keys of %s cannot be had: %s", self.issuer, error)
            raise ProviderAway from error
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self.client_id},
            },
            {
                "nonce": nonce,
                "client_id": self.client_id,
                "access_token": token.get("access_token"),
            },
        )
        try:
            claims.validate(now=int(self._clock()), leeway=self._leeway_s)
        # What stands in a token is anything at all; none of it is an error of ours.
        except Exception as error:
            _log.warning("%s sent a token that is not accepted: %s", self.issuer, error)
            raise Refused("The service's token is not accepted.") from None
        judged: Mapping[str, Any] = claims
        return judged

    def _discover(self) -> dict[str, Any]:
        """The provider's metadata, an hour old at most, or a day while it is away."""
        with self._lock:
            now = time.monotonic()
            if now < self._fresh_until:
                return self._found
            if now >= self._ask_again:
                self._ask_again = now + _AGAIN_S
                try:
                    self._found = self._checked(
                        fetch_json(
                            self.issuer.rstrip("/") + "/.well-known/openid-configuration",
                            private=self._private,
                            timeout_s=self._timeout_s,
                        )
                    )
                except (OSError, ValueError) as error:
                    _log.error("The login at %s is not possible: %s", self.issuer, error)
                else:
                    self._fresh_until, self._stale_until = now + _FRESH_S, now + _STALE_S
                    self._hold_keys()
            if now >= self._stale_until:
                raise ProviderAway
            return self._found

    def _checked(self, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict) or found.get("issuer") != self.issuer:
            raise ValueError(f"its document is about {_told(found)!r}, another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            check_url(str(found.get(name, "")))
        if found.get("end_session_endpoint"):
            check_url(str(found["end_session_endpoint"]))
        return found

    def _hold_keys(self) -> None:
        url = self._found["jwks_uri"]
        if self._keys is None or self._keys.url != url:
            self._keys = Keys(url, lambda: self._fetch_json(url), again_s=_AGAIN_S)

    def _fetch_json(self, url: str) -> Any:
        return fetch_json(url, private=self._private, timeout_s=self._timeout_s)

    def _client(self, callback: str) -> Any:
        from authlib.oauth2.client import OAuth2Client  # loaded with the constructor

        offered = self._found.get("token_endpoint_auth_methods_supported")
        # Basic unless only the other is named (OpenID Connect Discovery 1.0, 3).
        posts = isinstance(offered, list) and _BASIC not in offered and _POST in offered
        return OAuth2Client(
            _Sending(self._private, self._timeout_s),
            client_id=self.client_id,
            client_secret=self._client_secret,
            token_endpoint_auth_method=_POST if posts and self._client_secret else None,
            scope=self._scope,
            redirect_uri=self._redirect_uri or callback,
            code_challenge_method="S256",
        )

    @contextmanager
    def _one_of_few(self) -> Iterator[None]:
        if not self._free.acquire(blocking=False):
            raise ProviderAway
        try:
            yield
        finally:
            self._free.release()

    def __repr__(self) -> str:
        return f"<OIDCLogin {self.issuer!r}>"


class _Sending:
    """What Authlib sends a request with: the one method that it calls."""

    def __init__(self, private: Collection[str], timeout_s: float) -> None:
        self._options: dict[str, Any] = {"private": private, "timeout_s": timeout_s}

    def post(self, url: str, data: Any, headers: Any, auth: Any, **options: Any) -> _Answer:
        url, fields, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return _Answer(*fetch(url, data=body.encode(), headers=fields, **self._options))


class _Answer:
    """What Authlib reads of an answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code = status
        self._body = body

    def json(self) -> Any:
        import json  # beside its caller

        try:
            return json.loads(self._body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise FetchFailed(f"the token endpoint answered {self.status_code}")


def _pending(session: Any, now: float) -> dict[str, list[Any]]:
    found = session.get(_KEY)
    if not isinstance(found, dict):
        return {}
    return {state: each for state, each in found.items() if now - each[3] <= _PENDING_S}


def _session() -> Any:
    ctx = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(_no_req_msg)
    return ctx.session


def _is_short(value: Any) -> bool:
    return isinstance(value, (bool, int)) or (isinstance(value, str) and len(value) <= 255)


def _told(found: Any) -> str:
    return str(found.get("issuer") if isinstance(found, dict) else "")[:200]


def _load_authlib() -> None:
    try:
        import authlib.oauth2.client
        import authlib.oidc.core  # noqa: F401 - optional
    except ImportError:
        raise SetupError(
            "OIDCLogin needs Authlib, which is not installed: pip install 'hipflask[oidc]'."
        ) from None
