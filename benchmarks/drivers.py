"""What stands in for a server: calls an application in this process, as cheaply as it can.

Each driver gives the application what a server would give it anew for each request, and takes
the whole answer. `send` sends one request and returns its answer; `prepare` returns a batch
of which `time` sends any number in turn and returns the CPU seconds of the whole process, so
that threads of a pool are counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO, StringIO
from itertools import cycle, islice
from pathlib import Path
from time import process_time
from typing import Any
from urllib.parse import quote

from .workloads import Answer, Call

#: What every request has beside its own fields.
FIELDS = (
    ("Host", "127.0.0.1:8000"),
    ("User-Agent", "benchmark/1.0"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
)


class WSGIDriver:
    def __init__(self, app: Any) -> None:
        self._app = app

    def prepare(self, calls: Sequence[Call]) -> Iterator[tuple[dict[str, Any], bytes]]:
        return cycle([(_environ(call), call.body) for call in calls])

    def time(self, batch: Iterator[tuple[dict[str, Any], bytes]], count: int) -> float:
        app = self._app

        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            return None

        start = process_time()
        for base, body in islice(batch, count):
            environ = base.copy()
            if body:
                environ["wsgi.input"] = BytesIO(body)
            chunks = app(environ, start_response)
            for _ in chunks:
                pass
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return process_time() - start

    def send(self, call: Call) -> Answer:
        heard: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            heard[:] = [int(status[:3]), headers]

        environ = _environ(call)
        environ["wsgi.input"] = BytesIO(call.body)
        chunks = self._app(environ, start_response)
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        status, headers = heard
        return Answer(status, tuple((k.lower(), v) for k, v in headers), body)

    def close(self) -> None:
        return None


def _environ(call: Call) -> dict[str, Any]:
    environ = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": call.path,
        "QUERY_STRING": call.query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in (*FIELDS, *call.headers):
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


class ASGIDriver:
    """Awaits the application on a plain asyncio loop, after its lifespan's start."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._state: dict[str, Any] = {}
        self._orders: asyncio.Queue[str] = asyncio.Queue()
        self._lifespan = self._loop.create_task(self._live())
        self._loop.run_until_complete(self._started())

    async def _live(self) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": await self._orders.get()}

        async def send(message: dict[str, Any]) -> None:
            self._told.put_nowait(message)

        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": ASGI, "state": self._state}
        await self._app(scope, receive, send)

    async def _started(self) -> None:
        await asyncio.sleep(0)
        self._orders.put_nowait("lifespan.startup")
        told = asyncio.ensure_future(self._told.get())
        done, _ = await asyncio.wait({told, self._lifespan}, return_when="FIRST_COMPLETED")
        if told in done and told.result()["type"] == "lifespan.startup.failed":
            raise RuntimeError(f"did not start: {told.result().get('message', '')}")
        told.cancel()  # without a lifespan: no harm

    def prepare(self, calls: Sequence[Call]) -> Iterator[tuple[dict[str, Any], bytes]]:
        return cycle([(_scope(call), call.body) for call in calls])

    def time(self, batch: Iterator[tuple[dict[str, Any], bytes]], count: int) -> float:
        return self._loop.run_until_complete(self._time(islice(batch, count)))

    async def _time(self, batch: Iterable[tuple[dict[str, Any], bytes]]) -> float:
        app, state = self._app, self._state
        wire = _ASGIWire(self._loop)
        start = process_time()
        for base, body in batch:
            scope = base.copy()
            scope["state"] = state.copy()
            wire.begin(body)
            await app(scope, wire.receive, wire.send)
        return process_time() - start

    def send(self, call: Call) -> Answer:
        return self._loop.run_until_complete(self._send(call))

    async def _send(self, call: Call) -> Answer:
        messages: list[dict[str, Any]] = []
        wire = _ASGIWire(self._loop)

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)
            await wire.send(message)

        wire.begin(call.body)
        await self._app(_scope(call) | {"state": self._state.copy()}, wire.receive, send)
        head = next(one for one in messages if one["type"] == "http.response.start")
        body = b"".join(one.get("body", b"") for one in messages)
        fields = [(k.decode().lower(), v.decode()) for k, v in head["headers"]]
        return Answer(head["status"], tuple(fields), body)

    def close(self) -> None:
        self._orders.put_nowait("lifespan.shutdown")
        self._loop.run_until_complete(asyncio.wait({self._lifespan}, timeout=5))
        self._loop.close()


