"""OpenTelemetry spans for requests, for the calls they make and for stored events.

    from hipflask.ops.otel import trace_requests

    trace_requests(app)

Names are those of the semantic conventions for HTTP (stable since 1.23) and for messaging. The
application sets up the SDK with its exporters, or `opentelemetry-instrument` does: here only
the API is used. Needs `pip install 'hipflask[otel]'`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..scaffold import SetupError
from . import tracing
from .observing import Observation, Observer, observe, observers_of
from .redacting import Redactor
from .tracing import Trace

# Of http.request.method; any other one is "_OTHER".
METHODS = frozenset("CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE".split())  # noqa: SIM905
_LONGEST = 1024


def trace_requests(app: Any, provider: Any = None) -> None:
    """Make a span of each request of `app`, of each call of `hipflask.forward` and each event.

    `provider` is a TracerProvider; OpenTelemetry's global one unless given. Calls and events
    are the process's, whichever application makes them: the last provider given holds for
    them. Raises SetupError without the library.
    """
    api = _api()
    tracer = api.trace.get_tracer("hipflask", tracer_provider=provider)
    spans = Spans(api, tracer, app)
    if not any(isinstance(one, Spans) for one in observers_of(app)):
        observe(app, spans)
    tracing.ask_library = spans.current
    tracing.around_call = spans.calling
    tracing.around_work = spans.working


class _API:
    """What is used of the library, imported once."""

    def __init__(self) -> None:
        from opentelemetry import context, propagate, trace

        self.context, self.propagate, self.trace = context, propagate, trace


def _api() -> _API:
    try:
        return _API()
    except ImportError:
        raise SetupError(
            "hipflask.ops.otel makes spans with OpenTelemetry, which is not installed:"
            " pip install 'hipflask[otel]'."
        ) from None


class _Carrier:
    """A request's fields as OpenTelemetry's propagators read them."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        value = carrier.header(key.lower())
        return None if value is None else [value]

    def keys(self, carrier: Any) -> list[str]:
        return ["traceparent", "tracestate", "baggage"]


class Spans(Observer):
    """Server spans of requests; clients' and consumers' spans around what they lead to."""

    def __init__(self, api: _API, tracer: Any, app: Any) -> None:
        self._api = api
        self._tracer = tracer
        self._carrier: Any = _Carrier()
        self._redactor = Redactor(app.config.get("LOG_REDACT") or ())
        self._kinds = api.trace.SpanKind

    # Requests

    def begin(self, seen: Observation) -> Any:
        """Start the request's span, and make it the current one."""
        api, head = self._api, seen.head
        parent = api.propagate.extract(head, getter=self._carrier)
        method = seen.method
        attributes: dict[str, Any] = {
            "http.request.method": method if method in METHODS else "_OTHER",
            "url.scheme": head.scheme,
            "network.protocol.version": head.http_version,
        }
        if method not in METHODS:
            attributes["http.request.method_original"] = method[:32]
        if head.client:
            attributes["client.address"] = head.client[0]
        if agent := head.header("user-agent"):
            attributes["user_agent.original"] = agent[:_LONGEST]
        host, _, port = (head.header("host") or "").rpartition(":")
        if port.isdigit() and host:
            attributes["server.address"], attributes["server.port"] = host[:255], int(port)
        elif port:
            attributes["server.address"] = f"{host}:{port}"[:255] if host else port[:255]
        span = self._tracer.start_span(
            attributes["http.request.method"], parent, self._kinds.SERVER, attributes
        )
        seen.trace = _trace_of(span) or seen.trace
        return span, api.context.attach(api.trace.set_span_in_context(span, parent))

    def end(self, seen: Observation, token: Any) -> None:
        """End the span, now that route and status are known."""
        if token is None:
            return
        span, attached = token
        self._detach(attached)
        if span.is_recording():
            route = seen.route
            if route is not None:
                method = seen.method if seen.method in METHODS else "HTTP"
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
            status = seen.status
            span.set_attribute("http.response.status_code", status)
            span.set_attribute("http.response.body.size", seen.size)
            span.set_attribute("url.path", self._path(seen))
            if seen.head.query_string:
                query = seen.head.query_string[:_LONGEST].decode("latin-1")
                span.set_attribute("url.query", self._redactor.query(query))
            if seen.error is not None:
                span.record_exception(seen.error)
                span.set_attribute("error.type", type(seen.error).__qualname__)
            elif status >= 500:
                span.set_attribute("error.type", str(status))
            if status >= 500 or seen.error is not None:
                span.set_status(self._api.trace.StatusCode.ERROR)
        span.end()

    def _path(self, seen: Observation) -> str:
        rule = seen.rule
        if rule is not None and any(map(self._redactor.is_secret, rule.arguments)):
            return str(rule.rule)
        return str(seen.head.path)[:_LONGEST]

    def _detach(self, attached: Any) -> None:
        # A streamed response may be closed in another thread, whose context never had it.
        try:
            attached.var.reset(attached)
        except (AttributeError, ValueError, RuntimeError):
            return

    # What they lead to

    def current(self) -> Trace | None:
        """The library's current span; None without one."""
        return _trace_of(self._api.trace.get_current_span())

    @contextmanager
    def calling(self, method: str, url: str) -> Iterator[Any]:
        """A client's span around a call; the address without user, query and fragment."""
        parts = urlsplit(url)
        attributes: dict[str, Any] = {
            "http.request.method": method if method in METHODS else "_OTHER",
            "server.address": parts.hostname or "",
            "server.port": parts.port or (443 if parts.scheme == "https" else 80),
            "url.full": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[
                :_LONGEST
            ],
        }
        name = attributes["http.request.method"]
        with self._tracer.start_as_current_span(name, None, self._kinds.CLIENT, attributes) as span:
            yield _Call(span, self._api.trace.StatusCode.ERROR)

    @contextmanager
    def working(self, name: str, about: dict[str, Any], caller: Trace | None) -> Iterator[None]:
        """A consumer's span around the handling of an event, below the delivery's."""
        api = self._api
        parent = None
        if caller is not None:
            parent = api.propagate.extract(dict(caller.fields()))
        attributes = {
            "messaging.system": "hipflask",
            "messaging.operation.type": "process",
            "messaging.operation.name": "handle",
            "messaging.destination.name": about["source"],
            "messaging.message.id": about["event_id"],
            "hipflask.attempt": about["attempt"],
        }
        with self._tracer.start_as_current_span(
            f"handle {name}", parent, self._kinds.CONSUMER, attributes
        ):
            yield


class _Call:
    def __init__(self, span: Any, error: Any) -> None:
        self._span = span
        self._error = error

    def answered(self, status: int | None, failure: str) -> None:
        """Note the answer's status, None for no answer, and what went wrong."""
        if status:
            self._span.set_attribute("http.response.status_code", status)
        if failure or (status and status >= 400):
            self._span.set_attribute("error.type", failure or str(status))
            self._span.set_status(self._error)


def _trace_of(span: Any) -> Trace | None:
    context = span.get_span_context()
    if not context.is_valid:
        return None
    state = context.trace_state.to_header() if context.trace_state else ""
    return Trace(
        f"{context.trace_id:032x}", f"{context.span_id:016x}", f"{context.trace_flags:02x}", state
    )
