"""Which process holds the other end of a connection on loopback; from /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def owner_of(local: int, remote: int, pids: Iterable[int]) -> int | None:
    """Who of `pids` has the socket whose own port is `local`, connected to port `remote`."""
    inode = _inode(local, remote)
    if inode is None:
        return None
    name = f"socket:[{inode}]"
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(entry.path) == name:
                        return pid
    return None


def _inode(local: int, remote: int) -> str | None:
    ends = f":{local:04X}", f":{remote:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(ends[0]) and words[2].endswith(ends[1]) and words[9] != "0":
            return words[9]
    return None
