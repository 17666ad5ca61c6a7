"""The process behind `serve`: it starts workers, and starts them again, for ever.

It never imports the app, so nothing an app does can end it. Workers are spawned, not forked.
A worker is replaced (after SIGHUP, or at its age) by starting its successor on the same
listening socket, and stopping it only when that one serves.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from .. import interrupts
from ..lifespan import StartupError
from . import figures
from .listen import Listener
from .loading import load_ready
from .overview import Overview, Watched
from .settings import Settings
from .terminal import REFUSED, USAGE, code_of, one_line, refuse, say
from .worker import Worker, leave

# A worker that dies is replaced at once, then after 0.1 s, 0.2 s, 0.4 s, up to this.
LONGEST_PAUSE_S = 15.0
# The same for a worker that had begun to serve, or was killed.
LONGEST_PAUSE_SERVING_S = 0.2
# Frames of ours say nothing about an app that cannot be imported.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# What a worker reports once it has answered as many requests as it should.
RETIRE = "retire"
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
        """Import and return the app, made ready; whatever that raises is passed on."""
        return load_ready(self.factory(**self.arguments).load_app)


@dataclass
class _Process:
    """A worker process, and the pipe on which it is told to leave."""

    inner: BaseProcess
    orders: Connection
    #: When it is replaced for its age, and when it is killed if it has not left.
    expires: float | None = None
    deadline: float = 0.0
    #: What the overview of the service, if there is one, knows of it.
    watched: Watched | None = None

    def note(self, state: str) -> None:
        if self.watched is not None:
            self.watched.state = state

    def leave(self) -> None:
        with suppress(OSError):
            self.orders.send_bytes(b"leave")

    def bury(self) -> None:
        self.inner.join()
        self.orders.close()


@dataclass
class _Slot:
    """One place for a worker: the process that fills it, or when the next one is due.

    `heir` is being started to take the place over; those of `leaving` have lost it and
    finish what they have in work.
    """

    number: int
    listeners: tuple[Listener, ...]
    process: _Process | None = None
    heir: _Process | None = None
    leaving: list[_Process] = field(default_factory=list)
    started: float = 0.0
    deaths: int = 0
    due: float | None = 0.0
    ready: bool = False

    @property
    def processes(self) -> list[_Process]:
        return [one for one in (self.process, self.heir, *self.leaving) if one is not None]


class Supervisor:
    """Keeps a worker process serving `target` at each of `places`; `run` returns after a stop.

    A place is a tuple of listeners, one for each address. `overview` is told of each worker.
    """

    def __init__(
        self,
        target: Target,
        places: Sequence[tuple[Listener, ...]],
        settings: Settings,
        overview: Overview | None = None,
    ) -> None:
        self._overview = overview
        self._target = target
        self._settings = settings
        self._context = get_context("spawn")
        self._slots = [_Slot(number, place) for number, place in enumerate(places, start=1)]
        self._reports, self._report_to = self._context.Pipe(duplex=False)
        # Python rings it for each signal, also for one that comes just before the wait begins.
        self._bell, self._ring = socket.socketpair()
        self._stops = 0
        self._drains = False
        self._renewal_asked = False
        # One worker after the other, so that memory for one more is enough.
        self._to_renew: deque[_Slot] = deque()
        self._proven = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; requests in work get the grace time, then return.

        SIGHUP replaces the workers. Ends the process with exit code 2 or 78 if the app
        cannot be served to begin with.
        """
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        signal.set_wakeup_fd(self._ring.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            interrupts.replace(number, self._on_signal)
        if sys.platform != "win32":
            signal.signal(signal.SIGHUP, self._on_hangup)
        try:
            while not self._stops:
                self._start_due()
                self._renew()
                self._wait(self._next_due())
                self._read_reports()
                self._bury()
        finally:
            self._stop_all()

    def _on_signal(self, number: int, frame: object) -> None:
        self._stops += 1
        self._drains = number == signal.SIGTERM

    def _on_hangup(self, number: int, frame: object) -> None:
        self._renewal_asked = True

    def _start(self, slot: _Slot) -> _Process:
        slot.listeners = tuple(_opened(listener) for listener in slot.listeners)
        orders, to_worker = self._context.Pipe(duplex=False)
        watched, post = self._overview.post(slot.number) if self._overview else (None, None)
        process = self._context.Process(
            target=worker_main,
            name=f"hipflask-worker-{slot.number}",
            args=(self._target, slot.listeners, self._settings, self._report_to, orders, post),
        )
        if sys.platform != "win32":
            # A process of Python's own, whose start would let the signals through again.
            resource_tracker.ensure_running()
        with interrupts.held_back("SIGINT", "SIGHUP"):
            process.start()
        orders.close()
        if watched is not None and post is not None:
            post.ears.close()
            watched.pid = process.pid or 0
        lifetime_s = self._settings.max_lifetime_s * random.uniform(1.0, 1.1)
        expires = time.monotonic() + lifetime_s if lifetime_s else None
        return _Process(process, to_worker, expires, watched=watched)

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.due is not None and slot.due <= now:
                slot.process = self._start(slot)
                slot.started, slot.due = now, None

    def _renew(self) -> None:
        """Note which workers are to be replaced, and start the next one's successor."""
        if self._renewal_asked:
            self._renewal_asked = False
            say("hipflask: SIGHUP: replacing the workers")
            self._to_renew.extend(slot for slot in self._slots if slot not in self._to_renew)
        now = time.monotonic()
        for slot in self._slots:
            process = slot.process
            if process is not None and process.expires is not None and process.expires <= now:
                process.expires = None
                self._renew_soon(slot)
        while self._to_renew and not any(slot.heir for slot in self._slots):
            slot = self._to_renew.popleft()
            # A place without a worker gets a new one anyway.
            if slot.process is not None:
                slot.heir = self._start(slot)

    def _renew_soon(self, slot: _Slot) -> None:
        if slot.heir is None and slot not in self._to_renew:
            self._to_renew.append(slot)

    def _next_due(self) -> float | None:
        dues = [slot.due for slot in self._slots]
        dues += [slot.process.expires for slot in self._slots if slot.process is not None]
        dues += [one.deadline for slot in self._slots for one in slot.leaving]
        known = [due for due in dues if due is not None]
        return max(0.0, min(known) - time.monotonic()) if known else None

    def _wait(self, timeout: float | None) -> None:
        sentinels = [one.inner.sentinel for slot in self._slots for one in slot.processes]
        if self._bell in wait([*sentinels, self._reports, self._bell], timeout):
            self._bell.recv(4096)

    def _read_reports(self) -> None:
        while self._reports.poll():
            pid, code, text = self._reports.recv()
            if code and not self._proven:
                refuse(text, code)
            if code:
                say(f"hipflask: {text}")
                continue
            for slot in self._slots:
                if slot.process is not None and slot.process.inner.pid == pid:
                    self._hear(slot, text)
                elif slot.heir is not None and slot.heir.inner.pid == pid:
                    self._hand_over(slot)
            if not self._proven:
                self._proven = True
                self._announce()

    def _hear(self, slot: _Slot, text: str) -> None:
        if text == RETIRE:
            self._renew_soon(slot)
        else:
            slot.ready = True
            if slot.process is not None:
                slot.process.note("serving")

    def _hand_over(self, slot: _Slot) -> None:
        """The heir serves: let the one before it finish and leave."""
        before, slot.process, slot.heir = slot.process, slot.heir, None
        slot.ready, slot.due, slot.started = True, None, time.monotonic()
        if slot.process is not None:
            slot.process.note("serving")
        if before is not None:
            before.note("leaving")
            self._count_replaced("renewed")
            before.deadline = slot.started + self._settings.grace_s + 1.0
            before.leave()
            slot.leaving.append(before)

    def _announce(self) -> None:
        scheme = "https" if self._settings.tls else "http"
        urls = ", ".join(listener.url(scheme) for listener in self._slots[0].listeners)
        workers = len(self._slots)
        say(
            f"hipflask: serving {self._target.name} on {urls} with {workers} "
            f"worker{'s' * (workers > 1)} of {self._settings.threads} threads "
            f"({self._settings.interface}); Ctrl-C stops"
        )

    def _bury(self) -> None:
        """Note which workers are dead, and when each is to be replaced."""
        if self._stops:
            return
        now = time.monotonic()
        for slot in self._slots:
            for one in slot.leaving:
                if one.deadline <= now:
                    one.inner.kill()
            for one in [one for one in slot.leaving if not one.inner.is_alive()]:
                self._bury_one(one)
                slot.leaving.remove(one)
            if slot.heir is not None and not slot.heir.inner.is_alive():
                self._disinherit(slot, slot.heir)
            if slot.process is not None and not slot.process.inner.is_alive():
                self._replace_dead(slot, slot.process.inner, now)

    def _bury_one(self, process: _Process) -> None:
        process.bury()
        if self._overview is not None and process.watched is not None:
            self._overview.ended(process.watched)

    def _count_replaced(self, reason: str) -> None:
        if self._overview is not None:
            self._overview.replaced(reason)

    def _disinherit(self, slot: _Slot, heir: _Process) -> None:
        self._bury_one(heir)
        slot.heir = None
        self._to_renew.clear()
        if slot.process is not None:
            say(
                f"hipflask: the successor of worker {slot.number} (pid {heir.inner.pid})"
                f" {_end_of(heir.inner)}; the workers that serve go on"
            )

    def _replace_dead(self, slot: _Slot, process: BaseProcess, now: float) -> None:
        if slot.process is not None:
            self._bury_one(slot.process)
        self._count_replaced("died")
        slot.deaths = 0 if now - slot.started > SETTLED_S else slot.deaths + 1
        # Who could start or was killed is missed; who cannot start would fail again.
        missed = slot.ready or (process.exitcode or 0) < 0
        longest = LONGEST_PAUSE_SERVING_S if missed else LONGEST_PAUSE_S
        pause = 0.0 if slot.deaths < 2 else min(0.1 * 2 ** (slot.deaths - 2), longest)
        slot.process, slot.ready = None, False
        if slot.heir is not None:
            # Already on its way, and not to be called a successor any more.
            slot.process, slot.heir, slot.started = slot.heir, None, now
        else:
            slot.due = now + pause
        if slot.deaths > 2 and any(other.ready for other in self._slots):
            # New connections are for the others until this one is tried again.
            _close([listener for listener in slot.listeners if listener.shares])
        say(
            f"hipflask: worker {slot.number} (pid {process.pid}) {_end_of(process)}; "
            f"starting another in {pause:.1f} s"
        )

    def _stop_all(self) -> None:
        if self._overview is not None:
            self._overview.draining = True
        alive = [one for slot in self._slots for one in slot.processes]
        begun = [slot.process for slot in self._slots if slot.ready]
        begun += [one for slot in self._slots for one in slot.leaving]
        for process in alive:
            if not self._drains:
                process.leave()
            if self._drains or process not in begun:
                # One that still imports the app hears no order, and has nothing to finish.
                process.inner.terminate()
        if self._drains:
            alive = self._outlast(alive, time.monotonic() + self._settings.drain_s)
        # What still waits here is refused when the workers have closed the sockets, too.
        _close(listener for slot in self._slots for listener in slot.listeners)
        # A second more than the workers give themselves.
        alive = self._outlast(alive, time.monotonic() + self._settings.grace_s + 1.0)
        for process in alive:
            process.inner.kill()
        for slot in self._slots:
            for one in slot.processes:
                one.bury()

    def _outlast(self, alive: list[_Process], deadline: float) -> list[_Process]:
        """Wait until `deadline`, a further signal or the last one's end; returns who is left."""
        while alive and self._stops < 2 and (left := deadline - time.monotonic()) > 0:
            if self._bell in wait([*(one.inner.sentinel for one in alive), self._bell], left):
                self._bell.recv(4096)
            alive = [one for one in alive if one.inner.is_alive()]
        return alive


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
    target: Target,
    listeners: tuple[Listener, ...],
    settings: Settings,
    reports: Connection,
    orders: Connection,
    post: figures.Post | None = None,
) -> None:
    """Load the app, say so or why not, and serve it until told to stop or the supervisor's end."""
    # Ctrl-C and a closed terminal reach every process; the supervisor decides what they mean.
    interrupts.take(signal.SIG_IGN, "SIGINT", "SIGHUP")
    if post is not None:
        figures.publish(post)
    worker = Worker(
        _load(target, reports, settings.interface),
        listeners,
        settings,
        on_retire=lambda: reports.send((os.getpid(), 0, RETIRE)),
    )
    if post is not None:
        figures.listen(post, worker)
    stops: dict[int, bool] = {signal.SIGTERM: settings.drain_s > 0}
    try:
        worker.run(lambda: _get_going(worker, reports, orders), stops)
    except StartupError as error:
        _fail(reports, USAGE, f"cannot start the app {target.name}: {error}")
    if post is not None:
        figures.settle()
    leave()


