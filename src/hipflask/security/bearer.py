"""Bearer tokens: `Authorization: Bearer TOKEN` (RFC 6750)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from ..bridge import is_async
from ..wrappers import Request
from .identity import Identity, Refused, dump_challenge

Check = Callable[[str], Identity | None] | Callable[[str], Awaitable[Identity | None]]

# RFC 6750, 2.1. Longer tokens do not pass most servers' limits of a header field either.
_is_token = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}={0,8}\Z").match


class Checked:
    """Base of the providers that find one text in a request and have a function judge it."""

    name: str

    def __init__(self, check: Check, name: str) -> None:
        self.name = name
        self._check: Callable[..., Any] = check
        call: Any = getattr(check, "__call__", None)  # noqa: B004 (which, not whether)
        #: `identify` of the protocol `Access`, of the check's own kind.
        self.identify: Callable[[Request], Any] = (
            self._identify_async if is_async(check) or is_async(call) else self._identify
        )
        #: Whether the check never waits: `hashed_keys` does not, and says so.
        self.is_quick: bool = getattr(check, "is_quick", False)

    def credential(self, request: Request) -> str | None:
        """What is to be judged; None without any, `Refused` for what cannot be right."""
        raise NotImplementedError

    def _identify(self, request: Request) -> Identity | None:
        credential = self.credential(request)
        return None if credential is None else _known(self._check(credential))

    async def _identify_async(self, request: Request) -> Identity | None:
        credential = self.credential(request)
        return None if credential is None else _known(await self._check(credential))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def _known(found: Any) -> Any:
    if found is None:
        raise Refused
    return found


class Bearer(Checked):
    """Knows who calls by a bearer token.

    `check(token)` returns the identity, or None for a token that is not valid; it may raise
    `Refused("The token has expired")`, whose text the caller is told. It is plain or async. A
    plain one may wait (for a database): on the event loop it runs in the pool. `realm` stands
    in the challenge, `token_format` in the OpenAPI document ("JWT").

        app.identities = [Bearer(check=find_session)]
    """

    def __init__(
        self,
        check: Check,
        *,
        realm: str = "api",
        token_format: str = "",
        name: str = "bearer",
    ) -> None:
        super().__init__(check, name)
        self.realm = realm
        self.token_format = token_format

    def credential(self, request: Request) -> str | None:
        """The token of the Authorization field; None where it is of another scheme."""
        field = request.headers.get("Authorization")
        if field is None or field[:6].lower() != "bearer" or field[6:7] not in ("", " "):
            return None
        token: str = field[7:].strip(" ")
        # Fields sent twice arrive joined with a comma, which no token has in it.
        if _is_token(token) is None:
            raise Refused("The token is malformed")
        return token

    def challenge(self, error: str = "", description: str = "") -> str:
        """`Bearer realm="api", error="invalid_token"`, as RFC 6750, 3 has it."""
        return dump_challenge(
            "Bearer", realm=self.realm, error=error, error_description=description
        )

    def scheme(self) -> tuple[str, dict[str, Any]]:
        """The Security Scheme Object for an OpenAPI document, with its name."""
        scheme = {"type": "http", "scheme": "bearer"}
        if self.token_format:
            scheme["bearerFormat"] = self.token_format
        return self.name, scheme
