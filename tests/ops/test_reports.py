"""Exceptions handed to who wants them, Sentry among these."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from hipflask import Flask, abort
from hipflask.ops.reports import About, report_errors, to_sentry

DOORS = ("wsgi", "asgi", "rsgi")


@pytest.fixture
def sentry() -> Iterator[list[Any]]:
    """The events that Sentry's client would send. It patches nothing of this process."""
    sentry_sdk = pytest.importorskip("sentry_sdk")
    transport = pytest.importorskip("sentry_sdk.transport")
    dedupe = pytest.importorskip("sentry_sdk.integrations.dedupe")
    events: list[Any] = []

    class Kept(transport.Transport):  # type: ignore[misc, name-defined]  # optional
        def capture_envelope(self, envelope: Any) -> None:
            if (event := envelope.get_event()) is not None:
                events.append(event)

    quiet = {"default_integrations": False, "auto_enabling_integrations": False}
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Kept,
        integrations=[dedupe.DedupeIntegration()],
        **quiet,
    )
    yield events
    sentry_sdk.init(**quiet)


def made() -> Flask:
    app = Flask("reported", static_folder=None)
    app.logger.disabled = True

    @app.get("/boom/<int:n>")
    def boom(n: int) -> str:
        raise ZeroDivisionError("no")

    @app.get("/fine")
    def fine() -> str:
        abort(503)

    return app


@pytest.mark.parametrize("door", DOORS)
def test_an_exception_is_reported_once_with_its_request(door: str) -> None:
    app = made()
    reports: list[tuple[BaseException, About]] = []
    report_errors(app, lambda error, about: reports.append((error, about)))
    client = app.test_client(door=door)
    client.get("/fine")
    client.get("/nowhere")
    client.get("/boom/7", headers={"Authorization": "Bearer hunter2"})
    ((error, about),) = reports
    assert isinstance(error, ZeroDivisionError)
    assert error.__traceback__ is not None
    assert (about.method, about.route, about.endpoint) == ("GET", "/boom/<int:n>", "boom")
    assert about.status == 500
    assert "hunter2" not in repr(about)


@pytest.mark.parametrize("door", DOORS)
def test_sentry_gets_the_exception_with_the_request(door: str, sentry: list[Any]) -> None:
    app = made()
    report_errors(app, to_sentry())
    app.test_client(door=door).get("/boom/7")
    (event,) = sentry
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    assert event["transaction"] == "/boom/<int:n>"
    assert len(event["tags"]["request_id"]) == 16


def test_sentrys_own_capture_works_and_one_report_is_kept(sentry: list[Any]) -> None:
    wsgi = pytest.importorskip("sentry_sdk.integrations.wsgi")
    app = made()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    report_errors(app, to_sentry())
    app.wsgi_app = wsgi.SentryWsgiMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/boom/7")
    assert len(sentry) == 1


def test_sentrys_own_asgi_capture_works(sentry: list[Any]) -> None:
    asgi = pytest.importorskip("sentry_sdk.integrations.asgi")
    app = made()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    report_errors(app, to_sentry())
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/boom/7", "raw_path": b"/boom/7", "query_string": b"",
        "root_path": "", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(asgi.SentryAsgiMiddleware(app)(scope, receive, send))
    assert len(sentry) == 1