def _get_going(worker: Worker, reports: Connection, orders: Connection) -> None:
    reports.send((os.getpid(), 0, ""))
    parent = parent_process()
    if parent is None:
        return
    ends: list[Any] = [parent.sentinel, orders]

    def obey() -> None:
        # The supervisor's order, or its end, killed perhaps, without a word.
        wait(ends)
        worker.stop()

    threading.Thread(target=obey, name="hipflask-orders", daemon=True).start()


def _load(target: Target, reports: Connection, interface: str) -> Any:
    try:
        app = target.load()
    except BaseException as error:
        _fail(reports, code_of(error), f"cannot load the app {target.name}: {describe(error)}")
    if getattr(app, "debug", False):
        _fail(
            reports,
            REFUSED,
            f"the app {target.name} is in debug mode, which shows its code to visitors: "
            "unset FLASK_DEBUG, or use `hipflask run` to develop",
        )
    found = refusals_of(app, interface)
    if found:
        _fail(reports, REFUSED, f"the app {target.name} is not safe to serve: {found}")
    return app


def refusals_of(app: Any, interface: str) -> str:
    """Why the app must not be served, "" where it may.

    With Flask's defaults (HIPFLASK_DEFAULTS=flask) that is said, and it is served all the same.
    """
    from ..guards.production import refusals  # asked once, by who starts

    found = "; ".join(refusals(app, interface))
    if found and os.environ.get("HIPFLASK_DEFAULTS") == "flask":
        say(f"hipflask: warning: {one_line(found)}")
        return ""
    return found


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
