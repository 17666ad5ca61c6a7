"""Granian's workers: one for each interface and listener, started on listening sockets.

Granian's own process manager is left out on purpose: it gives up after two crashes of a
worker within 5.5 s, and its workers listen on sockets of their own, so that those who queue
at a killed worker are cut off.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .gate import Gate, asgi_caller, rsgi_caller
from .listen import QUEUE, Listener
from .settings import Settings
from .wsgi import gated, wsgi_caller

INTERFACES = ("rsgi", "asgi", "wsgi")


class Engine:
    """Granian serving one listener; `on_drained` is called, on a thread of its own, at the end."""

    def __init__(
        self,
        gate: Gate,
        listener: Listener,
        settings: Settings,
        loop: Any,
        on_drained: Callable[[], None],
    ) -> None:
        engine, futures = _granian("_granian"), _granian("_futures")
        self._signal = engine.WorkerSignal()
        self._signal.add_cb(on_drained)
        is_wsgi = settings.interface == "wsgi"
        self._socket = os.fstat(listener.sock.fileno()) if sys.platform == "linux" else None
        certfile, keyfile = settings.tls or (None, None)
        options = {} if is_wsgi else {"websockets_enabled": settings.http != "2"}
        worker = getattr(engine, f"{settings.interface.upper()}Worker")(
            worker_id=1,
            sock=(None, _holder(listener)),
            ipc=None,
            threads=1,
            py_threads=settings.threads if is_wsgi else 1,
            backpressure=settings.backpressure,
            http_mode=settings.http,
            ssl_enabled=settings.tls is not None,
            ssl_cert=certfile,
            ssl_key=keyfile,
            ssl_protocol_min="tls1.3",
            ssl_crl=[],
            metrics=(None, None),
            **options,
        )
        # One thread of Rust's beside the event loop; HTTP/2 wants Granian's other runtime.
        runtime = "str" if settings.interface == "rsgi" and settings.http != "2" else "mtr"
        serve = getattr(worker, f"serve_{runtime}" + ("_uds" if listener.path else ""))
        serve(
            futures._new_cbscheduler(loop, _caller(gate, settings), impl_asyncio=True),
            loop,
            self._signal,
        )

    def turn_away(self) -> None:
        """Accept no connection any more, while those there are served as before.

        Granian's own stop closes connections that it has accepted and not read from: a client
        that just came would get no answer. So its listening socket is exchanged, under its
        feet, for one that nobody can reach. On Linux; elsewhere `stop` has to do.
        """
        if self._socket is None:
            return
        with socket.socket(socket.AF_UNIX) as nowhere:
            nowhere.setblocking(False)
            nowhere.bind("")  # a name that the kernel makes up
            nowhere.listen()
            for name in os.listdir("/proc/self/fd"):
                with suppress(OSError):
                    if os.path.samestat(os.fstat(int(name)), self._socket):
                        os.dup2(nowhere.fileno(), int(name), inheritable=False)

    def stop(self) -> None:
        """End when what is in work has been answered; idle connections are closed."""
        self._signal.set()


def _caller(gate: Gate, settings: Settings) -> Callable[..., Any]:
    if settings.interface == "rsgi":
        return rsgi_caller(gate)
    if settings.interface == "asgi":
        return asgi_caller(gate)
    return gated(gate, wsgi_caller(gate.app, settings, gate.observing))


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
