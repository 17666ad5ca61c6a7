"""One writer at a time, in the order they came, between threads and between processes.

SQLite's own waiting is a poll with growing sleeps: whoever has just written gets the lock again,
others wait for seconds. Here processes queue at two file locks. Who wants to write takes the
turnstile `<file>.turn`, then the lock `<file>.writer`, then leaves the turnstile: so who has just
written stands behind the one that waits, however quick it is. (Two processes, 150 turns each, on
a loaded machine: one had at most 5 to 7 turns in a row, with one lock 12 to 14.)

Threads of one process stand in a queue of their own. A file lock cannot be waited for with a
limit, so a thread of ours (the keeper, started when there is something to wait for) waits in the
others' place.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from .errors import StoreUnavailable


class WriterLock:
    """The right to write to the SQLite file at `path`. Thread-safe; one per process and file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._is_held = False
        self._waiters: deque[threading.Lock] = deque()
        self._asked = threading.Condition(self._mutex)
        self._keeper: threading.Thread | None = None
        self._is_keeper_busy = False
        self._turn = _FileLock(path.with_name(path.name + ".turn"))
        self._writer = _FileLock(path.with_name(path.name + ".writer"))

    def acquire(self, timeout_s: float) -> None:
        """Wait for our turn; StoreUnavailable when it has not come after `timeout_s`."""
        with self._mutex:
            if not self._is_held and not self._waiters and self._take_now():
                return
            waiter = threading.Lock()
            waiter.acquire()
            self._waiters.append(waiter)
            self._ask_keeper()
        if waiter.acquire(timeout=timeout_s):
            return
        with self._mutex:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
                raise StoreUnavailable(
                    f"{self._path}: another writer has had it for more than {timeout_s:g} s. It"
                    " may be stopped, or in a transaction that is too long."
                )
        # Handed over just as we gave up: it is ours.

    def release(self) -> None:
        """Let the next one write: of this process only if no other process waits."""
        with self._mutex:
            self._is_held = False
            self._writer.unlock()
            if self._waiters:
                if not self._is_keeper_busy and self._take_now():
                    self._waiters.popleft().release()
                else:
                    self._ask_keeper()

    def close(self) -> None:
        """Close the files."""
        with self._mutex:
            self._turn.close()
            self._writer.close()

    def _take_now(self) -> bool:
        """Under the mutex: take both locks if neither is taken. Nobody else stands there then."""
        if self._is_keeper_busy or not self._turn.try_lock():
            return False
        try:
            self._is_held = self._writer.try_lock()
        finally:
            self._turn.unlock()
        return self._is_held

    def _ask_keeper(self) -> None:
        if self._keeper is None or not self._keeper.is_alive():
            self._keeper = threading.Thread(
                target=self._keep, name=f"hipflask-writer-{self._path.name}", daemon=True
            )
            self._keeper.start()
        self._asked.notify()

    def _keep(self) -> None:
        """Wait at the files whenever somebody here waits and nobody here writes."""
        while True:
            with self._asked:
                while self._is_held or not self._waiters:
                    self._asked.wait()
                self._is_keeper_busy = True
            try:
                self._turn.lock()
                try:
                    self._writer.lock()
                finally:
                    self._turn.unlock()
            except OSError:  # a file system that refuses: waiters come to their time limit
                time.sleep(0.05)
                with self._mutex:
                    self._is_keeper_busy = False
                continue
            with self._mutex:
                self._is_keeper_busy = False
                if self._waiters:
                    self._is_held = True
                    self._waiters.popleft().release()
                else:
                    self._writer.unlock()


class _FileLock:
    """An exclusive lock on a file beside the store, freed by the system when a process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def try_lock(self) -> bool:
        try:
            return _lock(self._descriptor(), False)
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror or error}") from error

    def lock(self) -> None:
        _lock(self._descriptor(), True)

    def unlock(self) -> None:
        if self._fd is not None:
            _unlock(self._fd)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _descriptor(self) -> int:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._fd


_lock: Callable[[int, bool], bool]
_unlock: Callable[[int], None]


if sys.platform == "win32":  # pragma: no cover

    def _lock(descriptor: int, is_waiting: bool) -> bool:
        import msvcrt

        while True:
            try:
                os.lseek(descriptor, 0, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return True
            except OSError:
                if not is_waiting:
                    return False
                time.sleep(0.002)

    def _unlock(descriptor: int) -> None:
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:

    def _lock(descriptor: int, is_waiting: bool) -> bool:
        import fcntl  # noqa: TID251 - Windows has its own lines above

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_waiting else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        import fcntl  # noqa: TID251 - Windows has its own lines above

        fcntl.flock(descriptor, fcntl.LOCK_UN)
