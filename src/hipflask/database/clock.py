"""Time as an argument: what the wall says, and how long the machine has been up."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple, Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Boot(NamedTuple):
    """Seconds since the machine started, and which start that was."""

    id: str
    seconds: float


class Clock(Protocol):
    """What stores and workers ask for the time; replace it to test what time does."""

    def now(self) -> float:
        """Seconds since 1970 by the wall clock, which may jump."""
        ...

    def boot(self) -> Boot:
        """Seconds since the machine started, sleep included: nobody sets it."""
        ...


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        try:
            self._id = _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:  # not Linux
            self._id = "boot"
        # Elsewhere `monotonic` is one clock for all processes, and stops while asleep on some.
        self._which: int | None = getattr(time, "CLOCK_BOOTTIME", None)

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def boot(self) -> Boot:
        """Seconds since the machine started, and the id of that start."""
        if self._which is None:
            return Boot(self._id, time.monotonic())
        return Boot(self._id, time.clock_gettime(self._which))


class ManualClock:
    """A clock for tests: it stands still until `advance` or `jump` is called. Thread-safe.

    `advance` moves both clocks; `jump` sets the wall clock only, as an administrator or NTP
    does; `restart` is another start of the machine.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._boot = Boot("boot-1", 1000.0)

    def now(self) -> float:
        """Seconds since 1970, as last set."""
        return self._now

    def boot(self) -> Boot:
        """Seconds since the pretended start."""
        return self._boot

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._now += seconds
            self._boot = self._boot._replace(seconds=self._boot.seconds + seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back with a negative number."""
        with self._lock:
            self._now += seconds

    def restart(self) -> None:
        """Start the machine again: another id, and few seconds since."""
        with self._lock:
            number = int(self._boot.id.rpartition("-")[2]) + 1
            self._boot = Boot(f"boot-{number}", 1.0)