class _ASGIWire:
    """`receive` and `send` of one request after another.

    Who asks for more after the body waits until the answer is complete, and hears then that
    the client left: as under a server.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._body: bytes | None = None
        self._has_ended = False
        self.waiting: asyncio.Future[None] | None = None

    def begin(self, body: bytes) -> None:
        self._body = body
        self._has_ended = False

    async def receive(self) -> dict[str, Any]:
        body = self._body
        if body is not None:
            self._body = None
            return {"type": "http.request", "body": body, "more_body": False}
        if not self._has_ended:
            if self.waiting is None:
                self.waiting = self._loop.create_future()
            await asyncio.shield(self.waiting)
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._has_ended = True
            if self.waiting is not None:
                self.waiting.set_result(None)
                self.waiting = None


ASGI = {"version": "3.0", "spec_version": "2.4"}


def _scope(call: Call) -> dict[str, Any]:
    fields = [(k.lower().encode(), v.encode("latin-1")) for k, v in (*FIELDS, *call.headers)]
    return {
        "type": "http",
        "asgi": ASGI,
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40000),
        "scheme": "http",
        "method": call.method,
        "root_path": "",
        "path": call.path,
        "raw_path": quote(call.path).encode(),
        "query_string": call.query.encode(),
        "headers": fields,
    }


class RSGIDriver:
    """Awaits the application on a plain asyncio loop, with objects shaped as Granian's."""

    def __init__(self, app: Any) -> None:
        self._answer = app.__rsgi__
        self._loop = asyncio.new_event_loop()
        if begin := getattr(app, "__rsgi_init__", None):
            begin(self._loop)

    def prepare(self, calls: Sequence[Call]) -> Iterator[tuple[RSGIScope, bytes]]:
        return cycle([(RSGIScope(call), call.body) for call in calls])

    def time(self, batch: Iterator[tuple[RSGIScope, bytes]], count: int) -> float:
        return self._loop.run_until_complete(self._time(islice(batch, count)))

    async def _time(self, batch: Iterable[tuple[RSGIScope, bytes]]) -> float:
        answer = self._answer
        start = process_time()
        for scope, body in batch:
            await answer(scope, RSGIProtocol(body))
        return process_time() - start

    def send(self, call: Call) -> Answer:
        protocol = RSGIProtocol(call.body)

        async def answer() -> None:
            await self._answer(RSGIScope(call), protocol)

        self._loop.run_until_complete(answer())
        fields = tuple((name.lower(), value) for name, value in protocol.headers)
        body = protocol.answer
        if isinstance(body, Path):
            body = body.read_bytes()
        return Answer(protocol.status, fields, body.encode() if isinstance(body, str) else body)

    def close(self) -> None:
        self._loop.close()


class RSGIHeaders:
    """Granian's header object, for fields that do not repeat."""

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields = {name.lower(): value for name, value in fields}
        self.get = self._fields.get
        self.keys = self._fields.keys
        self.values = self._fields.values

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def items(self) -> list[tuple[str, str]]:
        return list(self._fields.items())

    def get_all(self, name: str) -> list[str]:
        return [self._fields[name]] if name in self._fields else []


class RSGIScope:
    """Granian's scope object; `RSGIHeaders` is read only, so one does for many requests."""

    proto = "http"
    http_version = "1.1"
    rsgi_version = "1.5"
    server = "127.0.0.1:8000"
    client = "127.0.0.1:40000"
    scheme = "http"
    authority = None

    def __init__(self, call: Call) -> None:
        self.method = call.method
        self.path = call.path
        self.query_string = call.query
        self.headers = RSGIHeaders((*FIELDS, *call.headers))


class RSGIProtocol:
    """Granian's protocol object: keeps the answer."""

    __slots__ = ("_body", "answer", "headers", "status")
    answer: Any

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __call__(self) -> bytes:
        return self._body

    async def __aiter__(self) -> Any:
        yield self._body

    def client_disconnect(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    def response_empty(self, status: int, headers: Any) -> None:
        self.status, self.headers, self.answer = status, headers, b""

    def response_str(self, status: int, headers: Any, body: str) -> None:
        self.status, self.headers, self.answer = status, headers, body

    def response_bytes(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.answer = status, headers, body

    def response_file(self, status: int, headers: Any, file: str) -> None:
        self.status, self.headers, self.answer = status, headers, Path(file)

    def response_stream(self, status: int, headers: Any) -> RSGITransport:
        self.status, self.headers, self.answer = status, headers, b""
        return RSGITransport(self)


class RSGITransport:
    """What `response_stream` returns."""

    def __init__(self, protocol: RSGIProtocol) -> None:
        self._protocol = protocol

    async def send_bytes(self, data: bytes) -> None:
        self._protocol.answer += data

    async def send_str(self, data: str) -> None:
        self._protocol.answer += data.encode()


DRIVERS: dict[str, Any] = {"wsgi": WSGIDriver, "asgi": ASGIDriver, "rsgi": RSGIDriver}
