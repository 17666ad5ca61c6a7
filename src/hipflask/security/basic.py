"""Name and password with each request: `Authorization: Basic ...` (RFC 7617), for scripts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

from ..bridge import in_pool, is_async
from ..wrappers import Request
from .audit import tell_login
from .bearer import Checked
from .identity import Identity, Refused, dump_challenge
from .passwords import Remembered
from .throttle import Attempt, Throttle

Check = Callable[[str, str], Identity | None] | Callable[[str, str], Awaitable[Identity | None]]

# The field of 1,024 characters of password and as many of name, in base64.
_LONGEST = 8192
_REMEMBERED_S = 300.0


class Basic(Checked):
    """Knows who calls by a name and a password, sent with each request; HTTPS is a must.

    `check(name, password)` returns the identity, or None where the two do not belong together:
    `hashed_passwords(...)`, or a function of yours, plain or async; a plain one runs in the pool
    on the event loop. Both are text in UTF-8; the name holds no colon. `throttle` slows down who
    guesses, `Throttle()` unless another is given: 429 before the check is asked, 503 where its
    store does not answer. A pair that was right within five minutes is not counted.

        app.identities = [Basic(hashed_passwords({...}), realm="reports")]
    """

    def __init__(
        self,
        check: Check,
        *,
        realm: str = "api",
        throttle: Throttle | None = None,
        name: str = "basic",
    ) -> None:
        super().__init__(_taking_a_pair(check), name)
        self.realm = realm
        self.throttle: Throttle = Throttle() if throttle is None else throttle
        self._right = Remembered(_REMEMBERED_S)

    def credential(self, request: Request) -> Any:
        """The name and the password; None where the field is of another scheme."""
        field = request.headers.get("Authorization")
        if field is None or field[:5].lower() != "basic" or field[5:6] not in ("", " "):
            return None
        text = field[6:].strip(" ")
        try:
            if len(text) > _LONGEST:
                raise ValueError
            pair = base64.b64decode(text, validate=True).decode()
            user, colon, password = pair.partition(":")
        except (binascii.Error, ValueError):
            raise Refused from None
        # RFC 7617, 2: no control characters in either.
        if not colon or not user or not pair.isprintable():
            raise Refused
        return user, password

    def _identify(self, request: Request) -> Identity | None:
        pair = self.credential(request)
        if pair is None:
            return None
        attempt = self._begin(pair, request.remote_addr)
        try:
            found: Identity | None = self._check(pair)
        except BaseException as error:
            _end(attempt, error, pair[0])
            raise
        return self._judged(found, attempt, pair)

    async def _identify_async(self, request: Request) -> Identity | None:
        pair = self.credential(request)
        if pair is None:
            return None
        attempt = await self._in_turn(self._begin, pair, request.remote_addr)
        try:
            found: Identity | None = await self._check(pair)
        except BaseException as error:
            await self._in_turn(_end, attempt, error, pair[0])
            raise
        judged: Identity | None = await self._in_turn(self._judged, found, attempt, pair)
        return judged

    async def _in_turn(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call it: in the pool where the counts are in a store, which takes waiting."""
        if self.throttle.waits:
            return await in_pool(function, *arguments)
        return function(*arguments)

    def _begin(self, pair: tuple[str, str], address: str | None) -> Attempt | None:
        # Whoever guesses locks out nobody who knows; and a store need not be asked each time.
        if self._right.has(*pair):
            return None
        return self.throttle.begin(pair[0], address)

    def _judged(
        self, found: Identity | None, attempt: Attempt | None, pair: tuple[str, str]
    ) -> Identity:
        if found is None:
            tell_login("wrong", pair[0])
            raise Refused
        if attempt is not None:
            attempt.succeeded()
            self._right.add(*pair)
        return found

    def challenge(self, error: str = "", description: str = "") -> str:
        """`Basic realm="api", charset="UTF-8"` (RFC 7617, 2.1); errors have no place in it."""
        return dump_challenge("Basic", realm=self.realm, charset="UTF-8")

    def scheme(self) -> tuple[str, dict[str, Any]]:
        """The Security Scheme Object for an OpenAPI document, with its name."""
        return self.name, {"type": "http", "scheme": "basic"}


def _end(attempt: Attempt | None, error: BaseException, name: str) -> None:
    if isinstance(error, Refused):
        tell_login("wrong", name)
    elif attempt is not None:  # an exception of the check's own says nothing about the password
        attempt.take_back()


def _taking_a_pair(check: Check) -> Callable[[Any], Any]:
    call: Any = getattr(check, "__call__", None)  # noqa: B004 (which, not whether)
    given: Any = check
    if is_async(check) or is_async(call):

        async def ask(pair: tuple[str, str]) -> Identity | None:
            found: Identity | None = await given(*pair)
            return found

        return ask
    return lambda pair: given(*pair)
