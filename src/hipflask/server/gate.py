"""What stands in front of the app in one worker: probes, limits, and how much is in work.

Each interface has a caller here, which takes the place of Granian's own, so that a request
passes one coroutine on its way to the app and not two.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ..front.asgi import asgi_exchange
from ..front.rsgi import Noted, http_answerer, rsgi_exchange
from ..ops import probes
from . import access, relay
from .settings import Settings

_PLAIN = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]
_JSON = [("content-type", "application/json"), ("cache-control", "no-store")]
_CLOSE = ("connection", "close")
_BUSY = b"The server is busy.\n"
_LATE = b"The request took too long.\n"
_ENDED = b"The server stopped.\n"
Fields = relay.Fields


class Gate:
    """One worker's count of its requests, its limits, and the answers to probes."""

    def __init__(self, app: Any, inner: Any, settings: Settings) -> None:
        self.app = app
        self.loop = asyncio.get_running_loop()
        self.settings = settings
        #: HTTP requests in work, refused, answered, and given up; probes are not counted.
        self.in_work = self.shed = self.answered = self.given_up = 0
        self.draining = False
        #: Whether the grace time is over and what is in work is being cancelled.
        self.ended = False
        self.limit = settings.max_in_work
        #: Who is told of the requests that are answered here instead of by the app.
        self.observing = access.observe(app, inner, settings)
        #: Whether the app's requests are observed from here: it is not one of ours.
        self.is_outside = self.observing is not None and not hasattr(app, "_observing")
        self.timeout_s = settings.request_timeout_s
        #: Requests with a time limit, the oldest first, and when each ends.
        self.deadlines: dict[asyncio.Task[Any], float] = {}
        self.late: set[asyncio.Task[Any]] = set()
        self.sockets: set[asyncio.Task[Any]] = set()
        self.readiness = probes.Readiness(inner)
        self.probes: dict[str, relay.Page] = {}
        taken = taken_paths(inner)
        pages = {settings.livez: _probe(self.alive), settings.readyz: _probe(self.ready)}
        if settings.metrics:
            pages[settings.metrics] = relay.page(settings)
        for path, page in pages.items():
            if path and path not in taken:
                self.probes[path] = page
        self.on_retire: Callable[[], None] = _nothing
        # Workers that start together must not all be replaced together.
        spread = random.uniform(1.0, 1.1)
        self._every = int(settings.max_requests * spread)
        self._retires_at = self._every or -1

    async def alive(self) -> probes.Answer:
        """Say so: who can answer lives."""
        return probes.alive()

    async def ready(self) -> probes.Answer:
        """Whether requests may be sent here."""
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
                self.given_up += 1
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

    def refuse(self, head: Any, status: int, body: bytes, reason: str) -> None:
        """Tell of a request that was answered here."""
        if self.observing is not None:
            self.observing.refuse(head, status, len(body), reason)

    def end_held(self, task: Any, status: int, reason: str | None) -> None:
        """Tell of the end of a request whose task was cancelled, if it was observed."""
        if self.observing is None or not self.observing.held:
            return
        seen = self.observing.held.pop(task, None)
        if seen is not None:
            if reason is not None:
                seen.refusal, seen.error = reason, None  # the cancelling was our doing
            seen.status = seen.status or status
            seen.end()

    def has_cut(self, error: BaseException) -> bool:
        """Whether the worker's end stopped a request: a worker that ends cancels what is left."""
        return self.ended or isinstance(error, asyncio.CancelledError)


def _probe(probe: Callable[[], Awaitable[probes.Answer]]) -> relay.Page:
    async def page(asker: relay.Asker) -> relay.Answer:
        status, body = await probe()
        return status, _JSON, body

    return page


def _nothing() -> None:
    """Stand in for a function nobody gave."""


def taken_paths(app: Any) -> set[str]:
    """The rules of the app's own routes, which go before the probes."""
    url_map = getattr(app, "url_map", None)
    return set() if url_map is None else {rule.rule for rule in url_map.iter_rules()}


# RSGI


class _Noted(Noted):
    """Granian's protocol object, with the status noted and the connection closed if need be."""

    __slots__ = ("_closing", "_on_answer", "status")

    def __init__(self, protocol: Any, closing: bool, on_answer: Callable[[], Any]) -> None:
        super().__init__(protocol)
        self._closing = closing
        self._on_answer = on_answer
        self.status = 0

    def noted(self, status: int, fields: Fields, size: int) -> Fields:
        self.status = status
        self._on_answer()
        return [*fields, _CLOSE] if self._closing else fields


