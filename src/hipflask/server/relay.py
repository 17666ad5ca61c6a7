"""What a worker answers in front of the app: probes, and figures that the supervisor has.

One worker knows a part of the figures, the supervisor all of them: whichever worker is asked
passes the question on, so that the answer is the same.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .listen import is_loopback
from .settings import Settings

#: How long the supervisor may take, which may have to wait for a worker that is stuck.
PATIENCE_S = 5.0
_PLAIN = ("content-type", "text/plain; charset=utf-8")
_NO_STORE = ("cache-control", "no-store")
#: Fields by which a proxy says that it passes on what somebody else asks.
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

Fields = list[tuple[str, str]]
Answer = tuple[int, Fields, bytes]


class Asker(NamedTuple):
    """Who asks: the address, with or without a port, "" on a unix socket; and the fields sent."""

    client: str
    field: Callable[[str], str | None]


Page = Callable[[Asker], Awaitable[Answer]]


def asker_of(scope: Any) -> Asker:
    """Who sent an ASGI request."""
    client = scope.get("client")
    fields = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return Asker(client[0] if client else "", lambda name: fields.get(name.encode()))


def asker_of_rsgi(scope: Any) -> Asker:
    """Who sent an RSGI request; "?" is a value that Granian keeps to itself, as it is not ASCII."""

    def field(name: str) -> str | None:
        found: str | None = scope.headers.get(name)
        return "?" if found is None and name in scope.headers else found

    return Asker(scope.client, field)


def asker_of_environ(environ: dict[str, Any]) -> Asker:
    """Who sent a WSGI request."""

    def field(name: str) -> str | None:
        found: str | None = environ.get("HTTP_" + name.upper().replace("-", "_"))
        return found

    return Asker(environ.get("REMOTE_ADDR") or "", field)


def page(settings: Settings) -> Page:
    """The figures of the service: for who has the token; without one, for this machine alone."""

    async def figures(asker: Asker) -> Answer:
        if not _may(asker, settings.metrics_token):
            # As if there were nothing: what is here is nobody else's business.
            return 404, [_PLAIN, _NO_STORE], b"Not found.\n"
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await _ask(settings.ops_socket, asker.field("accept") or "")
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            return 503, [_PLAIN, _NO_STORE], b"The supervisor does not answer.\n"

    return figures


def _may(asker: Asker, token: str) -> bool:
    if token:
        return has_token(token, asker.field("authorization") or "")
    host = asker.client
    if host.count(":") == 1 or host.startswith("["):
        host = host.rpartition(":")[0]
    # A proxy on this machine asks from here too, for others: most say so, or keep their name.
    passed_on = any(asker.field(name) is not None for name in _PASSED_ON)
    is_here = (not host or is_loopback(host)) and names_loopback(asker.field("host") or "")
    return is_here and not passed_on


def names_loopback(host: str) -> bool:
    """Whether a Host field names this machine by a loopback address, or nothing."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return not host or is_loopback(name or "")


def has_token(token: str, authorization: str) -> bool:
    """Whether an Authorization header carries `token`; without a token, everybody does."""
    if not token:
        return True
    scheme, _, given = authorization.partition(" ")
    given_bytes, wanted = given.strip().encode(errors="replace"), token.encode()
    return scheme.lower() == "bearer" and hmac.compare_digest(given_bytes, wanted)


async def _ask(path: str, accept: str) -> Answer:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        accept = "".join(char for char in accept[:1000] if " " <= char <= "~")
        writer.write(f"GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
        head, *_ = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n\r\n")
        first, *lines = head.split("\r\n")
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(fields["content-length"]))
    finally:
        writer.close()
    kind = ("content-type", fields["content-type"])
    return int(first.split()[1]), [kind, _NO_STORE], body
