"""One process that serves one app with Granian, until it is told to stop.

`serve` starts several of these and `run` is one. Granian's own process manager is left out
on purpose: it gives up after two crashes of a worker within 5.5 s, and its workers listen
on sockets of their own, so that those who queue at a killed worker are cut off.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from .listen import QUEUE, Listener
from .terminal import printable

# What Granian calls for each request: (its protocol object, its scope).
Caller = Callable[[Any, dict[str, Any]], int]


@dataclass(frozen=True)
class Settings:
    """How a worker serves. Everything here can be sent to another process."""

    threads: int = 8
    backpressure: int = 1024
    tls: tuple[str, str] | None = None
    access_log: bool = False
    log_to: str = "stdout"
    log_query: bool = False
    grace_s: float = 10.0
    many: bool = False
    interface: str = "wsgi"


class Started(Protocol):
    """A listener being served: `stop` begins the drain, `done` is set at its end."""

    done: threading.Event

    def stop(self) -> None: ...


def work(
    app: Any,
    listeners: tuple[Listener, ...],
    settings: Settings,
    *,
    on_ready: Callable[[], None] = lambda: None,
    stops: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM),
) -> bool:
    """Serve `app` until one of the signals `stops`; return whether all requests finished.

    Must be called in the main thread. At the signal no further connection is accepted, and
    requests in work have `settings.grace_s` seconds; the caller ends the process after that.
    """
    stopping = threading.Event()
    start = INTERFACES[settings.interface]
    started = [start(app, listener, settings) for listener in listeners]

    def on_signal(number: int, frame: object) -> None:
        stopping.set()
        for one in started:
            one.stop()

    before = {number: signal.signal(number, on_signal) for number in stops}
    try:
        on_ready()
        return _drained(started, stopping, settings.grace_s)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _drained(started: list[Started], stopping: threading.Event, grace_s: float) -> bool:
    """Wait for the stop and for requests in work; False if those took more than `grace_s`."""
    deadline = None
    for one in started:
        # With a time limit, as Ctrl-C does not wake a plain wait on Windows.
        while not one.done.wait(0.2):
            if stopping.is_set():
                deadline = deadline or time.monotonic() + grace_s
                if time.monotonic() > deadline:
                    return False
    return True


# WSGI


class _WSGI:
    """Granian's WSGI worker on one listener."""

    def __init__(self, app: Any, listener: Listener, settings: Settings) -> None:
        import asyncio  # only where something is served

        engine, futures = _granian("_granian"), _granian("_futures")
        self.done = threading.Event()
        self._signal = engine.WorkerSignal()
        self._signal.add_cb(self._drained)
        self._loop = asyncio.new_event_loop()  # asked for by the scheduler, never run
        certfile, keyfile = settings.tls or (None, None)
        worker = engine.WSGIWorker(
            worker_id=1,
            sock=(None, _holder(listener)),
            ipc=None,
            threads=1,
            py_threads=settings.threads,
            backpressure=settings.backpressure,
            http_mode="auto",
            ssl_enabled=settings.tls is not None,
            ssl_cert=certfile,
            ssl_key=keyfile,
            ssl_protocol_min="tls1.3",
            ssl_crl=[],
            metrics=(None, None),
        )
        call = _with_log(wsgi_caller(app, settings), settings)
        serve = worker.serve_mtr_uds if listener.path else worker.serve_mtr
        scheduler = futures._new_cbscheduler(self._loop, call, impl_asyncio=True)
        serve(scheduler, self._loop, self._signal)

    def stop(self) -> None:
        self._signal.set()

    def _drained(self) -> None:
        self._loop.close()
        self.done.set()


INTERFACES: dict[str, Callable[[Any, Listener, Settings], Started]] = {"wsgi": _WSGI}


def _granian(module: str) -> Any:
    """Import one of Granian's own modules: its type stubs lag behind what 2.8 has."""
    return importlib.import_module(f"granian.{module}")


def _holder(listener: Listener) -> Any:
    """Give the listening socket away to Granian, which closes it when it stops accepting."""
    holder = _granian("_granian").SocketHolder
    handle = listener.sock.detach()
    if sys.platform == "win32":
        return holder(handle)
    if sys.platform.startswith(("linux", "freebsd")):
        return holder(handle, listener.path is not None, QUEUE)
    return holder(handle, listener.path is not None)


