"""A request sent on to a destination while it arrives, and its answer sent back while it comes.

What a chunk is here stays one: the next one is taken from the one side when the other side has
taken this one, so memory does not grow with the length of a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote

from werkzeug.exceptions import (
    BadGateway,
    BadRequest,
    GatewayTimeout,
    HTTPException,
    NotImplemented,
)

from .answers import Failure, SendFailure, find_field
from .client import Client, Opened
from .deadlines import Deadlines
from .destination import Destination
from .hops import Pairs, answer_fields, request_fields
from .paths import UnsafePath, join_path
from .request import IDEMPOTENCY_KEY, IDEMPOTENT, Request

# What of a path is left as it is when it is written again. RFC 3986, 3.3
_KEPT = "/:@!$&'()*+,;=-._~"
#: Statuses whose answers have no body. RFC 9110, 6.4.1
_BODILESS = (204, 304)


class NoAnswer(HTTPException):
    """A 502 or 504 in words, for the class of the status to be mixed in."""

    def get_body(self, environ: Any = None, scope: Any = None) -> str:
        """The reason as plain text."""
        return f"{self.description}\n"

    def get_headers(self, environ: Any = None, scope: Any = None) -> list[tuple[str, str]]:
        """The header fields."""
        return [("Content-Type", "text/plain; charset=utf-8")]


class NoWay(NoAnswer, BadGateway):
    """The destination could not be reached, or ended the connection (502)."""

    description = "The service behind this address could not be reached."


class NoTime(NoAnswer, GatewayTimeout):
    """The destination did not answer in time (504)."""

    description = "The service behind this address did not answer in time."


class NoUpgrade(NoAnswer, NotImplemented):
    """A WebSocket was asked for where requests are sent on (501)."""

    description = (
        "This address forwards HTTP requests and no WebSockets: connect to the service behind it."
    )


class Asked(NamedTuple):
    """What of a request is sent on, kept for when the request is over."""

    method: str
    path: str
    query_string: bytes
    headers: list[tuple[str, str]]
    remote_addr: str | None
    host: str
    scheme: str

    @classmethod
    def of(cls, request: Any) -> Asked:
        """The current request's."""
        return cls(
            request.method,
            request.path,
            request.query_string,
            list(request.headers),
            request.remote_addr,
            request.host,
            request.scheme,
        )


class Arriving:
    """The body of the current request, taken a chunk at a time and at most once.

    A copy of what passes is kept up to `copy_bytes`, for a shadow.
    """

    def __init__(self, request: Any, copy_bytes: int = 0) -> None:
        self._request = request
        self._most = copy_bytes
        #: Whether any of it was taken.
        self.is_touched = False
        #: What passed, None where it was more than is copied.
        self.copy: bytes | None = b""
        self._pieces: list[bytes] = []
        self._size = 0
        self._first = b""

    async def begins(self) -> bool:
        """Whether there is anything: where the head does not say so, the first chunk does."""
        self._first = await anext(self._request.body_stream, b"")
        return bool(self._first)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.is_touched = True
        async for chunk in self._chunks():
            if self.copy is not None:
                self._size += len(chunk)
                if self._size > self._most:
                    self.copy = None
                    self._pieces.clear()
                else:
                    self._pieces.append(chunk)
            yield chunk
        if self.copy is not None:
            self.copy = b"".join(self._pieces)

    async def _chunks(self) -> AsyncIterator[bytes]:
        first, self._first = self._first, b""
        if first:
            yield first
        async for chunk in self._request.body_stream:
            yield chunk


class Relay:
    """The body of an answer on its way back; closed when the client leaves, too.

    `when_done` is called once: with all of the body where it ended and was no longer than
    `copy_bytes`, else with None. `when_cut` is called where the service broke off. Made on the
    loop that iterates it.
    """

    def __init__(
        self, opened: Opened, copy_bytes: int = 0, when_done: Any = None, when_cut: Any = None
    ) -> None:
        self._opened = opened
        self._pieces = opened.pieces()
        self._most = copy_bytes
        self._kept: list[bytes] | None = [] if when_done is not None else None
        self._size = 0
        self._when_done = when_done
        self._when_cut = when_cut
        self._loop = asyncio.get_running_loop()
        self._is_closed = False

    def __del__(self) -> None:
        """Closes what nobody sent: a hook raised, or put another response in its place."""
        self._done(is_whole=False)
        if not self._is_closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_close_soon, self._pieces, self._opened)

    def __aiter__(self) -> Relay:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            # At once, and not when somebody closes us: the connection is free from here on.
            self._done(is_whole=True)
            await self.aclose()
            raise
        except SendFailure:
            if self._when_cut is not None:
                self._when_cut()
            raise
        if self._kept is not None:
            self._size += len(piece)
            if self._size > self._most:
                self._kept = None
            else:
                self._kept.append(piece)
        return piece

    def _done(self, *, is_whole: bool) -> None:
        call, self._when_done = self._when_done, None
        if call is not None:
            kept = self._kept
            call(b"".join(kept) if is_whole and kept is not None else None)
            self._kept = None

    async def aclose(self) -> None:
        """Let the connection go, also where the client leaves at this very moment.

        One that has all it was promised does, and the door then cancels us; a connection left
        half closed would be missing from the pool for ever.
        """
        self._done(is_whole=False)
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.shield(_close_soon(self._pieces, self._opened))


