"""The client: calls made over HTTP, behind a port of one method.

One implementation, async, for both kinds of callers: on an event loop a call runs there, from
plain code on the loop of `loops.py`. So a deadline for the whole call cuts it wherever it is.
Redirects are not followed, no cookies are kept, no proxy is taken from the environment, nothing
is sent twice, and an address is judged before it is connected to (`reach.py`).
"""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import time
import weakref
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol

from ..ops import tracing
from ..scaffold import SetupError
from . import fencing, loops
from .answers import KEPT_BYTES, READ_BYTES, Answer, Failure, Fields, SendFailure, find_field
from .deadlines import Deadlines
from .reach import guarding
from .request import Request

if TYPE_CHECKING:
    import httpx2

#: Connections to one address at a time, per event loop; further calls wait for one.
MOST_CONNECTIONS = 256
#: Of these, how many are kept open while idle, and for how many seconds.
KEPT_CONNECTIONS = 32
KEPT_S = 20.0
_SET_HERE = ("host", "transfer-encoding")
# Set by tests that kill the process between request and answer.
_HAS_FAILPOINTS = "HIPFLASK_FAILPOINT" in os.environ


class Opened(Protocol):
    """An answer whose head has come. Its body is read once, then it is closed."""

    status: int
    headers: Fields

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, content encoding untouched. Raises SendFailure."""

    async def close(self) -> None:
        """Let the connection go: back to the pool after a whole body, closed before its end."""


class Transport(Protocol):
    """The port: what a test or another library stands in for."""

    async def open(
        self, request: Request, deadlines: Deadlines, body: AsyncIterable[bytes] | None
    ) -> Opened:
        """Send `request`, with `body` in place of its own if given, and wait for the head.

        Raises SendFailure.
        """

    async def close(self) -> None:
        """Close what belongs to the running loop."""


class Client:
    """Makes calls. One for the process is enough; safe from any thread and event loop.

    client = Client()
    answer = client.send(Request("POST", "https://ledger.example/entries"), Deadlines(5))
    """

    def __init__(self, transport: Transport | None = None) -> None:
        self.transport: Transport = HTTPX() if transport is None else transport

    def send(
        self,
        request: Request,
        deadlines: Deadlines,
        *,
        keep_bytes: int = KEPT_BYTES,
        read_bytes: int = READ_BYTES,
    ) -> Answer:
        """Make the call and return what it came to; network trouble is an answer, too.

        Of the body `read_bytes` are read at most and the first `keep_bytes` kept. Blocks.
        """
        return loops.wait_for(
            self.send_async(request, deadlines, keep_bytes=keep_bytes, read_bytes=read_bytes)
        )

    async def send_async(
        self,
        request: Request,
        deadlines: Deadlines,
        *,
        keep_bytes: int = KEPT_BYTES,
        read_bytes: int = READ_BYTES,
    ) -> Answer:
        """`send` on the running event loop."""
        _refuse_behind_a_fence(request)
        begun = time.monotonic()
        progress = _Progress(keep_bytes, read_bytes)
        failure: SendFailure | None = None
        with tracing.calling(request.method, request.url) as call:
            try:
                async with asyncio.timeout(deadlines.total_s):
                    await progress.run(self.transport, _traced(request), deadlines)
            except SendFailure as caught:
                failure = caught
            except TimeoutError:
                text = f"no whole answer within {deadlines.total_s:g} s"
                failure = SendFailure(Failure.TIMEOUT, text, was_sent=True)
            answer = progress.answer(time.monotonic() - begun, failure)
            if call is not None:
                call.answered(answer.status, str(answer.failure or ""))
        return answer

    async def open(
        self,
        request: Request,
        deadlines: Deadlines,
        body: AsyncIterable[bytes] | None = None,
    ) -> Opened:
        """Send, and return the answer once its head has come; for bodies that are streamed.

        `deadlines.total_s` counts up to the head. Raises SendFailure. On the running loop.
        """
        _refuse_behind_a_fence(request)
        with tracing.calling(request.method, request.url) as call:
            try:
                async with asyncio.timeout(deadlines.total_s):
                    opened = await self.transport.open(_traced(request), deadlines, body)
            except TimeoutError:
                text = f"no answer within {deadlines.total_s:g} s"
                raise SendFailure(Failure.TIMEOUT, text, was_sent=True) from None
            if call is not None:
                call.answered(opened.status, "")
        return opened

    def close(self) -> None:
        """Close the connections that plain code's calls have opened."""
        loops.wait_for(self.transport.close())

    async def close_async(self) -> None:
        """Close the connections that belong to the running loop."""
        await self.transport.close()