class _Start:
    """WSGI's start_response: keeps what the app says until the answer is handed over."""

    __slots__ = ("called", "headers", "status", "written")

    def __init__(self) -> None:
        self.called = False
        self.written: list[bytes] = []

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        code = int(status[:4])
        # Granian aborts the whole process on a number outside of this.
        if not 100 <= code <= 999:
            raise ValueError(f"the app answered with the status {status!r}, not one of 100 to 999")
        self.called = True
        self.status = code
        self.headers = headers
        return self.written.append


class _Chunks:
    """A body Granian takes piece by piece, and closes in the end."""

    __slots__ = ("__next__", "close")

    def __init__(self, chunks: Iterator[bytes], body: Iterable[bytes]) -> None:
        self.__next__ = chunks.__next__
        self.close = getattr(body, "close", _nothing)


def _nothing() -> None:
    """Close what needs no closing."""


def wsgi_caller(app: Any, settings: Settings) -> Caller:
    """Return what turns one request of Granian's into one call of the WSGI callable `app`.

    Unlike Granian's own it keeps the process's environment variables out of the request's:
    `HTTP_PROXY` would look like a header and `REMOTE_USER` like a login.
    """
    base = {
        "SCRIPT_NAME": "",
        "SERVER_SOFTWARE": "Granian",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": settings.many,
        "wsgi.multithread": settings.threads > 1,
        "wsgi.run_once": False,
        "wsgi.version": (1, 0),
    }

    def call(proto: Any, scope: dict[str, Any]) -> int:
        start = _Start()
        body = app(base | scope, start)
        if type(body) is list and start.called:
            if start.written:
                body = start.written + body
            proto.response_bytes(start.status, start.headers, b"".join(body))
        else:
            _stream(proto, start, body)
        return start.status

    return call


def _stream(proto: Any, start: _Start, body: Iterable[bytes]) -> None:
    chunks = iter(body)
    ahead: list[bytes] = []
    if not start.called:
        # A generator calls start_response only when its first piece is asked for.
        try:
            ahead = [next(chunks, b"")]
            if not start.called:
                raise RuntimeError("the app returned a body without calling start_response")
        except BaseException:
            getattr(body, "close", _nothing)()
            raise
    if ahead or start.written:
        chunks = _chain(start.written + ahead, chunks)
    proto.response_iter(start.status, start.headers, _Chunks(chunks, body))


def _chain(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield b"".join(first)
    yield from rest


# Access log

_access = logging.getLogger("hipflask.access")


def _with_log(call: Caller, settings: Settings) -> Caller:
    if not settings.access_log:
        return call
    if not _access.handlers:
        _access.addHandler(logging.StreamHandler(getattr(sys, settings.log_to)))
        _access.setLevel(logging.INFO)
        _access.propagate = False

    def logged(proto: Any, scope: dict[str, Any]) -> int:
        began, status = time.perf_counter(), 500
        try:
            status = call(proto, scope)
        finally:
            took_ms = (time.perf_counter() - began) * 1000
            _access.info(access_line(scope, status, took_ms, query=settings.log_query))
        return status

    return logged


def access_line(scope: dict[str, Any], status: int, took_ms: float, *, query: bool) -> str:
    """Return one line about a request: who, when, what, status, milliseconds to the answer.

    Control characters are escaped, so that no path can forge a line. The query string, where
    secrets travel, is left out unless `query`.
    """
    path = scope["PATH_INFO"].encode("latin-1", "replace").decode("utf-8", "replace")
    if query and scope["QUERY_STRING"]:
        path += "?" + scope["QUERY_STRING"]
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    request = printable(f"{scope['REQUEST_METHOD']} {path} {scope['SERVER_PROTOCOL']}")
    return f'{scope["REMOTE_ADDR"] or "-"} [{when}] "{request}" {status} {took_ms:.1f}ms'


def leave(clean: bool) -> None:
    """End this process at once if requests were still in work at the deadline."""
    if clean:
        return
    # What apps registered still runs. A normal end of the interpreter is out: Granian's
    # threads, inside of views, panic when it goes away under them.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
