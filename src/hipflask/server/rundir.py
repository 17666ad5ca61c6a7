"""The folder of a running service: its figures, and the socket at which it answers for itself.

It is `ROOT/PID` of the supervising process, for this user only. `ROOT` is what systemd's
`RuntimeDirectory=` gives, else `XDG_RUNTIME_DIR/hipflask`, else one in the folder for
temporary files.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .terminal import refuse

SOCKET = "ops.sock"


def root(given: str | None = None) -> Path:
    """Where the folders of services are; `given` goes first."""
    if given:
        return Path(given).resolve()
    # Several, separated by colons, where the unit names several.
    own = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if own:
        return Path(own).resolve()
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and os.path.isdir(session):
        return Path(session) / "hipflask"
    user = os.getuid() if sys.platform != "win32" else "user"
    return Path(tempfile.gettempdir()) / f"hipflask-{user}"


def make(given: str | None = None) -> Path:
    """Make this process's folder; what killed services left is removed.

    Ends the process with one line where it cannot be made, or where others can write to it.
    """
    parent = root(given)
    folder = parent / str(os.getpid())
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(parent)
        for left in folders(parent):
            if left == folder or not (_is_running(int(left.name)) or answers(left)):
                shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(mode=0o700)
    except OSError as error:
        refuse(f"cannot keep the service's figures in {folder}: {error.strerror or error}")
    return folder


def _check(parent: Path) -> None:
    """Refuse a folder that somebody else made in a place where everybody may."""
    if sys.platform == "win32":
        return
    found = parent.lstat()
    is_ours = found.st_uid in (os.getuid(), 0)
    if not stat.S_ISDIR(found.st_mode) or not is_ours or found.st_mode & stat.S_IWOTH:
        refuse(
            f"cannot keep the service's figures in {parent}, where others may write: name another"
            " folder with --run-dir"
        )


def folders(parent: Path) -> Iterator[Path]:
    """The folders of services there, of some that have ended among them."""
    with suppress(OSError):
        yield from sorted(one for one in parent.iterdir() if one.name.isdigit())


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def answers(folder: Path) -> bool:
    """Whether a service listens there: in another container it may, whatever its number."""
    if sys.platform == "win32":
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(str(folder / SOCKET))
        except OSError:
            return False
    return True


def remove(folder: Path) -> None:
    """Remove a folder that `make` made."""
    shutil.rmtree(folder, ignore_errors=True)
