"""A fence around code that may look at events and must not reach anybody.

Python tells audit hooks before it looks up a name, connects or sends, and before it starts a
program (PEP 578). Ours refuses while a fence stands. It sees every library that uses Python's
own sockets, asyncio's included. It does not see connections made in C: libpq, by which our own
store is read, is one of them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

#: Audit events that stand for reaching somebody else.
REFUSED = frozenset(
    {
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "os.forkpty",
        "os.startfile",
        "pty.spawn",
        "urllib.Request",
    }
)


#: Audit events that stand for changing files, which a fence refuses where it is asked to. `open`
#: is refused only for writing.
CHANGING = frozenset(
    {
        "open",
        "os.chmod",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.truncate",
        "shutil.copyfile",
        "shutil.move",
        "shutil.rmtree",
        # What a new thread does, no fence of this one sees.
        "_thread.start_new_thread",
        "_thread.start_joinable_thread",
    }
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


class Refused(ConnectionRefusedError):
    """Code behind a fence tried to reach somebody; a connection error, as it would meet one."""


class Fence:
    """What was tried behind a fence, in order: `attempts` as (audit event, what it was about)."""

    def __init__(self, refused: frozenset[str] = REFUSED) -> None:
        self.refused = refused
        self.attempts: list[tuple[str, str]] = []

    def refuse(self, event: str, args: tuple[Any, ...]) -> None:
        """Remember the attempt and raise Refused."""
        about = ", ".join(str(one) for one in args if isinstance(one, str | int | tuple | list))
        self.attempts.append((event, about[:200]))
        raise Refused(f"{event}({about[:200]}) was refused: this is a trial run.")


_KNOWN = REFUSED | CHANGING
_lock = threading.Lock()
_is_hooked = False
_mine: ContextVar[Fence | None] = ContextVar("fence", default=None)
_everybodys: list[Fence] = []


def standing() -> Fence | None:
    """The fence around the code that asks; None where it may reach anybody."""
    return _mine.get(None) or (_everybodys[-1] if _everybodys else None)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event in _KNOWN:
        fence = standing()
        if fence is not None and event in fence.refused and not _only_reads(event, args):
            fence.refuse(event, args)


def _only_reads(event: str, args: tuple[Any, ...]) -> bool:
    """Whether a file is opened for reading, or it is byte code that Python keeps for itself."""
    if any(isinstance(each, str) and "__pycache__" in each for each in args[:2]):
        return event in CHANGING
    return event == "open" and not (isinstance(args[2], int) and args[2] & _WRITES)


@contextmanager
def fenced_off(whole_process: bool = False, *, files: bool = False) -> Iterator[Fence]:
    """Refuse connections, look-ups of names and new programs inside the `with`.

    With `files` also changes to files, and new threads, which would not be seen.

    In this context and what it awaits, or with `whole_process` in all threads, those that the
    code starts included. An audit hook stays for the life of the process; outside a fence it
    costs one look into a set per event.
    """
    global _is_hooked
    with _lock:
        if not _is_hooked:
            sys.addaudithook(_hook)
            _is_hooked = True
    fence = Fence(_KNOWN if files else REFUSED)
    token = _mine.set(fence)
    if whole_process:
        _everybodys.append(fence)
    try:
        yield fence
    finally:
        if whole_process:
            _everybodys.remove(fence)
        _mine.reset(token)
