"""API keys: made here, stored as hashes, sent in a header field.

A key is 32 random bytes, so that its SHA-256 tells nothing of it: what slows down guessing at
passwords (argon2) would only slow down each request here. The hash is what a file, a setting
or a database holds; the key itself is shown once, to whom it is for.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from ..scaffold import SetupError
from ..wrappers import Request
from .bearer import Check, Checked
from .identity import Identity, Refused, dump_challenge

LONGEST_KEY = 512
# 128 bits in the 64 characters of base64: less could be found by trying, hash in hand.
SHORTEST_KEY = 22

_ALGORITHM = "sha256:"
_is_hash = re.compile(r"sha256:[0-9a-f]{64}\Z").match
# Visible ASCII without the comma, with which a server joins fields sent twice.
_is_key = re.compile(rf"[!-+\--~]{{1,{LONGEST_KEY}}}\Z").match
_is_prefix = re.compile(r"[A-Za-z0-9_-]{0,64}\Z").match
_is_field_name = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z").match


def new_key(prefix: str = "key") -> str:
    """A new random key: the prefix, an underscore, 43 letters and digits (256 bits).

    The prefix says whose key it is, to a secret scanner and to whoever finds it. Raises
    ValueError for one of other characters than letters, digits, "-" and "_".
    """
    if _is_prefix(prefix) is None:
        raise ValueError(f"prefix={prefix!r} may hold letters, digits, '-' and '_', 64 at most.")
    return f"{prefix}_{secrets.token_urlsafe(32)}" if prefix else secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What to store of a key: `sha256:` and 64 hexadecimal digits.

    Raises ValueError for a key that is too short to be safe behind a plain hash (less than 22
    characters), or that could not be sent (more than 512, or other than visible ASCII).
    """
    if len(key) < SHORTEST_KEY or _is_key(key) is None:
        raise ValueError(
            f"A key of {len(key)} characters: it must have {SHORTEST_KEY} to {LONGEST_KEY}, of"
            " visible ASCII without commas, chosen at random. Make it with new_key()."
        )
    return _ALGORITHM + hashlib.sha256(key.encode()).hexdigest()


def hashed_keys(keys: Mapping[str, Identity]) -> Callable[[str], Identity | None]:
    """A check for `ApiKey` or `Bearer` over keys known by their hashes: hash -> identity.

    Several hashes may lead to one identity, so that a new key is valid before the old one is
    taken out. Raises SetupError for what is no hash, never showing it.

        ApiKey(hashed_keys({"sha256:9f86d0...": Identity("billing", roles={"clerk"})}))
    """
    # Filed under what nobody outside can work out, so that the time a look-up takes, however
    # far its comparison gets, tells nothing of the hashes.
    secret = secrets.token_bytes(32)

    def blind(digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=secret, digest_size=32).digest()

    known: dict[bytes, Identity] = {}
    given: Mapping[Any, Any] = keys
    for number, (digest, identity) in enumerate(given.items(), start=1):
        if not isinstance(digest, str) or _is_hash(digest) is None:
            raise SetupError(
                f"Entry {number} of hashed_keys() is no hash of a key. If it is the key itself,"
                " it does not belong there: store what hash_key(key) returns."
            )
        if not isinstance(identity, Identity):
            raise SetupError(
                f"Entry {number} of hashed_keys() leads to a {type(identity).__name__}, not to an"
                " Identity."
            )
        known[blind(bytes.fromhex(digest.removeprefix(_ALGORITHM)))] = identity

    def check(key: str) -> Identity | None:
        return known.get(blind(hashlib.sha256(key.encode()).digest()))

    check.is_quick = True  # type: ignore[attr-defined]  # read by `Checked`
    return check


class ApiKey(Checked):
    """Knows who calls by a key in a header field, `X-API-Key` unless `header` names another.

    `check(key)` returns the identity, or None for a key that is not valid: `hashed_keys(...)`,
    or a function of yours, plain or async, which should look the key up by `hash_key(key)`. A
    plain one may wait (for a database): on the event loop it runs in the pool.

    `query` names a parameter of the query string instead, for callers that can send nothing
    else: URLs are written to logs, histories and Referer fields, and the keys with them.
    """

    def __init__(
        self,
        check: Check,
        *,
        header: str | None = None,
        query: str | None = None,
        realm: str = "api",
        name: str = "api_key",
    ) -> None:
        super().__init__(check, name)
        if header is not None and query is not None:
            raise SetupError(
                f"ApiKey(header={header!r}, query={query!r}) looks in two places. Make one for"
                " each."
            )
        if header is not None and _is_field_name(header) is None:
            raise SetupError(f"ApiKey(header={header!r}): that is no name of a header field.")
        self.header = "X-API-Key" if header is None and query is None else header
        self.query = query
        self.realm = realm

    def credential(self, request: Request) -> str | None:
        """The key as it was sent; None without one."""
        key: str | None
        if self.query is not None:
            sent = request.args.getlist(self.query)
            key = None if not sent else ",".join(sent)
        else:
            key = request.headers.get(self.header)
        if key is None:
            return None
        if _is_key(key) is None:
            raise Refused("The key is malformed")
        return key

    def challenge(self, error: str = "", description: str = "") -> str:
        """`ApiKey realm="api", name="X-API-Key"`; the scheme is not a registered one."""
        place = self.query if self.query is not None else self.header
        return dump_challenge(
            "ApiKey", realm=self.realm, name=place or "", error=error, error_description=description
        )

    def scheme(self) -> tuple[str, dict[str, Any]]:
        """The Security Scheme Object for an OpenAPI document, with its name."""
        if self.query is not None:
            return self.name, {"type": "apiKey", "in": "query", "name": self.query}
        return self.name, {"type": "apiKey", "in": "header", "name": self.header}
