"""The access log: one line a request, which no path can forge."""

from __future__ import annotations

import logging
import sys
import time

from .terminal import printable

log = logging.getLogger("hipflask.access")


def open_log(to: str) -> None:
    """Let the log write to the standard stream `to`, unless the app has given it a handler."""
    if not log.handlers:
        log.addHandler(logging.StreamHandler(getattr(sys, to)))
        log.setLevel(logging.INFO)
        log.propagate = False


def access_line(
    client: str | None,
    method: str,
    path: str,
    query: str,
    protocol: str,
    status: int,
    took_ms: float,
) -> str:
    """Return one line about a request: who, when, what, status, milliseconds to the answer.

    Control characters are escaped. The caller leaves out the query string, where secrets
    travel, unless it is wanted.
    """
    if query:
        path += "?" + query
    when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    request = printable(f"{method} {path} {protocol}")
    return f'{client or "-"} [{when}] "{request}" {status} {took_ms:.1f}ms'
