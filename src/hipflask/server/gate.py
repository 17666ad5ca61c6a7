"""What stands in front of the app in one worker: probes, limits, and how much is in work.

Each interface has a caller here, which takes the place of Granian's own, so that a request
passes one coroutine on its way to the app and not two.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ..ops import probes
from . import access
from .settings import Settings

_PLAIN = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]
_JSON = [("content-type", "application/json"), ("cache-control", "no-store")]
_CLOSE = ("connection", "close")
_BUSY = b"The server is busy.\n"
_LATE = b"The request took too long.\n"
_ENDED = b"The server stopped.\n"
Fields = list[tuple[str, str]]


class Gate:
    """One worker's count of its requests, its limits, and the answers to probes."""

    def __init__(self, app: Any, inner: Any, settings: Settings) -> None:
        self.app = app
        self.loop = asyncio.get_running_loop()
        self.settings = settings
        #: HTTP requests in work, refused, and answered; probes are not counted.
        self.in_work = self.shed = self.answered = 0
        self.draining = False
        #: Whether the grace time is over and what is in work is being cancelled.
        self.ended = False
        self.limit = settings.max_in_work
        self.log = settings.access_log
        self.timeout_s = settings.request_timeout_s
        #: Requests with a time limit, the oldest first, and when each ends.
        self.deadlines: dict[asyncio.Task[Any], float] = {}
        self.late: set[asyncio.Task[Any]] = set()
        self.sockets: set[asyncio.Task[Any]] = set()
        self.readiness = probes.Readiness(inner)
        self.probes: dict[str, Callable[[], Any]] = {}
        taken = taken_paths(inner)
        for path, probe in ((settings.livez, self._alive), (settings.readyz, self._ready)):
            if path and path not in taken:
                self.probes[path] = probe
        self.on_retire: Callable[[], None] = _nothing
        # Workers that start together must not all be replaced together.
        spread = random.uniform(1.0, 1.1)
        self._every = int(settings.max_requests * spread)
        self._retires_at = self._every or -1

    async def _alive(self) -> probes.Answer:
        return probes.alive()

    async def _ready(self) -> probes.Answer:
        return await probes.ready(self.readiness, draining=self.draining)

    def count(self) -> None:
        """Note that a request was answered."""
        self.answered += 1
        if self.answered == self._retires_at:
            self._retires_at += self._every
            self.on_retire()

    async def watch_deadlines(self) -> None:
        """Cancel requests that take longer than the time limit; runs for ever."""
        pause = min(0.1, self.timeout_s / 4)
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            for task, deadline in list(self.deadlines.items()):
                if deadline > now:
                    break
                del self.deadlines[task]
                self.late.add(task)
                task.cancel()

    def begin_deadline(self) -> asyncio.Task[Any]:
        """Let the time limit of the current task's request begin."""
        task = asyncio.current_task()
        assert task is not None
        self.deadlines[task] = time.monotonic() + self.timeout_s
        return task

    def is_late(self, task: asyncio.Task[Any] | None) -> bool:
        """End the time limit of a task; tells whether it was cancelled for that."""
        if task is None:
            return False
        self.deadlines.pop(task, None)
        if task not in self.late:
            return False
        self.late.discard(task)
        task.uncancel()
        return True

    def has_cut(self, error: BaseException) -> bool:
        """Whether the worker's end stopped a request: a worker that ends cancels what is left."""
        return self.ended or isinstance(error, asyncio.CancelledError)


def _nothing() -> None:
    """Stand in for a function nobody gave."""


def taken_paths(app: Any) -> set[str]:
    """The rules of the app's own routes, which go before the probes."""
    url_map = getattr(app, "url_map", None)
    return set() if url_map is None else {rule.rule for rule in url_map.iter_rules()}


# RSGI


class _Noted:
    """Granian's protocol object, with the status noted and the connection closed if need be."""

    __slots__ = ("_closing", "_on_answer", "_protocol", "client_disconnect", "status")

    def __init__(self, protocol: Any, closing: bool, on_answer: Callable[[], Any]) -> None:
        self._protocol = protocol
        self._closing = closing
        self._on_answer = on_answer
        self.client_disconnect = protocol.client_disconnect
        self.status = 0

    def __call__(self) -> Any:
        return self._protocol()

    def __aiter__(self) -> Any:
        return self._protocol.__aiter__()

    def _note(self, status: int, fields: Fields) -> Fields:
        self.status = status
        self._on_answer()
        return [*fields, _CLOSE] if self._closing else fields

    def response_empty(self, status: int, fields: Fields) -> Any:
        return self._protocol.response_empty(status, self._note(status, fields))

    def response_str(self, status: int, fields: Fields, body: str) -> Any:
        return self._protocol.response_str(status, self._note(status, fields), body)

    def response_bytes(self, status: int, fields: Fields, body: bytes) -> Any:
        return self._protocol.response_bytes(status, self._note(status, fields), body)

    def response_file(self, status: int, fields: Fields, file: str) -> Any:
        return self._protocol.response_file(status, self._note(status, fields), file)

    def response_file_range(
        self, status: int, fields: Fields, file: str, start: int, end: int
    ) -> Any:
        fields = self._note(status, fields)
        return self._protocol.response_file_range(status, fields, file, start, end)

    def response_stream(self, status: int, fields: Fields) -> Any:
        return self._protocol.response_stream(status, self._note(status, fields))


