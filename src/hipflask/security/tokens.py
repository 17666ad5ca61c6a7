"""JSON Web Tokens (RFC 7519), signed, as the check of a `Bearer`. Needs joserfc:
`pip install hipflask[auth]`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..scaffold import SetupError
from .fetching import check_url, fetch_json
from .identity import Identity, Refused

#: Asymmetric ones: who can check a token cannot make one.
ALGORITHMS = ("RS256", "ES256")

_FRESH_S = 600.0
# For a token whose key is not known, and while the issuer is away: never more often than that.
_AGAIN_S = 30.0


def jwt_check(
    keys: str | Mapping[str, Any],
    *,
    issuer: str,
    audience: str,
    algorithms: Collection[str] = ALGORITHMS,
    name: str = "sub",
    roles: str = "roles",
    leeway_s: int = 30,
    fetch: Callable[[str], bytes] | None = None,
    clock: Callable[[], float] = time.time,
) -> Callable[[str], Identity | None]:
    """A check for `Bearer` over signed tokens of one issuer.

    `keys` is the issuer's key set (RFC 7517): a dictionary, or its URL, https, which is fetched
    when first needed, kept for ten minutes, asked again for a key that is not in it (at most
    each 30 s), and kept while the issuer does not answer. `iss`, `aud` and `exp` must be there
    and right, `nbf` and `iat` right where they are there, give or take `leeway_s`. `name` and
    `roles` say which claims become the identity's ("realm_access.roles" steps inside; roles are
    a list or a text with spaces between). Raises SetupError for algorithms or keys that cannot
    be meant.

        Bearer(jwt_check("https://id.example.org/jwks", issuer="https://id.example.org",
                         audience="shop"), token_format="JWT")
    """
    jose = _load_joserfc()
    allowed = [*algorithms]
    if not allowed or "none" in allowed:
        raise SetupError(f"jwt_check(algorithms={allowed!r}): name those that the issuer uses.")
    source = _source(keys, fetch)
    registry = jose.jwt.JWTClaimsRegistry(
        now=lambda: int(clock()),
        leeway=leeway_s,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    )

    def check(token: str) -> Identity | None:
        read = source.read(lambda held: jose.jwt.decode(token, held, algorithms=allowed))
        claims: dict[str, Any] = read.claims
        try:
            registry.validate(claims)
        except jose.errors.ExpiredTokenError:
            raise Refused("The token has expired") from None
        # What comes out of a token is anything at all; none of it is an error of ours.
        except Exception:
            raise Refused("The token's claims are not accepted") from None
        who = claim_of(claims, name)
        if not isinstance(who, str) or not who:
            raise Refused("The token names nobody")
        return Identity(who, roles=roles_of(claim_of(claims, roles)), claims=claims)

    if isinstance(keys, Mapping):
        check.is_quick = True  # type: ignore[attr-defined]  # read by `Checked`
    return check


class Keys:
    """The issuer's keys: given, or fetched and fetched again. For any thread.

    `fetch` gives the document at `url`, and is called for a key that is not known at most each
    `again_s`. While it raises, what was had is kept.
    """

    def __init__(
        self,
        url: str = "",
        fetch: Callable[[], Any] | None = None,
        given: Any = None,
        *,
        again_s: float = _AGAIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jose = _load_joserfc()
        self.url = url
        self._fetch = fetch
        self._held = None if given is None else _key_set(self._jose, given)
        self._again_s = again_s
        self._clock = clock
        self._fresh_until = self._ask_again = float("-inf")
        self._lock = threading.Lock()

    def read(self, decode: Callable[[Any], Any]) -> Any:
        """The token that `decode` makes with the keys; Refused where no key vouches for it."""
        held = self._current(stale=False)
        try:
            token = decode(held)
        except Exception as error:
            # Its key may have come after ours were fetched.
            newer = self._current(stale=True) if self._is_unknown_key(error) else held
            if newer is held:
                raise Refused("The token is not accepted") from None
            try:
                token = decode(newer)
            except Exception:
                raise Refused("The token is not accepted") from None
        if not isinstance(token.claims, dict):
            raise Refused("The token is not accepted")
        return token

    def _is_unknown_key(self, error: Exception) -> bool:
        return isinstance(error, self._jose.errors.InvalidKeyIdError)

    def _current(self, *, stale: bool) -> Any:
        if self._fetch is None:
            return self._held
        with self._lock:
            now = self._clock()
            wanted = stale or self._held is None or now >= self._fresh_until
            if wanted and now >= self._ask_again:
                self._ask_again = now + self._again_s
                try:
                    made = _key_set(self._jose, self._fetch())
                except Exception as error:
                    if self._held is None:
                        raise KeysAway(self.url) from error
                else:
                    self._held, self._fresh_until = made, now + _FRESH_S
            if self._held is None:
                raise KeysAway(self.url)
            return self._held


class KeysAway(OSError):
    """The issuer's keys were never had, and cannot be fetched now: a 500, not a refusal."""

    def __init__(self, url: str) -> None:
        super().__init__(f"The keys of the token's issuer cannot be fetched from {url}.")


def _source(keys: str | Mapping[str, Any], fetch: Callable[[str], bytes] | None) -> Keys:
    if isinstance(keys, Mapping):
        try:
            return Keys(given=keys)
        except Exception as error:
            raise SetupError(f"jwt_check(): the keys are no key set: {error}") from None
    try:
        host = str(check_url(keys).hostname)
    except ValueError:
        raise SetupError(
            f"jwt_check({keys!r}): fetch keys over https; whoever changes them on the way can"
            " make tokens."
        ) from None
    if fetch is None:
        return Keys(keys, lambda: fetch_json(keys, private=[host]))
    return Keys(keys, lambda: json.loads(fetch(keys)))


def _key_set(jose: Any, found: Any) -> Any:
    kept = [key for key in found["keys"] if key.get("kty") in ("RSA", "EC", "OKP", "oct")]
    if not kept:
        raise ValueError("it has no keys")
    return jose.jwk.KeySet.import_key_set({"keys": kept})


def claim_of(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by the steps to it: "realm_access.roles"; None without it."""
    if path in claims:  # also "https://example.org/roles", which has dots
        return claims[path]
    at: Any = claims
    for step in path.split("."):
        if not isinstance(at, Mapping):
            return None
        at = at.get(step)
    return at


def roles_of(found: Any) -> frozenset[str]:
    """Roles, of a list or of a text with spaces between."""
    if isinstance(found, str):
        return frozenset(found.split())
    if isinstance(found, list):
        return frozenset(role for role in found if isinstance(role, str))
    return frozenset()


def _load_joserfc() -> Any:
    try:
        import joserfc  # optional
        import joserfc.errors
        import joserfc.jwk
        import joserfc.jwt
    except ImportError:
        raise SetupError(
            "Tokens need joserfc, which is not installed: pip install 'hipflask[auth]'."
        ) from None
    return joserfc
