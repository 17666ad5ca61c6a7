"""What an application is loaded under: no network, no writes, no other programs.

Not a wall against malice, but against what an honest program does at import. Python's own calls
are seen by an audit hook; where the kernel gives an empty network to a process, drivers written
in C are kept in as well. Files and SQLite databases that are opened for writing are opened as
copies in a scratch folder, so that what writes a log at import can still be looked at.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import sqlite3
import sys
from contextvars import Context
from pathlib import Path
from typing import Any

#: A larger file is not copied; it is opened as an empty one.
MOST_COPIED_BYTES = 64 * 1024 * 1024
_MOST_ATTEMPTS = 50
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SENDS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
          "socket.gethostbyname", "socket.gethostbyaddr", "socket.bind")  # fmt: skip
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
           "os.forkpty", "os.startfile", "pty.spawn")  # fmt: skip
_CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate",
            "os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.move")  # fmt: skip


class Confined:
    """What holds in this process from `begin` on; there is no way back."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = str(scratch.resolve())
        self._copies: dict[str, str] = {}
        #: What was tried and did not happen, in order, each once.
        self.attempts: list[str] = []
        #: The same as often as it was tried, since somebody emptied it.
        self.lately: list[str] = []
        #: While true, databases cannot be opened: for a check of readiness.
        self.is_cut = False
        self._is_exempt = False
        self._originals: dict[str, Any] = {}

    def begin(self) -> None:
        """Close what is open; call before anything of the user's is imported."""
        _leave_network()
        os.environ["TMPDIR"] = self._scratch
        sys.dont_write_bytecode = True
        self._originals = {"open": builtins.open, "connect": sqlite3.connect, "mkdir": os.mkdir,
                           "os.open": os.open}  # fmt: skip
        builtins.open = io.open = self._open
        sqlite3.connect = sqlite3.dbapi2.connect = self._connect
        os.mkdir = self._mkdir
        os.open = self._os_open
        sys.addaudithook(self._audit)

    def _tell(self, text: str) -> None:
        if len(self.lately) < _MOST_ATTEMPTS:
            self.lately.append(text)
        if text not in self.attempts and len(self.attempts) < _MOST_ATTEMPTS:
            self.attempts.append(text)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _SENDS:
            target = arguments[1] if event.startswith(("socket.connect", "socket.send")) else None
            if event == "socket.bind":
                target = arguments[1]
                if isinstance(target, tuple) and target[1:2] == (0,):
                    return  # a free port of this machine, as event loops take for themselves
            if event == "socket.getaddrinfo":
                target = tuple(arguments[:2])
            target = arguments[0] if target is None and arguments else target
            self._tell(f"{'listen' if event == 'socket.bind' else 'connect'}: {_address(target)}")
            raise OSError(errno.ENETUNREACH, "there is no network while hipflask checks the app")
        if event in _STARTS:
            self._tell(f"program: {arguments[0] if arguments else ''!s:.80}")
            raise PermissionError(errno.EPERM, "no program is started while hipflask checks")
        if event in _CHANGES and not self._is_within(arguments[0]):
            self._tell(f"change: {arguments[0]!s:.200}")
            raise PermissionError(errno.EROFS, "nothing is changed while hipflask checks the app")
        is_writing = event == "open" and _writes(arguments[1], arguments[2])
        if is_writing and not self._is_exempt and not self._is_within(arguments[0]):
            self._tell(f"write: {arguments[0]!s:.200}")
            raise PermissionError(errno.EROFS, "nothing is written while hipflask checks")

    def _is_within(self, path: Any) -> bool:
        if isinstance(path, int) or path is None:
            return True
        text = os.path.abspath(os.fsdecode(path))
        return text == os.devnull or text.startswith(self._scratch + os.sep)

    def _copy(self, path: str, keeps: bool = True) -> str:
        """The stand-in of a file outside the scratch folder."""
        real = os.path.abspath(path)
        known = self._copies.get(real)
        if known is None:
            known = os.path.join(self._scratch, f"{len(self._copies)}-{os.path.basename(real)}")
            for end in ("", "-wal") if keeps else ():
                if os.path.isfile(real + end) and os.path.getsize(real + end) <= MOST_COPIED_BYTES:
                    # In a context of its own: the fence around a plan is not meant for this.
                    Context().run(shutil.copyfile, real + end, known + end)
            # Only now: until then its name stands for the file itself.
            self._copies[real] = known
        return known

    def _open(self, file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        opened = self._originals["open"]
        if isinstance(file, (str, bytes, os.PathLike)):
            text = os.fsdecode(file)
            writes = any(letter in mode for letter in "wax+")
            if writes and not self._is_within(text):
                self._tell(f"write: {text:.200}")
                if "x" in mode and os.path.exists(text):
                    raise FileExistsError(errno.EEXIST, "File exists", text)
                file = self._copy(text, keeps="w" not in mode)
            elif not writes and os.path.abspath(text) in self._copies:
                file = self._copies[os.path.abspath(text)]
        return opened(file, mode, *rest, **named)

    def _os_open(self, path: Any, flags: int, mode: int = 0o777, **named: Any) -> int:
        if _writes(None, flags) and named.get("dir_fd") is None and not self._is_within(path):
            self._tell(f"write: {os.fsdecode(path):.200}")
            path = self._copy(os.fsdecode(path))
        opened: int = self._originals["os.open"](path, flags, mode, **named)
        return opened

    def _connect(self, database: Any = ":memory:", *rest: Any, **named: Any) -> Any:
        if self.is_cut:
            raise sqlite3.OperationalError("unable to open database file")
        text = os.fsdecode(database) if isinstance(database, (bytes, os.PathLike)) else database
        if isinstance(text, str) and text != ":memory:" and text and "mode=memory" not in text:
            path = text
            if named.get("uri") and text.startswith("file:"):
                path = text.removeprefix("file:").partition("?")[0]
            if not self._is_within(path):
                database, named = self._copy(path), {**named, "uri": False}
        return self._originals["connect"](database, *rest, **named)

    def _mkdir(self, path: Any, *rest: Any, **named: Any) -> None:
        if named.get("dir_fd") is not None or self._is_within(path) or os.path.isdir(path):
            self._originals["mkdir"](path, *rest, **named)
        else:
            self._tell(f"folder: {os.fsdecode(path):.200}")

    def written(self, path: str, data: bytes) -> None:
        """Write a file of our own, wherever it is."""
        self._is_exempt = True
        try:
            with self._originals["open"](path, "wb") as file:
                file.write(data)
        finally:
            self._is_exempt = False


def _writes(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    changing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return isinstance(flags, int) and bool(flags & changing)


def _address(target: Any) -> str:
    if isinstance(target, tuple) and len(target) >= 2:
        return f"{target[0]}:{target[1]}"
    return str(target)[:200]


def _leave_network() -> None:
    """Give this process a network with nothing in it, where the kernel lets us."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # only here

    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
        if unshare(_CLONE_NEWNET) != 0:
            unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    except (OSError, AttributeError):
        pass  # the audit hook alone, then
