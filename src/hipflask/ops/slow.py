"""Requests that take too long, told while they do: where each of them is right now."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

from ..scaffold import SetupError
from . import metrics
from .observing import Observation, Observer, Observing, observe, observers_of
from .stacks import stack_of

#: Reports a minute; further slow requests are counted.
MOST_A_MINUTE = 10

log = logging.getLogger("hipflask.slow")


def report_slow_requests(app: Any, limit_s: float | None = None) -> None:
    """Warn of each request of `app` whose answer has not begun after `limit_s` seconds.

    With the stack of the thread or task that works on it. The setting `SLOW_REQUEST_S` unless
    given; 0 or None for never. Raises SetupError for what is no number of seconds.
    """
    chosen = app.config.get("SLOW_REQUEST_S") if limit_s is None else limit_s
    if not chosen or any(isinstance(one, SlowRequests) for one in observers_of(app)):
        return
    if isinstance(chosen, bool) or not isinstance(chosen, (int, float)) or chosen < 0:
        raise SetupError(f"SLOW_REQUEST_S={chosen!r} is no number of seconds, such as 5.")
    observe(app, SlowRequests(float(chosen)))


class SlowRequests(Observer):
    """Looks for them a few times within the limit, in a thread that the first request starts."""

    needs_work = True

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._observing: Observing | None = None
        self._lock = threading.Lock()
        self._process = 0
        self._minute = 0
        self._told = 0

    def added(self, observing: Observing) -> None:
        """Have the first request start the thread."""
        self._observing = observing
        observing.wakes += (self._start,)

    def _start(self) -> None:
        with self._lock:
            if self._process:
                return
            self._process = os.getpid()
            if self._observing is not None:
                others = [wake for wake in self._observing.wakes if wake != self._start]
                self._observing.wakes = tuple(others)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)
        threading.Thread(target=self._watch, name="hipflask-slow", daemon=True).start()

    def _forget(self) -> None:
        # Threads do not live in a child, nor do the requests of its parent.
        self._process = 0
        self.work.clear()
        if self._observing is not None:
            self._observing.wakes += (self._start,)

    def _watch(self) -> None:
        pause = min(1.0, max(0.01, self.limit_s / 5))
        while True:
            time.sleep(pause)
            now = time.perf_counter()
            for seen in list(self.work):
                if now - seen.began < self.limit_s:
                    break
                if not seen.status and self.work.get(seen) is False:
                    self.work[seen] = True
                    if seen.has_ended:
                        self.work.pop(seen, None)
                    else:
                        self._report(seen)

    def _report(self, seen: Observation) -> None:
        metrics.counter("hipflask_slow_requests_total", "Requests reported as slow.").add()
        minute = int(time.monotonic() / 60)
        if minute != self._minute:
            self._minute, self._told = minute, 0
        self._told += 1
        if self._told > MOST_A_MINUTE:
            return
        stack = stack_of(seen)
        where = stack[-1] if stack else "no Python code"
        record = log.makeRecord(
            log.name, logging.WARNING, __file__, 0,
            "%s %s has no answer after %g s; it is at %s",
            (seen.method[:32], seen.route or "(no route)", self.limit_s, where), None,
            extra={"route": seen.route, "endpoint": seen.endpoint, "stack": stack},
        )  # fmt: skip
        vars(record).update(request_id=seen.request_id, trace_id=seen.trace.trace_id)
        log.handle(record)
