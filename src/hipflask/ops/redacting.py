"""What must not stand in a log, and text without it.

Secrets are known by name: fields, cookies, variables of a query or of a path. What a request
brought under such a name is looked for in whatever is logged while it runs, and a few patterns
catch what was written out by name elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

#: What stands in place of a secret.
MASK = "[redacted]"
#: Names whose values are secrets, in lower case with "_" for "-"; parts of a name count, too.
NAMES = frozenset((
    "access_token", "api_key", "apikey", "assertion", "auth", "authorization",
    "client_secret", "code", "cookie", "credential", "credentials", "csrf", "csrf_token",
    "id_token", "jwt", "key", "otp", "passcode", "passwd", "password", "private_key", "pwd",
    "refresh_token", "secret", "session", "session_id", "sessionid", "set_cookie", "sid",
    "sig", "signature", "token",
))  # fmt: skip
_PARTS = (
    "api_key",
    "authorization",
    "cookie",
    "passwd",
    "password",
    "secret",
    "signature",
    "token",
)
#: Header fields that an error's report may show.
SHOWN = (
    "host", "user-agent", "accept", "accept-language", "content-type", "content-length",
    "content-encoding", "origin", "x-forwarded-for", "x-forwarded-proto",
)  # fmt: skip
# Shorter values are left: they would be found everywhere.
_SHORTEST = 6
_LONGEST_QUERY = _LONGEST_TEXT = 64 * 1024
_MOST_PAIRS = 1000
# A credential after its scheme, and name and value as a URL, a dict, JSON or a head has them.
_SCHEMES = re.compile(r"\b(Bearer|Basic|Digest|Token) +[\w.~+/=\-]{6,}", re.IGNORECASE)


class Redactor:
    """Knows secrets by name; `more` are names besides `NAMES`."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        own = {name.lower().replace("-", "_") for name in more}
        self.names = NAMES | own
        words = "|".join(re.escape(name).replace("_", "[_-]?") for name in (*_PARTS, *sorted(own)))
        self._pairs = re.compile(
            rf"((?:{words})[\"']?\s{{0,4}}[=:]\s{{0,4}}[\"']?)([^\s&\"',;]{{1,4096}})",
            re.IGNORECASE,
        )

    def is_secret(self, name: str) -> bool:
        """Whether what has that name is a secret."""
        low = name.lower().replace("-", "_")
        return low in self.names or any(part in low for part in _PARTS)

    def query(self, text: str) -> str:
        """A query string with the values of secret names masked."""
        if "=" not in text:
            return text
        pairs = []
        for pair in text.split("&"):
            name, equals, _ = pair.partition("=")
            is_masked = equals and self.is_secret(unquote_plus(name))
            pairs.append(f"{name}={MASK}" if is_masked else pair)
        return "&".join(pairs)

    def of_request(self, head: Any, arguments: Mapping[str, Any] | None = None) -> list[str]:
        """The secrets that a request brought, the longest first; `arguments` are its path's."""
        found = {str(value) for name, value in (arguments or {}).items() if self.is_secret(name)}
        for name, value in _fields(head):
            if not self.is_secret(name):
                continue
            found.add(value)
            if name.lower() == "cookie":
                found.update(part.partition("=")[2].strip() for part in value.split(";"))
            else:
                # Without its scheme, and without what a signature is made up of.
                found.update(re.split(r"[\s,=;]+", value))
        query = head.query_string[:_LONGEST_QUERY].decode("latin-1")
        for pair in query.split("&")[:_MOST_PAIRS]:
            name, _, value = pair.partition("=")
            if value and self.is_secret(unquote_plus(name)):
                found.update((value, unquote_plus(value)))
        kept = {one for one in found if len(one) >= _SHORTEST}
        # As they read in what is logged of a dictionary, too.
        kept |= {text for one in kept for text in (repr(one)[1:-1], ascii(one)[1:-1])}
        return sorted(kept, key=len, reverse=True)

    def text(self, text: str, secrets: Iterable[str] = (), most: int = _LONGEST_TEXT) -> str:
        """The text with what looks like a secret masked, and the given ones.

        `most` characters of it from the beginning, or if negative from the end.
        """
        for secret in secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        # After that, so that no secret is cut in two.
        text = text[:most] if most >= 0 else text[most:]
        text = _SCHEMES.sub(rf"\1 {MASK}", text)
        return self._pairs.sub(rf"\1{MASK}", text)


def _fields(head: Any) -> Iterable[tuple[str, str]]:
    """The header fields of an exchange, or of an environ."""
    environ = getattr(head, "environ", None)
    if isinstance(environ, dict):
        return [
            (key[5:].replace("_", "-"), value)
            for key, value in environ.items()
            if key[:5] == "HTTP_" and isinstance(value, str)
        ]
    fields: Iterable[tuple[str, str]] = head.headers
    return fields


def shown_fields(head: Any) -> dict[str, str]:
    """The header fields that a report may show."""
    return {name: value[:512] for name in SHOWN if (value := head.header(name))}
