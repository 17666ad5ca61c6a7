"""W3C trace context (https://www.w3.org/TR/trace-context/), read and passed on by ourselves.

A request that came with a `traceparent` hands it to the calls it makes; where requests are
observed, one that came without begins a trace, so that its log lines have an id to be found by.
No tracing library is needed; `otel.py` sets the hooks at the end where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from ..globals import _cv_current
from .digits import draw

#: Members of a tracestate, and its characters, that are passed on. Trace Context, 3.3
MOST_MEMBERS = 32
LONGEST_STATE = 512

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
# As nearly all are: of the first version. In 4,600 instructions, which were 7,900.
_usual = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII).fullmatch
_MEMBER = re.compile(
    r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[ !-+\--<>-~]{0,255}[!-+\--<>-~]",
    re.ASCII,
)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_new = tuple.__new__
# Longer fields are nobody's, and not looked at.
_LONGEST_FIELD = 4096

Fields = tuple[tuple[str, str], ...]


class Trace(NamedTuple):
    """A place in a trace: which one, whose span, and what is passed on with it."""

    trace_id: str
    span_id: str
    #: Two hex digits; the lowest bit says that the trace is recorded.
    flags: str = "00"
    state: str = ""
    #: The caller's span; "" where the trace begins here.
    parent_id: str = ""

    def fields(self) -> Fields:
        """The header fields that hand it on."""
        trace_id, span_id, flags, state, _ = self
        parent = "traceparent", f"00-{trace_id}-{span_id}-{flags}"
        return (parent, ("tracestate", state)) if state else (parent,)

    def child(self) -> Trace:
        """A span of its own below this one."""
        return self._replace(span_id=draw(), parent_id=self.span_id)


def parse_trace(parent: str | None, state: str | None = None) -> Trace | None:
    """The caller's place in a trace; None for a traceparent that is missing or wrong.

    A tracestate that is wrong is left out, a long one cut at its end. Takes any text.
    """
    known = None if parent is None else _parse_parent(parent)
    if known is None:
        return None
    trace_id, span_id, flags = known
    return Trace(trace_id, span_id, flags, parse_state(state) if state else "")


def _parse_parent(parent: str) -> tuple[str, str, str] | None:
    """Trace, span and flags."""
    found = _usual(parent)
    if found is not None:
        trace_id, span_id, flags = found.groups()
        if trace_id == _NO_TRACE or span_id == _NO_SPAN:
            return None
        return trace_id, span_id, flags
    if len(parent) > _LONGEST_FIELD:
        return None
    found = _PARENT.fullmatch(parent.strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if (
        version == "ff"
        or (version == "00" and rest)
        or trace_id == _NO_TRACE
        or span_id == _NO_SPAN
    ):
        return None
    if version != "00":
        flags = "01" if int(flags, 16) & 1 else "00"  # all that is known of a later version's
    return trace_id, span_id, flags


def parse_state(text: str) -> str:
    """A tracestate as it is passed on: its members in order, "" for one that is wrong."""
    if len(text) > _LONGEST_FIELD:
        return ""
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    keys = {member.partition("=")[0] for member in members}
    if len(keys) != len(members) or not all(map(_MEMBER.fullmatch, members)):
        return ""
    kept = members[:MOST_MEMBERS]
    while len(",".join(kept)) > LONGEST_STATE:
        kept.pop()
    return ",".join(kept)


def begin_trace(head: Any) -> Trace:
    """The place of a request: below its caller's, or at the beginning of a trace."""
    parent, state = head.trace_fields()
    if parent is not None and (known := _parse_parent(parent)) is not None:
        trace_id, span_id, flags = known
        state = parse_state(state) if state else ""
        # Past the constructor, which takes half as long again.
        return _new(Trace, (trace_id, draw(), flags, state, span_id))
    return _new(Trace, (draw() + draw(), draw(), "00", "", ""))


# The trace of work that no request does: a stored event's, or what a library has begun.
_cv_trace: ContextVar[Trace | None] = ContextVar("hipflask.trace", default=None)

#: Asked first for the current trace, where a tracing library keeps its own.
ask_library: Callable[[], Trace | None] | None = None
#: What `calling` is where a tracing library looks; None: nobody does.
around_call: Callable[[str, str], Any] | None = None
#: The same around the handling of a stored event, given a name, attributes and the caller.
around_work: Callable[[str, dict[str, Any], Trace | None], Any] | None = None


def current_trace() -> Trace | None:
    """The trace that runs here; None without one. Of any thread or task."""
    if ask_library is not None:
        trace = ask_library()
        if trace is not None:
            return trace
    trace = _cv_trace.get()
    if trace is not None:
        return trace
    ctx = _cv_current.get()
    request_ctx = None if ctx is None else ctx.request_ctx
    if request_ctx is None:
        return None
    if request_ctx.seen is not None:
        return request_ctx.seen.trace  # type: ignore[no-any-return]
    header = request_ctx.request.headers.get
    return parse_trace(header("traceparent"), header("tracestate"))


@contextmanager
def calling(method: str, url: str) -> Iterator[Any]:
    """Around a call to `url`; yields what `answered(status, failure)` is told, or None."""
    if around_call is None:
        yield None
    else:
        with around_call(method, url) as call:
            yield call


@contextmanager
def continued(fields: Iterable[tuple[bytes, bytes]], name: str, **about: Any) -> Iterator[None]:
    """Do the work of a stored delivery in the trace that its header fields name, if any."""
    found = {key.lower(): value for key, value in fields if key[:5].lower() == b"trace"}
    caller = parse_trace(*(_text(found.get(key)) for key in (b"traceparent", b"tracestate")))
    token = _cv_trace.set(None if caller is None else caller.child())
    try:
        if around_work is None:
            yield
        else:
            with around_work(name, about, caller):
                yield
    finally:
        _cv_trace.reset(token)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def fields_to_send(given: Iterable[tuple[str, str]]) -> Fields:
    """The fields to add to a call made here, or to put in place of those given.

    Empty outside of a trace, and where the fields given are of another trace: somebody chose
    them.
    """
    trace = current_trace()
    if trace is None:
        return ()
    for name, value in given:
        if name.lower() == "traceparent" and trace.trace_id not in value:
            return ()
    return trace.fields()