def _close_soon(pieces: Any, opened: Opened) -> asyncio.Future[None]:
    closing = asyncio.ensure_future(_close(pieces, opened))
    _closing.add(closing)
    closing.add_done_callback(_closing.discard)
    return closing


async def _close(pieces: Any, opened: Opened) -> None:
    await pieces.aclose()
    await opened.close()


# Tasks are kept alive by whoever waits for them, and who waited for these may be gone.
_closing: set[Any] = set()


def check_no_upgrade(request: Any) -> None:
    """Raise NoUpgrade for a request that wants to be a WebSocket."""
    if (request.headers.get("Upgrade") or "").strip().lower() == "websocket":
        raise NoUpgrade


def target_of(destination: Destination, request: Any, strip: str) -> str:
    """The address below `destination` of what was asked for, without `strip` in front.

    Raises BadRequest for a path that might lead out of it.
    """
    path = request.path
    if strip and (path == strip or path.startswith(f"{strip}/")):
        path = path[len(strip) :]
    # What is not ASCII goes on as the bytes that came, whatever they are in.
    query = "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in request.query_string)
    try:
        return join_path(destination.base, quote(path, safe=_KEPT), query)
    except UnsafePath:
        raise BadRequest("The path has segments that cannot be forwarded.") from None


def outgoing(
    destination: Destination, request: Any, strip: str = "", drop: Iterable[str] = ()
) -> Request:
    """A request, the current one or an `Asked`, as it is sent on, without its body."""
    fields = request_fields(
        request.headers,
        client=request.remote_addr,
        host=request.host,
        scheme=request.scheme,
        prefix=strip,
        drop=drop,
    )
    url = target_of(destination, request, strip)
    try:
        made = Request(request.method, url, tuple(fields), reach=destination.reach)
    except ValueError:
        raise BadRequest("A header field cannot be forwarded.") from None
    return made.with_headers(destination.headers_list)


async def body_of(request: Any, copy_bytes: int) -> Arriving | None:
    """The current request's body; None where there is none."""
    length = request.headers.get("Content-Length")
    if length is not None:
        return Arriving(request, copy_bytes) if length.strip("0 ") else None
    body = Arriving(request, copy_bytes)
    if request.headers.get("Transfer-Encoding") is not None:
        return body
    # HTTP/2 has bodies that no field announces.
    is_likely = request.method in ("POST", "PUT", "PATCH")
    return body if is_likely and await body.begins() else None


async def send_on(
    client: Client,
    destination: Destination,
    request: Request,
    body: Arriving | None,
    tries: int,
) -> Opened:
    """Send it, again where that can do no harm, and return the answer once its head is there.

    Again, up to `tries` times in all, means: not a byte was sent; or the connection was cut, the
    method (or an Idempotency-Key) allows it, and nothing of a body was taken. All tries share
    the destination's time. Raises SendFailure.
    """
    own = destination.deadlines
    # A body takes the time it takes; each wait for a byte still has its deadline.
    deadlines = Deadlines(own.total_s if body is None else None, own.connect_s, own.read_s)
    end = None if deadlines.total_s is None else monotonic() + deadlines.total_s
    for number in range(1, tries + 1):
        try:
            opened = await client.open(request, deadlines, body)
        except SendFailure as failure:
            is_spent = body is not None and body.is_touched
            may_repeat = not failure.was_sent or (
                failure.kind is Failure.CUT and _is_repeatable(request)
            )
            left_s = None if end is None else end - monotonic()
            is_late = left_s is not None and left_s <= 0
            if number == tries or is_spent or not may_repeat or is_late:
                raise
            if left_s is not None:
                deadlines = deadlines.within(left_s)
            continue
        if opened.status < 200:
            await opened.close()
            raise SendFailure(Failure.CUT, f"answered {opened.status}", was_sent=True)
        return opened
    raise AssertionError("unreachable")


def _is_repeatable(request: Request) -> bool:
    return request.method in IDEMPOTENT or request.header(IDEMPOTENCY_KEY) is not None


def no_answer(failure: SendFailure, request: Any) -> HTTPException:
    """The 502 or 504 to raise: as problem details where the client prefers JSON."""
    kind: type[NoAnswer] = NoTime if failure.kind is Failure.TIMEOUT else NoWay
    accepts = request.accept_mimetypes
    json_quality = max(accepts["application/problem+json"], accepts["application/json"])
    if request.headers.get("Accept") and json_quality > accepts["text/plain"]:
        from ..api.problems import Problem  # only for such a failure

        return Problem(kind.code, kind.description)
    return kind()


async def answer_of(
    response_class: Any,
    method: str,
    opened: Opened,
    base: str,
    here: str,
    copy_bytes: int = 0,
    when_done: Any = None,
    when_cut: Any = None,
) -> Any:
    """The response that sends an answer back as it comes."""
    fields: Pairs = answer_fields(opened.headers, base, here)
    if method == "HEAD" or opened.status in _BODILESS:
        relay = Relay(opened, copy_bytes, when_done)
        async for _ in relay:
            pass
        await relay.aclose()
        body: Any = []
    else:
        body = Relay(opened, copy_bytes, when_done, when_cut)
    response = response_class(body, opened.status, fields)
    if find_field(fields, "content-type") is None:
        del response.headers["Content-Type"]
    # Its own if it has one; never made up out of a body that is not there.
    response.automatically_set_content_length = False
    return response
