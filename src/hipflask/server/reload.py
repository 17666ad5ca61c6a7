"""Restart on change: a parent that watches files, and a child that serves.

The child is the same command, run again. It serves on the parent's listening socket, so a
browser that asks while the app restarts waits for the answer.
"""

from __future__ import annotations

import fnmatch
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from .. import interrupts
from .listen import Listener
from .terminal import say

# `werkzeug.serving.is_running_from_reloader()` asks for this one.
CHILD = "WERKZEUG_RUN_MAIN"
# "listening socket:end of a pipe that the parent holds open:address:path or nothing"
HANDOVER = "HIPFLASK_RUN_HANDOVER"

# How long a child may finish what it is doing before it is killed.
PATIENCE_S = 2.0

_SKIPPED = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".tox",
        ".nox",
        ".venv",
        ".idea",
        ".hypothesis",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        "__pycache__",
        "node_modules",
        "site-packages",
    }
)


class Watched:
    """Which files matter: Python files under `roots`, `.env` files, and `extra_files`."""

    def __init__(
        self,
        roots: Iterable[str],
        extra_files: Iterable[str] = (),
        exclude_patterns: Iterable[str] = (),
    ) -> None:
        extra = [os.path.abspath(path) for path in extra_files]
        self._files = frozenset(path for path in extra if not os.path.isdir(path))
        self._folders = tuple(path + os.sep for path in extra if os.path.isdir(path))
        self._excluded = tuple(exclude_patterns)
        wanted = {os.path.abspath(root) for root in roots if os.path.isdir(root)}
        wanted.update(os.path.dirname(path) for path in self._files)
        wanted.update(folder.rstrip(os.sep) for folder in self._folders)
        self.roots = _outermost(path for path in wanted if os.path.isdir(path))

    def matters(self, path: str) -> bool:
        """Tell whether a change of `path` (absolute) calls for a restart."""
        if any(fnmatch.fnmatch(path, pattern) for pattern in self._excluded):
            return False
        if path in self._files or path.startswith(self._folders or ("\0",)):
            return True
        folder, name = os.path.split(path)
        if not (name.endswith(".py") or name in (".env", ".flaskenv")):
            return False
        return not _SKIPPED.intersection(folder.split(os.sep))


