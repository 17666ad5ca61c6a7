"""Spans, as OpenTelemetry's own exporter has them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from hipflask import Flask
from hipflask.forward import Client, Deadlines, Request
from hipflask.ops import tracing
from hipflask.ops.otel import trace_requests

export = pytest.importorskip("opentelemetry.sdk.trace.export")
in_memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
sdk = pytest.importorskip("opentelemetry.sdk.trace")

DOORS = ("wsgi", "asgi", "rsgi")
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@contextmanager
def busy_server() -> Iterator[tuple[str, list[str | None]]]:
    """A server on loopback that answers 503; gives its address and the traceparents it got."""
    parents: list[str | None] = []

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parents.append(self.headers.get("traceparent"))
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", parents
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("ask_library", "around_call", "around_work"):
        monkeypatch.setattr(tracing, name, None)
    return in_memory.InMemorySpanExporter()


def made(spans: Any) -> Flask:
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(spans))
    app = Flask("spans", static_folder=None)
    app.logger.disabled = True
    trace_requests(app, provider)

    @app.get("/items/<int:n>")
    def item(n: int) -> Any:
        return [list(pair) for pair in tracing.fields_to_send(())]

    @app.get("/async")
    async def awaited() -> Any:
        return [list(pair) for pair in tracing.fields_to_send(())]

    @app.get("/boom")
    def boom() -> str:
        raise ZeroDivisionError("no")

    return app


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("path", "route"), [("/items/7", "/items/<int:n>"), ("/async", "/async")])
def test_a_request_is_a_span_below_its_callers(
    door: str, path: str, route: str, spans: Any
) -> None:
    app = made(spans)
    answer = app.test_client(door=door).get(
        f"{path}?token=hunter2hunter2", headers={"traceparent": PARENT, "Host": "shop.test:81"}
    )
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind.name) == (f"GET {route}", "SERVER")
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert dict(span.attributes).items() >= {
        "http.request.method": "GET", "http.route": route, "http.response.status_code": 200,
        "url.path": path, "url.query": "token=[redacted]", "url.scheme": "http",
        "server.address": "shop.test", "server.port": 81, "client.address": "127.0.0.1",
    }.items()  # fmt: skip
    # What the view hands on is this very span.
    assert answer.get_json()[0][1] == f"00-{TRACE}-{span.context.span_id:016x}-01"


@pytest.mark.parametrize("door", DOORS)
def test_an_exception_and_no_route_are_told_as_the_conventions_have_it(
    door: str, spans: Any
) -> None:
    app = made(spans)
    client = app.test_client(door=door)
    client.get("/boom")
    client.open("/nowhere", method="BREW")
    failed, lost = spans.get_finished_spans()
    assert failed.attributes["error.type"] == "ZeroDivisionError"
    assert failed.status.status_code.name == "ERROR"
    assert failed.events[0].name == "exception"
    assert lost.name == "_OTHER"
    assert lost.attributes["http.request.method_original"] == "BREW"
    assert "http.route" not in lost.attributes
    assert lost.attributes["http.response.status_code"] == 404
    assert lost.status.status_code.name == "UNSET"


def test_a_call_is_a_span_below_the_request_and_is_continued(spans: Any) -> None:
    app = made(spans)
    with busy_server() as (url, parents):

        @app.get("/calls")
        def calls() -> str:
            request = Request("GET", f"{url}/ledger?token=hunter2hunter2")
            return str(Client().send(request, Deadlines(5)).status)

        assert app.test_client().get("/calls").data == b"503"
    call, request = spans.get_finished_spans()
    assert (call.name, call.kind.name) == ("GET", "CLIENT")
    assert call.parent.span_id == request.context.span_id
    assert call.attributes["http.response.status_code"] == 503
    assert call.attributes["error.type"] == "503"
    assert call.attributes["url.full"] == f"{url}/ledger"
    context = call.context
    sent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert parents == [sent]


def test_an_event_is_a_span_below_its_delivery(spans: Any) -> None:
    made(spans)
    fields = [(b"Traceparent", PARENT.encode())]
    with tracing.continued(fields, "stripe paid", source="stripe", event_id="evt_1", attempt=2):
        (field,) = tracing.fields_to_send(())
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind.name) == ("handle stripe paid", "CONSUMER")
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert span.attributes["messaging.message.id"] == "evt_1"
    assert field[1] == f"00-{TRACE}-{span.context.span_id:016x}-01"
