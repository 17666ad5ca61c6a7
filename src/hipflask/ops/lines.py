"""Log lines: one JSON object each, or text for people.

Pure ASCII, so that no control character, no ANSI sequence and no U+2028 reaches a terminal or
splits a line for whoever reads it.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from json import JSONEncoder
from json.encoder import encode_basestring_ascii
from typing import Any

from .observing import current
from .printing import printable
from .redacting import Redactor, shown_fields
from .tracing import current_trace

#: Characters of a message, of a traceback and of another value that are kept.
LONGEST_MESSAGE = 16 * 1024
LONGEST_TRACEBACK = 64 * 1024
LONGEST_VALUE = 4 * 1024
LEVELS = {number: logging.getLevelName(number).lower() for number in (10, 20, 30, 40, 50)}

_dump = JSONEncoder(default=repr, skipkeys=True, allow_nan=False, separators=(",", ":")).encode
# What a record has by itself; anything else was given as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "request_id", "trace_id",
    "hook_source", "hook_id", "hook_seq", "hook_attempt",
}  # fmt: skip
_HOOK = ("source", "id", "seq", "attempt")


def quoted(text: str) -> str:
    """The text as a JSON string of ASCII without control characters."""
    made: str = encode_basestring_ascii(text)
    return made.replace("\x7f", "\\u007f") if "\x7f" in made else made


def object_of(fields: Mapping[str, Any]) -> str:
    """The fields as one JSON object in one line; what JSON cannot say is written as `repr`."""
    try:
        made = _dump(fields)
    except (ValueError, RecursionError, TypeError):
        made = _dump({key: _plain(value) for key, value in fields.items()})
    return made.replace("\x7f", "\\u007f") if "\x7f" in made else made


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int)) else repr(value)[:LONGEST_VALUE]


MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))


class Clock:
    """Times of day in UTC as text; the second is written once."""

    def __init__(self) -> None:
        # Kept together, as several threads ask.
        self._known = -1, ""

    def at(self, second: int) -> str:
        """`2026-11-23T09:30:00`"""
        known, text = self._known
        if second != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._known = second, text
        return text

    def text(self, now: float) -> str:
        """`2026-11-23T09:30:00.125Z`"""
        second = int(now)
        return self.at(second) + MILLISECONDS[int((now - second) * 1000)]


class Stream:
    """Where lines go: a stream, or the name of one of `sys`, which tests and servers replace."""

    def __init__(self, to: Any = "stdout") -> None:
        self._to = to
        self._lock = threading.Lock()
        #: Lines that could not be written.
        self.lost = 0

    def write(self, line: str) -> None:
        """Write one line with its end, at once. A stream that is full or gone harms nobody."""
        to = self._to
        stream = getattr(sys, to) if to.__class__ is str else to
        # `with` takes 1,100 instructions more.
        self._lock.acquire()
        try:
            stream.write(line)
            stream.flush()
        except (OSError, ValueError, AttributeError):
            self.lost += 1
        finally:
            self._lock.release()

    def is_terminal(self) -> bool:
        """Whether a person reads it."""
        stream = getattr(sys, self._to) if isinstance(self._to, str) else self._to
        try:
            return bool(stream.isatty())
        except (AttributeError, ValueError):
            return False


class Handler(logging.Handler):
    """Writes the records of `logging` to a `Stream`."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