def rsgi_caller(gate: Gate) -> Callable[[Any], Any]:
    """Return what Granian's RSGI worker runs, as a task, for each connection."""
    handle = gate.app.__rsgi__
    answer = http_answerer(gate.app)
    probes_of = gate.probes.get
    notes = gate.timeout_s > 0

    async def serve(watcher: Any) -> None:
        scope, protocol = watcher.scope, watcher.proto
        task = failure = None
        try:
            if scope.proto != "http":
                await _socket(gate, handle(scope, protocol))
                return
            probe = probes_of(scope.path)
            if probe is not None and scope.method in ("GET", "HEAD"):
                asker = relay.asker_of_rsgi(scope)
                status, fields, body = await probe(asker)
                protocol.response_bytes(status, _fields(gate, scope, fields), body)
                return
            if gate.in_work >= gate.limit:
                gate.shed += 1
                fields = [*_PLAIN, ("retry-after", "1")]
                protocol.response_bytes(503, _fields(gate, scope, fields), _BUSY)
                gate.refuse(rsgi_exchange(scope, protocol), 503, _BUSY, "busy")
                return
            gate.in_work += 1
            try:
                if notes or gate.draining:
                    if gate.timeout_s:
                        task = gate.begin_deadline()
                    closing = gate.draining and scope.http_version != "2"
                    protocol = _Noted(protocol, closing, partial(gate.deadlines.pop, task, None))
                await answer(scope, protocol)
            finally:
                gate.in_work -= 1
                gate.count()
        except BaseException as error:
            reason, status = None, 500
            if gate.is_late(task):
                reason, status = "late", 504
                if not protocol.status:
                    protocol.response_bytes(504, _PLAIN, _LATE)
            elif not gate.has_cut(error):
                failure = error
            else:
                reason, status = "stopped", 503
                if not getattr(protocol, "status", 0):
                    # Had its answer begun, this would be for nobody.
                    with suppress(Exception):
                        protocol.response_bytes(503, _PLAIN, _ENDED)
            gate.end_held(asyncio.current_task(), status, reason)
        finally:
            gate.is_late(task)
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
            exchange = _ASGIExchange(gate, scope, receive, send)
            if await exchange.is_settled():
                return
            gate.in_work += 1
            try:
                if gate.timeout_s:
                    task = exchange.task = gate.begin_deadline()
                if gate.is_outside:
                    exchange.observe()
                await handle(scope, receive, exchange.send)
            finally:
                gate.in_work -= 1
                gate.count()
        except BaseException as error:
            reason, status = None, 500
            if exchange is not None and gate.is_late(task):
                reason, status = "late", 504
                if not exchange.status:
                    await exchange.answer(504, _PLAIN, _LATE)
            elif exchange is None or not gate.has_cut(error):
                failure = error
            else:
                reason, status = "stopped", 503
                if not exchange.status:
                    with suppress(Exception):
                        await exchange.answer(503, _PLAIN, _ENDED)
            gate.end_held(asyncio.current_task(), status, reason)
            if exchange is not None and exchange.seen is not None:
                exchange.seen.refusal = reason
        finally:
            gate.is_late(task)
            if exchange is not None and exchange.seen is not None:
                exchange.end(failure)
            if failure is None:
                watcher.done()
            else:
                watcher.err(failure)
                failure = None  # its traceback keeps this frame

    return serve


class _ASGIExchange:
    """One HTTP exchange as the gate sees it."""

    __slots__ = ("_gate", "_receive", "_scope", "_send", "seen", "status", "task")

    def __init__(self, gate: Gate, scope: Any, receive: Any, send: Any) -> None:
        self._gate = gate
        self._scope = scope
        self._receive = receive
        self._send = send
        self.status = 0
        self.task: Any = None
        self.seen: Any = None

    def _head(self) -> Any:
        return asgi_exchange(self._scope, self._receive, self._send)

    def observe(self) -> None:
        """Have those who observe requests see one that is no application's of ours."""
        assert self._gate.observing is not None
        self.seen = self._gate.observing.start(self._head())

    def end(self, error: BaseException | None) -> None:
        """Tell them of its end."""
        self.seen.error = error
        self.seen.sent(self.status, 0)
        self.seen.end()

    async def is_settled(self) -> bool:
        """Answer a probe, or refuse the request; tells whether that was done."""
        gate, scope = self._gate, self._scope
        probe = gate.probes.get(scope["path"])
        if probe is not None and scope["method"] in ("GET", "HEAD"):
            await self.answer(*await probe(relay.asker_of(scope)))
            return True
        if gate.in_work >= gate.limit:
            gate.shed += 1
            await self.answer(503, [*_PLAIN, ("retry-after", "1")], _BUSY)
            gate.refuse(self._head(), 503, _BUSY, "busy")
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