def _outermost(folders: Iterable[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for folder in sorted(folders):
        if not any(folder == one or folder.startswith(one + os.sep) for one in kept):
            kept.append(folder)
    return tuple(kept)


def code_roots(app_import_path: str | None = None) -> list[str]:
    """Return the folders a project's own code may be imported from: not the installed ones."""
    installed = tuple(
        os.path.abspath(prefix) + os.sep
        for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    )
    here = os.getcwd()
    found = [here]
    # Everything is below "/" where Python is installed there: then only the working folder.
    found += [
        path
        for path in (os.path.abspath(entry) for entry in sys.path)
        if not (path + os.sep).startswith(installed) and os.path.isdir(path)
    ]
    if app_import_path:
        path = os.path.abspath(app_import_path.partition(":")[0])
        if os.path.exists(path) or os.path.exists(path + ".py"):
            found.append(path if os.path.isdir(path) else os.path.dirname(path))
    return found


def changes(watched: Watched, stop: threading.Event) -> Iterator[set[str]]:
    """Yield the paths that changed, or an empty set a few times a second, until `stop`."""
    try:
        import watchfiles  # optional
    except ImportError:
        yield from _polled(watched, stop)
        return
    try:
        for found in watchfiles.watch(
            *watched.roots,
            watch_filter=lambda change, path: watched.matters(path),
            debounce=300,
            step=50,
            rust_timeout=300,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            yield {path for change, path in found}
    except OSError as error:
        # Mostly the kernel's limit on watched folders.
        say(f" * Looking for changes twice a second: {error}")
        yield from _polled(watched, stop)


def _polled(watched: Watched, stop: threading.Event) -> Iterator[set[str]]:
    before = _times(watched)
    while not stop.wait(0.5):
        now = _times(watched)
        yield {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
        before = now


def _times(watched: Watched) -> dict[str, int]:
    times: dict[str, int] = {}
    for root in watched.roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in _SKIPPED]
            for path in (os.path.join(folder, name) for name in names):
                if watched.matters(path):
                    try:
                        times[path] = os.stat(path).st_mtime_ns
                    except OSError:
                        continue
    return times


# The parent


def watch_and_restart(
    listener: Listener, watched: Watched, dotenv_values: Mapping[str, str]
) -> int:
    """Run this command again as a child, and again after each change; return an exit code.

    `dotenv_values` are the variables that came from `.env` files: the child reads the files
    for itself, as they may be what has changed.
    """
    stop = threading.Event()
    stopped = False

    def on_signal(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGINT, signal.SIGTERM):
        interrupts.replace(number, on_signal)
    child = _Child(listener, dotenv_values)
    child.start()
    try:
        for changed in changes(watched, stop):
            if stopped:
                break
            if changed:
                say(f" * {_names(changed)} changed: restarting")
                child.stop()
                child.start()
            elif (code := child.ended()) is not None:
                if code == 0:
                    return 0
                say(f" * The app ended with exit code {code}: waiting for a change of its files")
        return 0
    finally:
        child.stop()
        listener.close()


def _names(paths: set[str]) -> str:
    here = os.getcwd() + os.sep
    shown = sorted(path.removeprefix(here) for path in paths)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more


class _Child:
    """The process that serves, if there is one."""

    def __init__(self, listener: Listener, dotenv_values: Mapping[str, str]) -> None:
        self._listener = listener
        self._process: subprocess.Popen[bytes] | None = None
        self._environ = {
            name: value for name, value in os.environ.items() if dotenv_values.get(name) != value
        }
        self._environ[CHILD] = "true"
        self._told = False
        # The child reads from the other end, and leaves when that ends.
        self._lifeline, self._held = os.pipe()

    def start(self) -> None:
        sock = self._listener.sock
        handed: tuple[int, ...] = ()
        if sys.platform != "win32":
            handed = (sock.fileno(), self._lifeline)
        self._environ[HANDOVER] = ":".join(
            (
                *(str(number) for number in handed or (-1, -1)),
                self._listener.path or "",
                self._listener.address,
            )
        )
        self._told = False
        # A script that calls `app.run()` is the user's, and so is what it does of Ctrl-C.
        from_cli = os.environ.get("FLASK_RUN_FROM_CLI") == "true"
        with interrupts.held_back(*(["SIGINT"] if from_cli else [])):
            self._process = subprocess.Popen(command(), env=self._environ, pass_fds=handed)

    def ended(self) -> int | None:
        """Return the exit code of a child that ended by itself, the first time asked."""
        if self._process is None or self._told or (code := self._process.poll()) is None:
            return None
        self._told = True
        return code

    def stop(self) -> None:
        """End the child; it may finish requests for a few seconds."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None


def command() -> list[str]:
    """Return the command line that started this process, to start it again."""
    return [sys.executable, *sys.orig_argv[1:]]


# The child


def is_child() -> bool:
    """Tell whether this process was started by `watch_and_restart`."""
    return os.environ.get(CHILD) == "true" and HANDOVER in os.environ


def take_over(open_again: Callable[[str], Listener]) -> Listener:
    """Return the parent's listening socket, and end this process when the parent is gone."""
    # The parent stops this process; before the app is loaded, which may start programs.
    interrupts.take(interrupts.do_nothing, "SIGINT")
    number, lifeline, path, address = os.environ.pop(HANDOVER).split(":", 3)
    if number == "-1":
        return open_again(address)
    sock = socket.socket(fileno=int(number))
    sock.set_inheritable(False)
    os.set_inheritable(int(lifeline), False)
    threading.Thread(target=_leave_with, args=(int(lifeline),), daemon=True).start()
    return Listener(sock, address, path or None)


def _leave_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    # Enough for a normal stop; the parent was killed, so nobody else would do it.
    signal.raise_signal(signal.SIGTERM)
    time.sleep(PATIENCE_S)
    os._exit(0)
