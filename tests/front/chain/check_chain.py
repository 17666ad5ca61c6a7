"""WSGI middleware and instrumentation around an app, through the door named in CHAIN_DOOR."""

from __future__ import annotations

import os
from typing import Any

import flask
import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

DOOR = os.environ["CHAIN_DOOR"]


def make() -> flask.Flask:
    app = flask.Flask("chained")
    app.secret_key = "k"

    @app.get("/")
    def plain() -> Any:
        return flask.jsonify(address=flask.request.remote_addr, url=flask.request.url)

    @app.get("/async")
    async def awaited() -> Any:
        return plain()

    @app.post("/body")
    def body() -> str:
        return str(len(flask.request.get_data()))

    @app.get("/page")
    def page() -> str:
        return "<html><body><p>A page.</p></body></html>"

    @app.get("/fail/<kind>")
    def fail(kind: str) -> str:
        raise ZeroDivisionError(kind)

    @app.get("/stream")
    def stream() -> Any:
        return (str(n) for n in range(3))

    return app


@pytest.mark.parametrize("path", ["/", "/async"])
def test_proxy_fix(path: str) -> None:
    app = make()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)
    client = app.test_client(door=DOOR)
    fields = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    answer = client.get(path, headers={**fields, "X-Forwarded-Host": "example.org"})
    assert answer.json == {"address": "192.0.2.1", "url": f"https://example.org{path}"}
    assert client.post("/body", data=b"x" * 5000).text == "5000"
    assert client.get("/stream").text == "012"
    assert client.get("/nowhere").status_code == 404
    assert client.get("/fail/x").status_code == 500
    with client:
        client.get("/")
        assert flask.request.remote_addr == "127.0.0.1"


def test_middleware_that_answers_itself_and_writes() -> None:
    app = make()
    inner = app.wsgi_app

    def gate(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/gate":
            start_response("202 Accepted", [("Content-Type", "text/plain")])(b"written ")
            return [b"and returned"]
        return inner(environ, start_response)

    app.wsgi_app = gate
    client = app.test_client(door=DOOR)
    answer = client.get("/gate")
    assert (answer.status_code, answer.text) == (202, "written and returned")
    assert client.get("/async").status_code == 200


def test_sentry() -> None:
    import sentry_sdk
    from sentry_sdk.integrations.flask import FlaskIntegration

    events: list[Any] = []
    before = flask.Flask.__call__
    sentry_sdk.init(
        dsn="http://k@127.0.0.1:9/1",
        integrations=[FlaskIntegration()],
        auto_enabling_integrations=False,
        traces_sample_rate=1.0,
        before_send=lambda event, hint: events.append(event),
        before_send_transaction=lambda event, hint: events.append(event),
    )
    try:
        client = make().test_client(door=DOOR)
        assert client.get("/fail/sentry").status_code == 500
        assert client.get("/async").status_code == 200
        errors = [event for event in events if "exception" in event]
        assert errors[0]["exception"]["values"][-1]["value"] == "sentry"
        assert errors[0]["request"]["url"] == "http://localhost/fail/sentry"
        names = [event["transaction"] for event in events if event.get("type") == "transaction"]
        assert names == ["fail", "awaited"]
    finally:
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.init()
        flask.Flask.__call__ = before


def test_opentelemetry() -> None:
    from opentelemetry import trace
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    app = make()

    @app.get("/inside/<int:n>")
    def inside(n: int) -> str:
        return format(trace.get_current_span().get_span_context().span_id, "x")

    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    client = app.test_client(door=DOOR)
    answers = [client.get(f"/inside/{n}").text for n in range(3)]
    assert client.get("/async").status_code == 200
    assert client.get("/fail/x").status_code == 500
    done = spans.get_finished_spans()
    assert [span.name for span in done] == ["GET /inside/<int:n>"] * 3 + ["GET /async"] + [
        "GET /fail/<kind>"
    ]
    assert [format(span.context.span_id, "x") for span in done[:3]] == answers
    assert not trace.get_current_span().get_span_context().is_valid


def test_debug_toolbar() -> None:
    from flask_debugtoolbar import DebugToolbarExtension

    app = make()
    app.debug = True
    app.config["DEBUG_TB_INTERCEPT_REDIRECTS"] = False
    DebugToolbarExtension(app)
    client = app.test_client(door=DOOR)
    # Async views it calls like plain ones, under Flask as well.
    assert "flDebug" in client.get("/page").text
    assert client.get("/").status_code == 200
