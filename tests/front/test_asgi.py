"""The ASGI door, driven with a `receive` and a `send` made by hand."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from hipflask import (
    Flask,
    Response,
    dispatch,
    request,
    send_file,
    stream_with_context,
    streams_body,
)
from hipflask.front import exchange as exchange_module
from hipflask.front import sending
from hipflask.front.asgi import asgi_app


class Connection:
    """What a server holds of one request. It sends `messages`, then waits until `leave`."""

    def __init__(self, method="GET", path="/", body=None, messages=None, **scope):
        headers = [(b"host", b"localhost")]
        if body is not None:
            headers.append((b"content-length", str(len(body)).encode()))
        self.scope = {
            "type": "http", "method": method, "path": path, "headers": headers,
            "http_version": "1.1", "query_string": b"", **scope,
        }  # fmt: skip
        if messages is None:
            messages = [{"type": "http.request", "body": body or b""}]
        self.messages = list(messages)
        self.sent = []
        self.left = asyncio.Event()
        self.stalls = False

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if self.stalls:
            await asyncio.Event().wait()
        self.sent.append(message)

    async def answer(self, app):
        await asgi_app(app, self.scope, self.receive, self.send)
        return self.result() if self.sent else None

    def result(self):
        body = b"".join(m.get("body", b"") for m in self.sent[1:])
        return self.sent[0]["status"], dict(self.sent[0]["headers"]), body


def ask(app, *args, **kwargs):
    async def run():
        return await Connection(*args, **kwargs).answer(app)

    return asyncio.run(run())


@pytest.fixture
def app():
    app = Flask(__name__)
    app.view = lambda view, *rule, **more: app.add_url_rule(*rule or ["/"], "v", view, **more)
    return app


# --- responses ------------------------------------------------------------------------------


def test_pieces_come_as_they_are_made(app):
    def pieces():
        for number in range(200):
            yield f"{number} "

    async def later():
        for piece in pieces():
            yield piece

    wanted = "".join(pieces()).encode()
    for view in (pieces, later):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    for path in ("/pieces", "/later"):
        status, _, body = ask(app, path=path)
        assert (status, body) == (200, wanted)


def test_a_piece_is_sent_before_the_next_is_made(app):
    go_on = threading.Event()

    def pieces():
        yield b"first"
        assert go_on.wait(10)
        yield b"second"

    app.view(pieces)

    async def run():
        connection = Connection()
        answering = asyncio.ensure_future(connection.answer(app))
        while len(connection.sent) < 2:
            await asyncio.sleep(0)
        assert connection.sent[1]["body"] == b"first"
        go_on.set()
        return await answering

    assert asyncio.run(run())[2] == b"firstsecond"


def test_an_iterator_runs_no_further_ahead_than_it_may(app, monkeypatch):
    monkeypatch.setattr(sending, "AHEAD_BYTES", 10)
    made = []

    def pieces():
        for number in range(50):
            made.append(number)
            yield b"12345"

    app.view(pieces)

    async def run():
        connection = Connection()
        connection.stalls = True
        answering = asyncio.ensure_future(connection.answer(app))
        while not made:
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert len(made) <= 2
        connection.left.set()
        await answering

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_a_generator_keeps_the_request_it_was_wrapped_in(app, kind):
    ended = []
    app.teardown_request(ended.append)

    async def later():
        yield request.path
        await asyncio.sleep(0)
        yield request.method

    def plain():
        yield request.path
        yield request.method

    app.view(lambda: stream_with_context(later() if kind == "async" else plain()), "/p")
    assert ask(app, path="/p")[2] == b"/pGET"
    assert ended[-1] is None


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("kind", ["async", "plain"])
def test_no_body_where_none_belongs(app, method, status, kind):
    async def later():
        yield b"x"

    app.view(lambda: (later() if kind == "async" else iter([b"x"]), status))
    assert ask(app, method)[::2] == (status, b"")


def test_a_file_is_given_to_a_server_that_sends_files(app, tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"0123456789")
    app.view(lambda: send_file(path))
    assert ask(app)[2] == b"0123456789"

    async def run(*headers):
        connection = Connection(extensions={"http.response.pathsend": {}})
        connection.scope["headers"] += headers
        await connection.answer(app)
        return connection

    connection = asyncio.run(run())
    assert connection.sent[1:] == [{"type": "http.response.pathsend", "path": str(path)}]
    part = asyncio.run(run((b"range", b"bytes=2-4")))
    assert part.result()[::2] == (206, b"234")


def test_what_cannot_be_sent_is_a_500_and_one_line(app, caplog):
    app.view(lambda n: Response(iter([b"x"]), headers={"A": "\x01"}), "/bad/<int:n>")
    with caplog.at_level(logging.ERROR):
        assert ask(app, path="/bad/1")[0] == 500
    [record] = caplog.records
    assert "GET /bad/1 (route '/bad/<int:n>', endpoint 'v') could not be sent" in record.message
    assert "'A' has the value '\\x01'" in record.message


def test_a_body_that_fails_midway_is_not_ended(app, caplog):
    async def pieces():
        yield b"x"
        raise ValueError("on purpose")

    app.view(pieces)

    async def run():
        connection = Connection()
        await connection.answer(app)
        return connection.sent

    with caplog.at_level(logging.ERROR):
        sent = asyncio.run(run())
    assert [message.get("more_body") for message in sent] == [None, True]
    [record] = caplog.records
    assert record.exc_info[0] is ValueError


def test_a_client_that_takes_nothing_is_cut(app, caplog, monkeypatch):
    monkeypatch.setattr(exchange_module, "TICK_S", 0.001)
    app.config["RESPONSE_WRITE_TIMEOUT"] = 0.01
    closed = []

    async def pieces():
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    app.view(pieces)

    async def run():
        connection = Connection()
        connection.stalls = True
        await asgi_app(app, connection.scope, connection.receive, connection.send)

    asyncio.run(run())
    assert closed == [True]


# --- a client that leaves -------------------------------------------------------------------


def test_an_async_view_is_cancelled_and_torn_down_once(app):
    ended = []
    app.teardown_request(lambda error: ended.append(type(error)))
    app.teardown_appcontext(lambda error: ended.append(type(error)))
    began = []

    async def view():
        began.append(True)
        await asyncio.Event().wait()

    app.view(view)

    async def run():
        connection = Connection()
        connection.left.set()
        await asgi_app(app, connection.scope, connection.receive, connection.send)
        return connection.sent

    assert asyncio.run(run()) == []
    assert (began, ended) == ([True], [asyncio.CancelledError] * 2)


def test_many_requests_share_one_timer(app, monkeypatch):
    monkeypatch.setattr(dispatch, "WATCH_AFTER_S", 600)
    timers = []

    async def view():
        await asyncio.sleep(0)
        return "x"

    app.view(view)

    async def run():
        loop = asyncio.get_running_loop()
        call_later = loop.call_later
        loop.call_later = lambda delay, call, *args: (
            timers.append(call) or call_later(delay, call, *args)
        )
        for _ in range(20):
            await asyncio.gather(*(Connection().answer(app) for _ in range(10)))
        assert [call.__name__ for call in timers] == ["_tick"]
        watch = dispatch._watches[loop]
        assert (watch.latest, watch.young, watch._old) == (None, set(), set())

    asyncio.run(run())


def test_the_timer_stands_still_while_nothing_runs(app, monkeypatch):
    monkeypatch.setattr(dispatch, "WATCH_AFTER_S", 600)

    async def view():
        return "x"

    app.view(view)

    async def run():
        for _ in range(2):
            await Connection().answer(app)
            watch = dispatch._watches[asyncio.get_running_loop()]
            watch._tick()
            assert not dispatch._watches

    asyncio.run(run())


def test_a_cancellation_by_the_server_goes_on_to_the_server(app):
    async def view():
        await asyncio.Event().wait()

    app.view(view)

    async def run():
        answering = asyncio.ensure_future(Connection().answer(app))
        await asyncio.sleep(0.01)
        answering.cancel()
        await answering

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_a_generator_is_closed_when_the_client_leaves(app, kind):
    closed = threading.Event()

    async def later():
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            closed.set()

    def plain():
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    app.view(later if kind == "async" else plain)

    async def run():
        connection = Connection()
        answering = asyncio.ensure_future(connection.answer(app))
        while len(connection.sent) < 3:
            await asyncio.sleep(0)
        connection.left.set()
        await answering
        while not closed.is_set():
            await asyncio.sleep(0.001)

    asyncio.run(run())


def test_an_iterator_in_the_middle_of_a_step_is_closed_after_it(app):
    go_on, closed = threading.Event(), threading.Event()

    def pieces():
        try:
            yield b"x"
            go_on.wait(10)
            yield b"y"
        finally:
            closed.set()

    app.view(pieces)

    async def run():
        connection = Connection()
        answering = asyncio.ensure_future(connection.answer(app))
        while len(connection.sent) < 2:
            await asyncio.sleep(0)
        connection.left.set()
        await answering
        assert not closed.is_set()
        go_on.set()
        while not closed.is_set():
            await asyncio.sleep(0.001)

    asyncio.run(run())


# --- bodies that come in --------------------------------------------------------------------


def part(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_a_cut_body_reaches_error_handlers_and_hooks_but_no_view(app, colour):
    seen = []
    app.before_request(lambda: seen.append("before"))
    app.after_request(lambda response: seen.append("after") or response)
    app.register_error_handler(400, lambda error: ("handled", 400))

    async def view():
        seen.append("view")

    app.view(view if colour == "async" else lambda: seen.append("view"), methods=["POST"])
    answer = ask(app, "POST", body=b"abcdef", messages=[part(b"abc"), GONE])
    assert answer[::2] == (400, b"handled")
    short = ask(app, "POST", body=b"abcdef", messages=[part(b"abc", False)])
    assert short[::2] == (400, b"handled")
    assert seen == ["before", "after"] * 2


def test_http_2_without_a_length_is_411_unless_the_view_streams(app):
    @streams_body
    async def streams():
        return b"".join([chunk async for chunk in request.body_stream])

    app.view(lambda: "no", methods=["POST", "GET"])
    app.add_url_rule("/s", view_func=streams, methods=["POST"])
    chunks = [part(b"abc"), part(b"def", False)]
    assert ask(app, "POST", messages=chunks, http_version="2")[0] == 411
    assert ask(app, "GET", messages=[part(b"", False)], http_version="2")[0] == 200
    assert ask(app, "POST", "/s", messages=chunks, http_version="2")[2] == b"abcdef"


def test_a_hook_may_raise_the_limit_and_the_rest_is_read_then(app):
    app.config["MAX_CONTENT_LENGTH"] = 5

    @app.before_request
    def allow():
        if request.path == "/more":
            request.max_content_length = 10

    app.view(lambda: request.get_data(), "/", methods=["POST"])
    app.add_url_rule("/more", view_func=app.view_functions["v"], methods=["POST"], endpoint="m")
    assert ask(app, "POST", "/", body=b"1234567")[0] == 413
    assert ask(app, "POST", "/more", body=b"1234567")[2] == b"1234567"
    assert ask(app, "POST", "/more", body=b"1234567890a")[0] == 413


def test_an_untouched_large_body_does_not_matter(app):
    app.config["MAX_CONTENT_LENGTH"] = 5
    app.view(lambda: "ok", methods=["POST"])
    assert ask(app, "POST", body=b"1234567", messages=[])[2] == b"ok"


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_a_view_answers_while_the_body_still_comes(app, colour):
    @streams_body
    async def later():
        async for chunk in request.body_stream:
            return chunk

    @streams_body
    def plain():
        return next(request.body_stream)

    app.view(later if colour == "async" else plain, methods=["POST"])
    assert ask(app, "POST", body=b"abcdef", messages=[part(b"abc")])[2] == b"abc"
    cut = ask(app, "POST", body=b"abcdef", messages=[GONE])
    assert cut[0] == 400


def test_a_streaming_view_may_still_take_the_whole(app):
    app.view(streams_body(lambda: request.get_data()), methods=["POST"])
    assert ask(app, "POST", body=b"abc", messages=[part(b"ab"), part(b"c", False)])[2] == b"abc"
