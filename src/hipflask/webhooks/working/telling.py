"""Log lines of handlers say which event they are about.

Each record made while an event is handled has the attributes `hook_source`, `hook_id`,
`hook_seq` and `hook_attempt`, empty elsewhere; and the line that the application's own handler
writes ends with them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple


class About(NamedTuple):
    """The event that is being handled; `attempt` counts from 1."""

    source: str
    id: str
    seq: int
    attempt: int

    def __str__(self) -> str:
        return f"source={self.source} id={self.id} seq={self.seq} attempt={self.attempt}"


_about: ContextVar[About | None] = ContextVar("about", default=None)
_NOTHING = About("", "", 0, 0)


@contextmanager
def about(event: About) -> Iterator[None]:
    """Have log records made inside say that they are about `event`."""
    token = _about.set(event)
    try:
        yield
    finally:
        _about.reset(token)


class Formatter(logging.Formatter):
    """Writes what `inner` does and, for an event, a tail that names it."""

    def __init__(self, inner: logging.Formatter | None = None) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the tail at the end of its first line."""
        text = self.inner.format(record)
        if not getattr(record, "hook_seq", 0):
            return text
        first, newline, rest = text.partition("\n")
        told = vars(record)
        event = About(*(told[f"hook_{name}"] for name in About._fields))
        return f"{first} [{event}]{newline}{rest}"


def name_events(*handlers: logging.Handler) -> None:
    """Mark the records made from now on, and give each handler a formatter that shows it.

    May be called again; the second time does nothing.
    """
    inner = logging.getLogRecordFactory()
    if not getattr(inner, "names_events", False):

        def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = inner(*args, **kwargs)
            event = _about.get() or _NOTHING
            record.hook_source, record.hook_id = event.source, event.id
            record.hook_seq, record.hook_attempt = event.seq, event.attempt
            return record

        make.names_events = True  # type: ignore[attr-defined]  # how the second call knows it
        logging.setLogRecordFactory(make)
    for handler in handlers:
        if not isinstance(handler.formatter, Formatter):
            handler.setFormatter(Formatter(handler.formatter))
