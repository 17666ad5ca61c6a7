"""Requests with fields of any kind to the app of `members.py`, each counted as a case."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote_from_bytes

from benchmarks.soak.client import parse_head
from benchmarks.soak.server import Soak

from .wire import Exchange, exchange

AT_ONCE = 24
#: Half a connection is closed after so long: an answer may wait for a store, or to hash.
PATIENCE_S = 20.0
FORM = "application/x-www-form-urlencoded"


class Asker:
    """Asks one server, and counts what it answers.

    `may` are the statuses from 500 on that are right, 503 where somebody has to wait.
    """

    def __init__(
        self, soak: Soak, port: int, label: str, may: Iterable[int] = (), at_once: int = AT_ONCE
    ) -> None:
        self._report: Any = soak.report
        self._port = port
        self._label = label
        self._may = tuple(may)
        self._gate = asyncio.Semaphore(at_once)

    async def ask(
        self,
        what: str,
        line: str,
        fields: Iterable[tuple[str, str | bytes]] = (),
        body: bytes | None = None,
        *,
        host: str | bytes | None = b"127.0.0.1",
    ) -> Exchange:
        """Send `line` ("GET /me") with these fields; one without Host for `host` None."""
        sent = [line.encode("latin-1") + b" HTTP/1.1", b"Connection: close"]
        named = [] if host is None else [("Host", host)]
        for name, value in (*named, *fields):
            raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
            sent.append(name.encode() + b": " + raw)
        if body is not None:
            sent.append(b"Content-Length: %d" % len(body))
        message = b"\r\n".join(sent) + b"\r\n\r\n" + (body or b"")
        async with self._gate:
            found = await exchange(self._port, message, silence_s=PATIENCE_S)
        self._report.case(f"{self._label}: {what}", found, may=self._may)
        return found

    async def form(
        self,
        what: str,
        target: str,
        values: Mapping[str, str | bytes],
        fields: Iterable[tuple[str, str | bytes]] = (),
    ) -> Exchange:
        """POST a form."""
        pairs = (f"{name}={quote_from_bytes(_bytes(one))}" for name, one in values.items())
        body = "&".join(pairs).encode()
        return await self.ask(what, f"POST {target}", [("Content-Type", FORM), *fields], body)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


async def judge(
    soak: Soak, words: str, asked: Iterable[tuple[str, Awaitable[Exchange]]], is_right: Judge
) -> list[Exchange]:
    """Await what was asked, and check that none of it is wrong; lists what is."""
    labels, awaited = zip(*asked, strict=True)
    found = list(await asyncio.gather(*awaited))
    wrong = [
        f"{label}: {one.status} {fields_of(one).get('location', '')}"
        for label, one in zip(labels, found, strict=True)
        if not is_right(one)
    ]
    told = ", ".join(f"{status or 'closed'} {n}" for status, n in sorted(statuses(found).items()))
    soak.report.line(f"{words}: {told}")
    for one in wrong[:10]:
        soak.report.line(f"  wrong: {one[:200]}")
    soak.report.check(f"{words}, wrong", len(wrong), "=", 0)
    return found


Judge = Callable[[Exchange], bool]


def statuses(found: Iterable[Exchange]) -> Counter[int]:
    return Counter(one.status for one in found)


def fields_of(found: Exchange) -> dict[str, str]:
    """The fields of the first answer, by lower-case name."""
    head = found.raw.partition(b"\r\n\r\n")[0]
    return parse_head(head)[1] if found.status else {}


def body_of(found: Exchange) -> bytes:
    """What came behind the head of an answer with a length."""
    return found.raw.partition(b"\r\n\r\n")[2]
