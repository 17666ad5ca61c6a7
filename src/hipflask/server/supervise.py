"""The process behind `serve`: it starts workers, and starts them again, for ever.

It never imports the app, so nothing an app does can end it. Workers are spawned, not forked.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from .listen import Listener
from .terminal import REFUSED, USAGE, one_line, refuse, say
from .worker import Settings, leave, work

# A worker that dies is replaced at once, then after 0.1 s, 0.2 s, 0.4 s, up to this.
LONGEST_PAUSE_S = 15.0
# Frames of ours say nothing about an app that cannot be imported.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# A worker that lived this long starts the count anew.
SETTLED_S = 10.0


@dataclass(frozen=True)
class Target:
    """What to serve, in a form that can be sent to a worker; `load` imports it there."""

    factory: Callable[..., Any]
    arguments: dict[str, Any]

    @classmethod
    def of(cls, script_info: Any) -> Target:
        """Return the target that `script_info` (the command line's) stands for."""
        names = ("app_import_path", "create_app", "set_debug_flag", "load_dotenv_defaults")
        found = {name: getattr(script_info, name) for name in names if hasattr(script_info, name)}
        create_app = found.get("create_app")
        if create_app is not None and "<" in getattr(create_app, "__qualname__", "<"):
            refuse(
                f"cannot send {create_app!r} to worker processes: "
                "define create_app as a function at the top of a module"
            )
        return cls(type(script_info), found)

    @property
    def name(self) -> str:
        """What the user called the app."""
        path = self.arguments.get("app_import_path")
        create_app = self.arguments.get("create_app")
        return str(path or (create_app and create_app.__qualname__) or "wsgi.py or app.py")

    def load(self) -> Any:
        """Import and return the app; whatever that raises is passed on."""
        return self.factory(**self.arguments).load_app()


@dataclass
class _Slot:
    """One place for a worker: the process that fills it, or when the next one is due."""

    number: int
    listeners: tuple[Listener, ...]
    process: BaseProcess | None = None
    started: float = 0.0
    deaths: int = 0
    due: float | None = 0.0
    ready: bool = False


class Supervisor:
    """Keeps a worker process serving `target` at each of `places`; `run` returns after a stop.

    A place is a tuple of listeners, one for each address.
    """

    def __init__(
        self, target: Target, places: Sequence[tuple[Listener, ...]], settings: Settings
    ) -> None:
        self._target = target
        self._settings = settings
        self._context = get_context("spawn")
        self._slots = [_Slot(number, place) for number, place in enumerate(places, start=1)]
        self._reports, self._report_to = self._context.Pipe(duplex=False)
        # A signal handler only rings this: locks are not safe in it.
        self._bell, self._ring = self._context.Pipe(duplex=False)
        self._stops = 0
        self._proven = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; requests in work get the grace time, then return.

        Ends the process with exit code 2 or 78 if the app cannot be served to begin with.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            while not self._stops:
                self._start_due()
                self._wait(self._next_due())
                self._read_reports()
                self._bury()
        finally:
            self._stop_all()

    def _on_signal(self, number: int, frame: object) -> None:
        self._stops += 1
        self._ring.send_bytes(b"!")

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.due is not None and slot.due <= now:
                slot.listeners = tuple(_opened(listener) for listener in slot.listeners)
                slot.process = self._context.Process(
                    target=worker_main,
                    name=f"hipflask-worker-{slot.number}",
                    args=(self._target, slot.listeners, self._settings, self._report_to),
                )
                slot.process.start()
                slot.started, slot.due = now, None

    def _next_due(self) -> float | None:
        dues = [slot.due for slot in self._slots if slot.due is not None]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _wait(self, timeout: float | None) -> None:
        sentinels = [slot.process.sentinel for slot in self._slots if slot.process is not None]
        if self._bell in wait([*sentinels, self._reports, self._bell], timeout):
            self._bell.recv_bytes()

    def _read_reports(self) -> None:
        while self._reports.poll():
            pid, code, text = self._reports.recv()
            if code and not self._proven:
                refuse(text, code)
            if code:
                say(f"hipflask: {text}")
                continue
            for slot in self._slots:
                if slot.process is not None and slot.process.pid == pid:
                    slot.ready = True
            if not self._proven:
                self._proven = True
                self._announce()

    def _announce(self) -> None:
        scheme = "https" if self._settings.tls else "http"
        urls = ", ".join(listener.url(scheme) for listener in self._slots[0].listeners)
        workers = len(self._slots)
        say(
            f"hipflask: serving {self._target.name} on {urls} with {workers} "
            f"worker{'s' * (workers > 1)} of {self._settings.threads} threads; Ctrl-C stops"
        )

    def _bury(self) -> None:
        """Note which workers are dead, and when each is to be replaced."""
        now = time.monotonic()
        for slot in self._slots:
            process = slot.process
            if process is None or process.is_alive() or self._stops:
                continue
            process.join()
            slot.deaths = 0 if now - slot.started > SETTLED_S else slot.deaths + 1
            pause = 0.0 if slot.deaths < 2 else min(0.1 * 2 ** (slot.deaths - 2), LONGEST_PAUSE_S)
            slot.process, slot.ready, slot.due = None, False, now + pause
            if slot.deaths > 2 and any(other.ready for other in self._slots):
                # New connections are for the others until this one is tried again.
                _close([listener for listener in slot.listeners if listener.shares])
            say(
                f"hipflask: worker {slot.number} (pid {process.pid}) {_end_of(process)}; "
                f"starting another in {pause:.1f} s"
            )

    def _stop_all(self) -> None:
        _close(listener for slot in self._slots for listener in slot.listeners)
        alive = [slot.process for slot in self._slots if slot.process is not None]
        for process in alive:
            process.terminate()
        # A second more than the workers give themselves.
        deadline = time.monotonic() + self._settings.grace_s + 1.0
        while alive and self._stops < 2 and (left := deadline - time.monotonic()) > 0:
            if self._bell in wait([*(process.sentinel for process in alive), self._bell], left):
                self._bell.recv_bytes()
            alive = [process for process in alive if process.is_alive()]
        for process in alive:
            process.kill()
        for slot in self._slots:
            if slot.process is not None:
                slot.process.join()


def _opened(listener: Listener) -> Listener:
    return listener.another() if listener.sock.fileno() == -1 else listener


def _close(listeners: Iterable[Listener]) -> None:
    for listener in listeners:
        listener.close()


def _end_of(process: BaseProcess) -> str:
    code = process.exitcode
    return f"was ended by signal {-code}" if code and code < 0 else f"ended with exit code {code}"


# In the worker


def worker_main(
    target: Target, listeners: tuple[Listener, ...], settings: Settings, reports: Connection
) -> None:
    """Load the app, say so or why not, and serve it until SIGTERM or the supervisor's end."""
    # Ctrl-C reaches every process of the terminal; the supervisor passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stop_with_parent()
    app = _load(target, reports)
    clean = work(
        app,
        listeners,
        settings,
        on_ready=lambda: reports.send((os.getpid(), 0, "")),
        stops=(signal.SIGTERM,),
    )
    leave(clean)


def _load(target: Target, reports: Connection) -> Any:
    try:
        app = target.load()
    except BaseException as error:
        _fail(reports, USAGE, f"cannot load the app {target.name}: {describe(error)}")
    if getattr(app, "debug", False):
        _fail(
            reports,
            REFUSED,
            f"the app {target.name} is in debug mode, which shows its code to visitors: "
            "unset FLASK_DEBUG, or use `hipflask run` to develop",
        )
    return app


def _fail(reports: Connection, code: int, text: str) -> None:
    # Kept short: a pipe takes 4 KiB in one piece, and several workers write to this one.
    reports.send((os.getpid(), code, one_line(text)[:1500]))
    raise SystemExit(code)


def describe(error: BaseException) -> str:
    """Return what was raised and at which line of whose file, on one line."""
    import traceback  # only when something failed

    cause = error.__context__
    shown = getattr(error, "format_message", None)
    text = shown() if callable(shown) else f"{type(error).__name__}: {error}"
    first, *rest = text.strip().split("\n\n", 1)
    if rest and cause is not None:
        # The command line's message goes on with the traceback of what is behind it.
        return f"{one_line(first)} {describe(cause)}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_PACKAGE, "<"))
    ]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return one_line(text) + where


def _stop_with_parent() -> None:
    """Stop this worker when its supervisor is gone, killed perhaps, without a word."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        if sys.platform == "win32":
            leave(clean=False)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=watch, name="hipflask-parent", daemon=True).start()
