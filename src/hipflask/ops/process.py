"""What a process takes of the machine: time, memory, files, threads. Asked, never counted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from .metrics import Registry

_STATM = "/proc/self/statm"
_FILES = "/proc/self/fd"


def declare(registry: Registry) -> None:
    """Have the figures of this process in the registry; those the system does not tell are left
    out."""
    cpu = registry.counter("process_cpu_seconds_total", "Time on a processor, of all processes.")
    cpu.ask(time.process_time)
    threads = registry.gauge("process_threads", "Threads of Python's.")
    threads.ask(threading.active_count)
    start = registry.gauge("process_start_time_seconds", "When it began, in seconds since 1970.")
    start.set(time.time())
    figures: list[tuple[str, str, Callable[[], float]]] = [
        ("process_resident_memory_bytes", "Memory in RAM.", resident_bytes),
        ("process_open_fds", "Files, sockets and pipes that are open.", open_files),
    ]
    for name, text, ask in figures:
        try:
            ask()
        except OSError:  # no /proc
            continue
        registry.gauge(name, text).ask(ask)


def resident_bytes() -> float:
    """Bytes of this process in RAM; OSError where the system does not tell."""
    with open(_STATM, "rb") as file:
        return float(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))


def open_files() -> float:
    """How many file descriptors are open; OSError where the system does not tell."""
    return float(len(os.listdir(_FILES)))