def rsgi_caller(gate: Gate) -> Callable[[Any], Any]:
    """Return what Granian's RSGI worker runs, as a task, for each connection."""
    handle = gate.app.__rsgi__
    probes_of = gate.probes.get
    notes = gate.log or gate.timeout_s > 0

    async def serve(watcher: Any) -> None:
        scope, protocol = watcher.scope, watcher.proto
        task = failure = None
        began = 0.0
        try:
            if scope.proto != "http":
                await _socket(gate, handle(scope, protocol))
                return
            probe = probes_of(scope.path)
            if probe is not None and scope.method in ("GET", "HEAD"):
                status, body = await probe()
                protocol.response_bytes(status, _fields(gate, scope, _JSON), body)
                return
            if gate.in_work >= gate.limit:
                gate.shed += 1
                fields = [*_PLAIN, ("retry-after", "1")]
                protocol.response_bytes(503, _fields(gate, scope, fields), _BUSY)
                return
            gate.in_work += 1
            try:
                if notes or gate.draining:
                    began = time.perf_counter()
                    if gate.timeout_s:
                        task = gate.begin_deadline()
                    closing = gate.draining and scope.http_version != "2"
                    protocol = _Noted(protocol, closing, partial(gate.deadlines.pop, task, None))
                await handle(scope, protocol)
            finally:
                gate.in_work -= 1
                gate.count()
        except BaseException as error:
            if gate.is_late(task):
                if not protocol.status:
                    protocol.response_bytes(504, _PLAIN, _LATE)
            elif not gate.has_cut(error):
                failure = error
            elif not getattr(protocol, "status", 0):
                # Had its answer begun, this would be for nobody.
                with suppress(Exception):
                    protocol.response_bytes(503, _PLAIN, _ENDED)
        finally:
            gate.is_late(task)
            if gate.log and began:
                _log_rsgi(gate, scope, protocol.status or 500, began)
            if failure is None:
                watcher.done()
            else:
                watcher.err(failure)
                failure = None  # its traceback keeps this frame

    return serve


def _fields(gate: Gate, scope: Any, fields: Fields) -> Fields:
    if gate.draining and scope.http_version != "2":
        return [*fields, _CLOSE]
    return fields


async def _socket(gate: Gate, handling: Any) -> None:
    task: Any = asyncio.current_task()
    gate.sockets.add(task)
    try:
        await handling
    except asyncio.CancelledError:
        if not gate.draining:  # else the worker's own doing, and no error for Granian to log
            raise
    finally:
        gate.sockets.discard(task)


def _log_rsgi(gate: Gate, scope: Any, status: int, began: float) -> None:
    query = scope.query_string if gate.settings.log_query else ""
    client = scope.client.rpartition(":")[0].strip("[]")
    protocol = f"HTTP/{scope.http_version}"
    took_ms = (time.perf_counter() - began) * 1000
    line = access.access_line(client, scope.method, scope.path, query, protocol, status, took_ms)
    access.log.info(line)


# ASGI


def asgi_caller(gate: Gate) -> Callable[[Any], Any]:
    """Return what Granian's ASGI worker runs, as a task, for each connection."""
    handle = getattr(gate.app, "asgi", gate.app)

    async def serve(watcher: Any) -> None:
        scope, receive, send = watcher.scope, watcher.proto.receive, watcher.proto.send
        scope.update(root_path="", state={})
        task = exchange = failure = None
        try:
            if scope["type"] != "http":
                await _socket(gate, handle(scope, receive, send))
                return
            exchange = _ASGIExchange(gate, scope, send)
            if await exchange.is_settled():
                return
            gate.in_work += 1
            try:
                if gate.timeout_s:
                    task = exchange.task = gate.begin_deadline()
                await handle(scope, receive, exchange.send)
            finally:
                gate.in_work -= 1
                gate.count()
        except BaseException as error:
            if exchange is not None and gate.is_late(task):
                if not exchange.status:
                    await exchange.answer(504, _PLAIN, _LATE)
            elif exchange is None or not gate.has_cut(error):
                failure = error
            elif not exchange.status:
                with suppress(Exception):
                    await exchange.answer(503, _PLAIN, _ENDED)
        finally:
            gate.is_late(task)
            if gate.log and exchange is not None and not exchange.is_probe:
                exchange.log()
            if failure is None:
                watcher.done()
            else:
                watcher.err(failure)
                failure = None  # its traceback keeps this frame

    return serve


class _ASGIExchange:
    """One HTTP exchange as the gate sees it."""

    __slots__ = ("_began", "_gate", "_scope", "_send", "is_probe", "status", "task")

    def __init__(self, gate: Gate, scope: Any, send: Any) -> None:
        self._gate = gate
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self.status = 0
        self.is_probe = False
        self.task: Any = None

    async def is_settled(self) -> bool:
        """Answer a probe, or refuse the request; tells whether that was done."""
        gate, scope = self._gate, self._scope
        probe = gate.probes.get(scope["path"])
        if probe is not None and scope["method"] in ("GET", "HEAD"):
            self.is_probe = True
            status, body = await probe()
            await self.answer(status, _JSON, body)
            return True
        if gate.in_work >= gate.limit:
            gate.shed += 1
            await self.answer(503, [*_PLAIN, ("retry-after", "1")], _BUSY)
            return True
        return False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.task is not None:
                self._gate.deadlines.pop(self.task, None)
            if self._gate.draining and self._scope["http_version"] != "2":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
        await self._send(message)

    async def answer(self, status: int, fields: Fields, body: bytes) -> None:
        headers = [(name.encode(), value.encode()) for name, value in fields]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def log(self) -> None:
        scope = self._scope
        query = scope["query_string"].decode("latin-1") if self._gate.settings.log_query else ""
        client = scope["client"][0] if scope.get("client") else None
        protocol = f"HTTP/{scope['http_version']}"
        took_ms = (time.perf_counter() - self._began) * 1000
        status = self.status or 500
        access.log.info(
            access.access_line(
                client, scope["method"], scope["path"], query, protocol, status, took_ms
            )
        )
