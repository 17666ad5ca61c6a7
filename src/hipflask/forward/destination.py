"""Destinations: where calls go. Named and addressed in the configuration, never by an event."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from ..scaffold import SetupError
from .breaker import Breaker
from .clock import Clock
from .deadlines import Deadlines
from .paths import join_path
from .reach import REACHES
from .request import IDEMPOTENCY_KEY, Fields, Request, list_fields
from .schedule import Schedule
from .shared import Shared

#: Makes the fields that sign a body: called with the call's id, the time in seconds since 1970
#: and the body, anew for each attempt.
Sign = Callable[[str, float, bytes], Iterable[tuple[str, str]]]

_NAME_MOST = 64


@dataclass(frozen=True)
class Destination:
    """One place that calls go to, and how: address, deadlines, retries, breaker, signature.

    Its address is `url`, or stands in the environment variable or config key `env`. `timeout_s`
    is for a whole call, `connect_s` for the connection, `read_s` for each wait for a byte (as
    long as the whole unless given). `retries` is a `Schedule` or what `Schedule.parse` reads.
    `breaker` is the share of failed calls at which calls wait, None for no breaker. `sign` makes
    the fields that sign a body, `headers` are sent with each call. With `budget_header` each
    call says in that field how many milliseconds the caller waits for it. `reach` is where its
    name may lead: "named" anywhere but to link-local addresses and clouds' metadata, "public" to
    the internet only (for an address that somebody else chose), "internal" anywhere. Raises
    SetupError for what cannot be meant.

        ledger = Destination("ledger", env="LEDGER_URL", timeout_s=5)
        ledger.post("/entries", json={"order": 7}, key="evt_1")
    """

    name: str
    url: str | None = None
    env: str | None = None
    timeout_s: float = 15.0
    connect_s: float = 5.0
    read_s: float | None = None
    retries: Schedule | str = "5s..24h"
    breaker: float | None = 0.5
    sign: Sign | None = None
    headers: Mapping[str, str] | Fields = ()
    budget_header: str | None = None
    reach: str = "named"
    #: File and line that it was made at, for messages.
    place: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if not self.place:
            put(self, "place", _calling_place())
        if not self.name or len(self.name) > _NAME_MOST or not self.name.isprintable():
            raise self._wrong(f"{self.name!r} is no name: give 1 to {_NAME_MOST} characters")
        if (self.url is None) == (self.env is None):
            raise self._wrong(
                "its address is to be said once: give url=, or env= with the name of the"
                " environment variable or config key that has it"
            )
        if self.reach not in REACHES:
            raise self._wrong(f"reach={self.reach!r} is none of {', '.join(REACHES)}")
        try:
            put(self, "retries", Schedule.parse(self.retries))
            put(self, "headers", list_fields(self.headers, "headers"))
            self.deadlines  # noqa: B018 - raises for what is no deadline
            if self.breaker is not None:
                self.make_breaker()
        except SetupError as error:
            raise self._wrong(str(error).rstrip(".")) from None
        if self.url is not None:
            put(self, "url", self._checked(self.url, "url="))

    @property
    def schedule(self) -> Schedule:
        """`retries`, parsed."""
        return Schedule.parse(self.retries)

    @property
    def deadlines(self) -> Deadlines:
        """The deadlines of one call."""
        read_s = self.timeout_s if self.read_s is None else self.read_s
        return Deadlines(self.timeout_s, self.connect_s, read_s)

    @property
    def base(self) -> str:
        """The address that paths go behind; raises SetupError where the environment has none."""
        if self.url is not None:
            return self.url
        return self.resolve({}).url or ""

    def resolve(self, config: Mapping[str, Any]) -> Destination:
        """The same with its address looked up: in `config`, then in the environment.

        Raises SetupError where it stands in neither, or is none.
        """
        if self.url is not None:
            return self
        name = self.env or ""
        found = config.get(name) or os.environ.get(name)
        if not found:
            raise self._wrong(
                f"its address is to stand in {name}, which is set neither in the configuration"
                f" nor in the environment. Set {name}=https://..."
            )
        return replace(self, url=self._checked(str(found), name), env=None)

    def make_breaker(
        self, *, shared: Shared | None = None, clock: Clock | None = None, **options: Any
    ) -> Breaker | None:
        """Its breaker over a shared record; None where it has none. `options` go to `Breaker`."""
        if self.breaker is None:
            return None
        return Breaker(self.name, rate=self.breaker, shared=shared, clock=clock, **options)

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        json: Any = msgspec.UNSET,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Request:
        """A call of `path` below the address, not made yet. `json` is the body as JSON.

        `key` becomes the Idempotency-Key. Raises UnsafePath for a path that might lead
        elsewhere, ValueError for fields that HTTP cannot carry.
        """
        fields = [*self.headers_list, *Request("GET", "", tuple(_pairs(headers))).headers]
        if json is not msgspec.UNSET:
            body = msgspec.json.encode(json)
            fields.append(("Content-Type", "application/json"))
        if key is not None:
            fields.append((IDEMPOTENCY_KEY, key))
        url = join_path(self.base, path, urlencode(query or {}, doseq=True))
        made = Request(method.upper(), url, (), body, self.reach)
        for pair in fields:  # the later of a name wins: the destination's own come first
            made = made.with_headers([pair])
        return made

    def get(self, path: str, **options: Any) -> Request:
        """`request("GET", path, ...)`."""
        return self.request("GET", path, **options)

    def post(self, path: str, body: bytes = b"", **options: Any) -> Request:
        """`request("POST", path, body, ...)`."""
        return self.request("POST", path, body, **options)

    @property
    def headers_list(self) -> Fields:
        """The fields sent with each call."""
        return list_fields(self.headers, self.name)

    def dress(self, request: Request, *, now: float, deadlines: Deadlines) -> Request:
        """The request as one attempt sends it: signed, and with the time that is left for it.

        The signature's id is the Idempotency-Key, so it is the same on each attempt.
        """
        request = replace(request, reach=self.reach)
        if self.budget_header is not None and deadlines.total_s is not None:
            left = str(int(deadlines.total_s * 1000))
            request = request.with_headers([(self.budget_header, left)])
        if self.sign is not None:
            id = request.header(IDEMPOTENCY_KEY) or ""
            request = request.with_headers(self.sign(id, now, request.body))
        return request

    def _checked(self, text: str, where: str) -> str:
        try:
            parts = urlsplit(text)
            port_is_number = parts.port is None or parts.port > 0
        except ValueError:
            raise self._wrong(f"{where} is {text!r}, which is no address") from None
        why = None
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_number:
            why = "which is no address of HTTP; write https://host or https://host/path"
        elif parts.username is not None or parts.password is not None:
            text = f"{parts.scheme}://...@{parts.hostname}"
            why = "with a name or password in it; send these as headers=, so that no log has them"
        elif parts.query or parts.fragment:
            why = "with a query or fragment, behind which no path can stand"
        elif not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
            why = "with characters that an address cannot have"
        elif any(part in (".", "..") for part in parts.path.split("/")):
            why = "with a dot segment in it"
        if why is not None:
            raise self._wrong(f"{where} is {text!r}, {why}")
        return text

    def _wrong(self, text: str) -> SetupError:
        return SetupError(f"{self.place}: destination {self.name!r}: {text}.")


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return headers.items() if isinstance(headers, Mapping) else headers


def _calling_place() -> str:
    """File and line of the first caller outside of this package."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        file = frame.f_code.co_filename
        if not module.startswith(("hipflask.forward", "hipflask.webhooks", "dataclasses")) and (
            not file.startswith("<")
        ):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"