class _Lines(logging.Formatter):
    """What both kinds of lines have: the message, without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._clock = Clock()

    def _secrets(self) -> list[str]:
        seen = current()
        if seen is None:
            return []
        found: list[str] | None = seen.secrets
        if found is None:
            ctx = seen.ctx
            found = self._redactor.of_request(seen.head, ctx.arguments if ctx else None)
            if ctx is not None and ctx.route is not None:
                seen.secrets = found  # before, the path's variables were not known
        return found

    def _message(self, record: logging.LogRecord, secrets: list[str]) -> str:
        try:
            message = record.getMessage()
        except Exception as error:
            message = f"{record.msg!r} with {record.args!r}: {error!r}"
        return self._redactor.text(message, secrets, LONGEST_MESSAGE)

    def _traceback(self, record: logging.LogRecord, secrets: list[str]) -> str | None:
        info = record.exc_info
        if info and info[0] is not None:
            text = "".join(traceback.format_exception(*info))
        elif record.exc_text:
            text = record.exc_text
        elif record.stack_info:
            text = record.stack_info
        else:
            return None
        # The innermost frames and the error itself stand at the end.
        return self._redactor.text(text, secrets, -LONGEST_TRACEBACK)


class JSONLines(_Lines):
    """A record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        secrets = self._secrets()
        fields: dict[str, Any] = {
            "time": self._clock.text(record.created),
            "level": LEVELS.get(record.levelno) or record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record, secrets),
        }
        told = vars(record)
        for name in ("request_id", "trace_id"):
            if found := told.get(name):
                fields[name] = found
        if told.get("hook_seq"):
            fields["hook"] = {name: told[f"hook_{name}"] for name in _HOOK}
        if record.exc_info and record.exc_info[0] is not None:
            kind, value = record.exc_info[:2]
            fields["error"] = {
                "type": f"{kind.__module__}.{kind.__qualname__}",
                "message": self._redactor.text(_said(value), secrets, LONGEST_VALUE),
            }
            if (request := self._request()) is not None:
                fields["request"] = request
        if (text := self._traceback(record, secrets)) is not None:
            fields["traceback"] = text
        for name, value in told.items():
            if name not in _OWN and name not in fields:
                fields[name] = self._value(name, value, secrets)
        return object_of(fields)

    def _request(self) -> dict[str, Any] | None:
        """The request that an error is about."""
        seen = current()
        if seen is None:
            return None
        found = {"method": seen.method[:32], "route": seen.route, "endpoint": seen.endpoint}
        return {**found, "user": seen.user, "headers": shown_fields(seen.head)}

    def _value(self, name: str, value: Any, secrets: list[str]) -> Any:
        if self._redactor.is_secret(name):
            return "[redacted]"
        if value is None or isinstance(value, (bool, int, float)):
            return value
        text = value if isinstance(value, str) else object_of({"": value})
        clean = self._redactor.text(text, secrets, LONGEST_VALUE)
        return value if clean == text and not isinstance(value, str) else clean


class TextLines(_Lines):
    """A record as people read it: the message, then what it belongs to; tracebacks as ever."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end, and the lines of a traceback."""
        secrets = self._secrets()
        level = LEVELS.get(record.levelno) or record.levelname.lower()
        line = (
            f"{self._clock.text(record.created)} {level} {printable(record.name)}:"
            f" {printable(self._message(record, secrets))}"
        )
        told = vars(record)
        if found := told.get("request_id"):
            line += f" [{found}]"
        if told.get("hook_seq"):
            line += " [" + printable(" ".join(f"{n}={told[f'hook_{n}']}" for n in _HOOK)) + "]"
        text = self._traceback(record, secrets)
        return line if text is None else "\n".join((line, *map(printable, text.splitlines())))


def _said(error: Any) -> str:
    try:
        return str(error)
    except Exception:
        return "<its text raises>"


def name_requests() -> None:
    """Give each record made from now on the attributes `request_id` and `trace_id`.

    Empty outside of requests, so that any formatter may name them. A second call does nothing.
    """
    inner = logging.getLogRecordFactory()
    if getattr(inner, "names_requests", False):
        return

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = inner(*args, **kwargs)
        seen = current()
        record.request_id = "" if seen is None else seen.request_id
        # A body that is streamed has no context any more.
        trace = current_trace() or (None if seen is None else seen.trace)
        record.trace_id = "" if trace is None else trace.trace_id
        return record

    make.names_requests = True  # type: ignore[attr-defined]  # how the second call knows it
    # Other marks are kept: who put a factory in before looks for its own.
    for name, value in vars(inner).items() if hasattr(inner, "__dict__") else ():
        make.__dict__.setdefault(name, value)
    logging.setLogRecordFactory(make)