def _refuse_behind_a_fence(request: Request) -> None:
    """Raise `fencing.Refused` in a trial run: on a connection that is kept nothing else would."""
    fence = fencing.standing()
    if fence is not None:
        fence.refuse("call", (request.method, request.url))


def _traced(request: Request) -> Request:
    """The request, with the current trace to be continued by who gets it."""
    fields = tracing.fields_to_send(request.headers)
    return request.with_headers(fields) if fields else request


class _Progress:
    """How far a call has come, so that what was there counts when a deadline cuts it."""

    def __init__(self, keep_bytes: int, read_bytes: int) -> None:
        self._keep = keep_bytes
        self._most = read_bytes
        self._opened: Opened | None = None
        self._kept = bytearray()
        self._size = 0
        self._is_whole = False

    async def run(self, transport: Transport, request: Request, deadlines: Deadlines) -> None:
        opened = self._opened = await transport.open(request, deadlines, None)
        try:
            async for piece in opened.pieces():
                self._size += len(piece)
                if len(self._kept) < self._keep:
                    self._kept += piece[: self._keep - len(self._kept)]
                if self._size > self._most:
                    return
            self._is_whole = True
        finally:
            await opened.close()

    def answer(self, duration_s: float, failure: SendFailure | None) -> Answer:
        opened = self._opened
        if opened is None:
            assert failure is not None
            return Answer(
                duration_s=duration_s,
                failure=failure.kind,
                error=str(failure),
                was_sent=failure.was_sent,
            )
        # The head came, so the call was answered, whatever became of the body.
        return Answer(
            opened.status,
            tuple(opened.headers),
            bytes(self._kept),
            self._is_whole and self._size <= self._keep,
            duration_s,
            error="" if failure is None else f"the body was cut: {failure}",
            was_sent=True,
        )


