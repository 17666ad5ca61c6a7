"""Structured logs in process: lines, their fields, who may name a request, and sampling."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hipflask import Flask, request, websocket
from hipflask.ops.lines import JSONLines, Stream
from hipflask.ops.logs import structured_logs
from hipflask.ops.observing import observers_of
from hipflask.ops.redacting import Redactor
from hipflask.scaffold import SetupError
from hipflask.security import Identity, authenticated, public
from hipflask.socketclient import WebSocketRefused

DOORS = ("wsgi", "asgi", "rsgi")
NASTY = "\r\n\x00\x1b[31m\x7f\x85\u2028\u2029\u202e\ud800"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, factory = list(root.handlers), logging.getLogRecordFactory()
    yield
    root.handlers[:] = handlers
    logging.setLogRecordFactory(factory)


def made(form: str = "json", **config: Any) -> tuple[Flask, io.StringIO]:
    app = Flask(f"logged_{id(config)}", static_folder=None)
    app.config.update(config)
    stream = io.StringIO()
    structured_logs(app, form, to=stream)

    @app.get("/items/<int:n>")
    def item(n: int) -> str:
        return "item"

    @app.get("/reset/<token>")
    def reset(token: str) -> str:
        return "reset"

    @app.get("/warn")
    def warn() -> str:
        app.logger.warning("%s", NASTY, extra={"order": 7, "password": "hunter2"})
        return request.headers.get("X-Request-ID", "")

    @app.get("/boom")
    def boom() -> str:
        raise ValueError(f"bad {request.headers.get('Authorization')} {NASTY}")

    return app, stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    text = stream.getvalue()
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("door", DOORS)
def test_a_request_is_one_line(door: str) -> None:
    app, stream = made()
    app.test_client(door=door).get("/items/7?token=hunter2hunter2")
    (line,) = lines(stream)
    assert line["time"].endswith("Z")
    assert line.items() >= {
        "level": "info", "logger": "hipflask.access", "message": "request", "method": "GET",
        "route": "/items/<int:n>", "path": "/items/7", "status": 200, "bytes": 4,
        "client": "127.0.0.1", "user": None,
    }.items()  # fmt: skip
    assert len(line["request_id"]) == 16
    assert len(line["trace_id"]) == 32
    assert line["duration_ms"] > 0
    assert "query" not in line


def test_a_websocket_is_one_line_at_its_end() -> None:
    app, stream = made()

    @app.websocket("/rooms/<name>")
    async def room(name: str) -> None:
        app.logger.warning("came")
        async for message in websocket:
            await websocket.send(message * 2)
            if message == "boom":
                raise ValueError("boom")

    for last in ("b", "boom"):
        with app.test_client().websocket("/rooms/7") as client:
            for message in ("a", last):
                client.send(message)
                assert client.receive() == message * 2
    # With the record of the view's error.
    (came, line), (_, _, failed) = lines(stream)[:2], lines(stream)[2:]
    assert came["request_id"] == line["request_id"]
    assert line.items() >= {
        "level": "info", "message": "websocket", "method": "GET", "route": "/rooms/<name>",
        "path": "/rooms/7", "status": 101, "code": 1000, "received": 2, "sent": 2, "user": None,
    }.items()  # fmt: skip
    assert line["duration_ms"] > 0
    assert failed.items() >= {"level": "error", "code": 1011, "error": "ValueError"}.items()


def test_a_websocket_that_is_refused_is_one_line_with_the_status() -> None:
    app, stream = made("text")
    with pytest.raises(WebSocketRefused), app.test_client().websocket("/nowhere"):
        pass
    assert re.search(
        r' "GET /nowhere HTTP/1.1" 404 [\d.]+ms received=0 sent=0 \[\w{16}\]$',
        stream.getvalue().rstrip("\n"),
    )


@pytest.mark.parametrize("door", DOORS)
def test_a_record_is_one_line_with_the_id_of_its_request(door: str) -> None:
    app, stream = made()
    app.test_client(door=door).get("/warn")
    record, line = lines(stream)
    assert record["level"] == "warning"
    assert record["order"] == 7
    assert record["password"] == "[redacted]"
    assert record["request_id"] == line["request_id"]
    assert record["trace_id"] == line["trace_id"]
    assert record["message"] == NASTY


@pytest.mark.parametrize("door", DOORS)
def test_an_exception_is_logged_once_with_its_request_and_without_secrets(door: str) -> None:
    app, stream = made()
    answer = app.test_client(door=door).get(
        "/boom?sig=hunter3hunter3",
        headers={"Authorization": "Bearer hunter2hunter2", "Cookie": "session=hunter4hunter4"},
    )
    assert answer.status_code == 500
    error, line = lines(stream)
    assert error["error"]["type"] == "builtins.ValueError"
    assert error["request"]["route"] == "/boom"
    assert set(error["request"]["headers"]) <= {"host", "user-agent", "accept"}
    assert error["traceback"].startswith("Traceback")
    assert error["request_id"] == line["request_id"]
    assert (line["status"], line["error"], line["level"]) == (500, "ValueError", "error")
    assert "hunter" not in stream.getvalue()


def test_a_path_whose_variable_is_a_secret_is_logged_as_its_route() -> None:
    app, stream = made()
    app.add_url_rule("/broken/<token>", view_func=lambda token: 1 // 0)
    app.test_client().get("/reset/hunter2hunter2")
    assert lines(stream)[0]["path"] == "/reset/<token>"
    app.test_client().get("/broken/hunter2hunter2")
    assert lines(stream)[1]["message"] == "Exception on /broken/[redacted] [GET]"
    assert "hunter2" not in stream.getvalue()


def test_the_user_is_who_a_provider_found() -> None:
    app, stream = made()

    class Known:
        name = "known"
        is_quick = True

        def identify(self, request: Any) -> Identity:
            return Identity("ann")

        def challenge(self, error: str = "", description: str = "") -> str:
            return ""

        def scheme(self) -> tuple[str, dict[str, Any]]:
            return "known", {}

    app.identities = [Known()]  # type: ignore[attr-defined]
    app.access = public
    app.add_url_rule("/mine", view_func=lambda: "mine", access=authenticated)
    assert app.test_client().get("/mine").status_code == 200
    assert lines(stream)[0]["user"] == "ann"


@pytest.mark.parametrize(
    ("trusted", "sent", "is_taken"),
    [
        ((), "req-1234", False),
        (["127.0.0.0/8"], "req-1234", True),
        ("*", "req-1234", True),
        (["10.0.0.1"], "req-1234", False),
        ("*", "a b", False),
        ("*", "abc\x1b", False),
        ("*", "x" * 129, False),
        ("*", "-rf", False),
    ],
)
def test_an_id_is_taken_from_whom_it_may_come(trusted: Any, sent: str, is_taken: bool) -> None:
    app, stream = made(REQUEST_ID_FROM=trusted, REQUEST_ID_RESPONSE=True)
    answer = app.test_client().get("/items/7", headers={"X-Request-ID": sent})
    (line,) = lines(stream)
    assert (line["request_id"] == sent) is is_taken
    assert answer.headers["X-Request-ID"] == line["request_id"]


def test_an_id_is_not_returned_unless_asked_for() -> None:
    app, _ = made()
    assert "X-Request-ID" not in app.test_client().get("/items/7").headers


@pytest.mark.parametrize("wrong", [["proxy"], ["10.0.0.0/99"]])
def test_a_peer_that_is_none_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SetupError, match="REQUEST_ID_FROM"):
        made(REQUEST_ID_FROM=wrong)


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(SetupError, match="LOGS='xml'"):
        structured_logs(Flask("logged"), "xml")


def test_so_many_that_went_well_are_left_out_and_counted() -> None:
    app, stream = made(LOG_SAMPLE_ABOVE=3)
    client = app.test_client()
    for _ in range(50):
        client.get("/items/7")
    client.get("/nowhere")
    found = lines(stream)
    told = len(found) + sum(line.get("left_out", 0) for line in found)
    assert told == 51
    assert found[-1]["status"] == 404
    assert len(found) < 51


def test_what_was_configured_stays_and_a_second_call_does_nothing() -> None:
    own = logging.FileHandler("/dev/null")
    logging.getLogger().addHandler(own)
    app, stream = made()
    before = observers_of(app)
    structured_logs(app, "json", to=stream)
    assert observers_of(app) == before
    assert own in logging.getLogger().handlers
    own.close()


@pytest.mark.parametrize("door", DOORS)
def test_text_is_for_people_and_keeps_its_lines(door: str) -> None:
    app, stream = made("text")
    client = app.test_client(door=door)
    client.get("/items/7")
    client.get("/warn")
    text = stream.getvalue()
    first, warning, second = text.splitlines()
    assert '127.0.0.1 "GET /items/7 HTTP/1.1" 200 ' in first
    assert "route=/items/<int:n>" in first
    assert "warning" in warning
    assert "\\x1b[31m" in warning
    assert '"GET /warn HTTP/1.1" 200' in second
    assert text.replace("\n", "").isprintable()


def test_values_that_json_does_not_know_are_shown() -> None:
    app, stream = made()
    around: list[Any] = []
    around.append(around)
    extra = {"a": {1: object()}, "b": around, "c": float("nan"), "d": b"x", "e": {(1, 2): 3}}
    with app.test_request_context("/"):
        app.logger.warning("odd", extra=extra)
    (odd,) = lines(stream)
    assert set(odd) >= set(extra)
    record = logging.makeLogRecord({"msg": "wrong %d", "args": ("arguments",)})
    assert "wrong %d" in json.loads(JSONLines(Redactor()).format(record))["message"]


def test_a_stream_that_is_gone_harms_nobody() -> None:
    app, stream = made()
    stream.close()
    assert app.test_client().get("/warn").status_code == 200
    gone = Stream(stream)
    gone.write("x")
    assert gone.lost == 1
    assert not gone.is_terminal()
