"""A worker's figures: what it counts, where it puts it, and what it says when asked.

The supervisor reads a worker's counters from its file. What has to be asked it asks for, on a
pipe: current gauges, whether the loop goes round, whether the app is ready.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..ops import metrics, process
from ..ops.cells import FileCells
from ..ops.probes import Answer

#: How long the event loop may take to answer, in seconds; the checks of the app have one.
PATIENCE_S = 1.5
FIGURES, ALIVE, READY = b"figures", b"alive", b"ready"


@dataclass(frozen=True)
class Post:
    """Where one worker puts its figures, and where it is asked. Can be sent to it."""

    stem: Path
    ears: Connection


def publish(post: Post) -> None:
    """Keep this process's figures where the supervisor reads them; before the app is loaded."""
    metrics.registry.move(FileCells(post.stem))
    process.declare(metrics.registry)


def settle() -> None:
    """Write down what was counted since the last question; at this process's end."""
    metrics.registry.refresh(("counter",))


def listen(post: Post, worker: Any) -> None:
    """Answer what the supervisor asks, in a thread of its own, to this process's end."""

    def hear() -> None:
        with suppress(OSError, EOFError):
            while True:
                number, _, word = post.ears.recv_bytes(100).partition(b" ")
                post.ears.send_bytes(number + b" " + _answer(word, worker))

    threading.Thread(target=hear, name="hipflask-figures", daemon=True).start()


def _answer(word: bytes, worker: Any) -> bytes:
    if word == FIGURES:
        metrics.registry.refresh()
        return b""
    gate = worker.gate
    if gate is None:
        return b'503 {"status":"starting"}\n'
    status, body = _on_loop(gate.loop, gate.alive() if word == ALIVE else gate.ready())
    return str(status).encode() + b" " + body


def _on_loop(loop: Any, asked: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        future = asyncio.run_coroutine_threadsafe(asked, loop)
    except RuntimeError:  # closed: this worker is on its way out
        asked.close()
        return 503, b'{"status":"draining"}\n'
    try:
        return future.result(PATIENCE_S)
    except (TimeoutError, CancelledError):
        future.cancel()
        return 503, b'{"status":"stuck"}\n'