class HTTPX:
    """The port over httpx2's transport, which speaks HTTP and nothing above it.

    `verify` is an SSLContext for other certificates than the machine's.
    """

    def __init__(self, verify: ssl.SSLContext | None = None) -> None:
        # Both take a while, and whoever waits for the first answer should not.
        self._httpx2 = _httpx2()
        self._verify = ssl.create_default_context() if verify is None else verify
        # Loads what is beneath it, which would else be loaded on the first caller's event loop.
        self._make("named")
        self._lock = threading.Lock()
        # By loop, then by address: a slow destination keeps its own connections busy only.
        self._pools: weakref.WeakKeyDictionary[Any, dict[str, httpx2.AsyncHTTPTransport]] = (
            weakref.WeakKeyDictionary()
        )

    async def open(
        self, request: Request, deadlines: Deadlines, body: AsyncIterable[bytes] | None
    ) -> Opened:
        """See `Transport.open`."""
        httpx2 = self._httpx2
        sent = _Sent()
        try:
            url = httpx2.URL(request.url)
        except httpx2.InvalidURL as error:
            raise SendFailure(Failure.CONNECT, f"no address: {error}", was_sent=False) from error
        # One who sends a stranger's fields on sends neither his Host nor how his body was framed.
        set_here = _SET_HERE if body is not None else (*_SET_HERE, "content-length")
        headers = [("Host", url.netloc.decode("ascii"))]
        headers += [pair for pair in request.headers if pair[0].lower() not in set_here]
        if body is None:
            stream: Any = httpx2.ByteStream(request.body)
            if request.body or request.method not in ("GET", "HEAD"):
                headers.append(("Content-Length", str(len(request.body))))
        else:
            stream = _stream(httpx2, body)
            if find_field(request.headers, "content-length") is None:
                headers.append(("Transfer-Encoding", "chunked"))
        wire = httpx2.Request(
            request.method,
            url,
            headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in headers],
            stream=stream,
            extensions={
                "timeout": {
                    "connect": deadlines.connecting_s,
                    "pool": deadlines.connecting_s,
                    "read": deadlines.reading_s,
                    "write": deadlines.reading_s,
                },
                "trace": sent,
            },
        )
        try:
            response = await self._pool(url, request.reach).handle_async_request(wire)
        except httpx2.HTTPError as error:
            raise _failure(httpx2, error, sent.is_sent) from error
        return _Opened(httpx2, response)

    def _pool(self, url: Any, reach: str) -> Any:
        # With the reach, so that no connection made for one is used for another.
        origin = f"{reach} {url.scheme}://{url.netloc.decode('ascii')}"
        loop = asyncio.get_running_loop()
        with self._lock:
            pools = self._pools.setdefault(loop, {})
            pool = pools.get(origin)
            if pool is None:
                pool = pools[origin] = self._make(reach)
        return pool

    def _make(self, reach: str) -> Any:
        made = self._httpx2.AsyncHTTPTransport(
            verify=self._verify,
            trust_env=False,
            limits=self._httpx2.Limits(
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=KEPT_CONNECTIONS,
                keepalive_expiry=KEPT_S,
            ),
        )
        if reach != "internal":
            guarding(made._pool, reach)
        return made

    async def close(self) -> None:
        """Close the running loop's connections."""
        with self._lock:
            pools = self._pools.pop(asyncio.get_running_loop(), {})
        for pool in pools.values():
            await pool.aclose()


class _Sent:
    """Listens to the connection: whether a byte of the request was handed to it."""

    is_sent = False

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.is_sent = True
        elif _HAS_FAILPOINTS and event.endswith("send_request_body.complete"):
            from ..database import failpoints  # needs SQLAlchemy, which a client does not

            failpoints.hit("P11")


class _Opened:
    def __init__(self, httpx2: Any, response: Any) -> None:
        self._httpx2 = httpx2
        self._stream = response.stream
        self.status: int = response.status_code
        self.headers: Fields = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in response.headers.raw
        )

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                yield piece
        except self._httpx2.HTTPError as error:
            raise _failure(self._httpx2, error, True) from error

    async def close(self) -> None:
        await self._stream.aclose()


def _stream(httpx2: Any, body: AsyncIterable[bytes]) -> Any:
    class Body(httpx2.AsyncByteStream):  # type: ignore[misc]  # known when imported
        def __aiter__(self) -> AsyncIterator[bytes]:
            return aiter(body)

    return Body()


def _failure(httpx2: Any, error: Exception, was_sent: bool) -> SendFailure:
    told = str(error) or type(error).__name__
    kinds: list[tuple[Any, Failure, str]] = [
        (httpx2.ConnectTimeout, Failure.CONNECT, "no connection in time"),
        (httpx2.PoolTimeout, Failure.CONNECT, "all connections to it are busy"),
        (httpx2.ConnectError, Failure.CONNECT, f"no connection: {told}"),
        (httpx2.TimeoutException, Failure.TIMEOUT, "no byte in time"),
    ]
    for kind, failure, text in kinds:
        if isinstance(error, kind):
            return SendFailure(failure, text, was_sent=was_sent)
    return SendFailure(Failure.CUT, f"the connection ended: {told}", was_sent=was_sent)


def _httpx2() -> Any:
    """The library, loaded with the first client."""
    try:
        import httpx2
    except ImportError:
        raise SetupError(
            "hipflask.forward makes its calls with httpx2, which is not installed:"
            " pip install 'hipflask[forward]'."
        ) from None
    return httpx2


_client: Client | None = None
_client_lock = threading.Lock()


def default_client() -> Client:
    """The process's client, made at its first use."""
    global _client
    with _client_lock:
        if _client is None:
            _client = Client()
        return _client
