"""Event streams, JSON lines and async bodies on the WSGI door, which needs no server."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextvars import ContextVar

import pytest

from hipflask import (
    Blueprint,
    Event,
    Flask,
    Response,
    ndjson,
    request,
    sse,
    stream_with_context,
    streams_body,
)
from hipflask.streams import _beating


@pytest.fixture
def app():
    return Flask(__name__)


def get(app, view, **more):
    app.add_url_rule("/", "view", view)
    return app.test_client().get("/", **more)


# --- events ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event, sent",
    [
        (Event("text"), "data: text\n\n"),
        (Event("two\nlines"), "data: two\ndata: lines\n\n"),
        (Event("a\r\nb\rc\u2028d"), "data: a\ndata: b\ndata: c\u2028d\n\n"),
        (Event(""), "data: \n\n"),
        (Event(b"bytes"), "data: bytes\n\n"),
        (Event({"a": 1}), 'data: {"a": 1}\n\n'),
        (Event(0), "data: 0\n\n"),
        (Event("x", "tick", "7", 100), "event: tick\nid: 7\nretry: 100\ndata: x\n\n"),
        (Event(comment="hello\nthere"), ": hello\n: there\n\n"),
    ],
)
def test_an_event_is_dumped(event, sent):
    assert event.dump().decode() == sent


@pytest.mark.parametrize("field", ["event", "id"])
@pytest.mark.parametrize("mark", ["\n", "\r", "\0"])
def test_a_field_with_a_line_break_is_refused(field, mark):
    with pytest.raises(ValueError, match=f"The {field} of a server-sent event"):
        Event("x", **{field: f"a{mark}data: b"}).dump()


def test_plain_and_async_events_are_sent_alike(app):
    def plain():
        yield Event("one", id="1")
        yield {"n": 2}

    async def later():
        for event in plain():
            yield event

    app.add_url_rule("/plain", "plain", lambda: sse(plain(), retry=500))
    app.add_url_rule("/later", "later", lambda: sse(later(), retry=500))
    client = app.test_client()
    for path in ("/plain", "/later"):
        answer = client.get(path)
        assert answer.mimetype == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.text == ': \nretry: 500\n\nid: 1\ndata: one\n\ndata: {"n": 2}\n\n'


def test_a_quiet_stream_sends_comments_and_is_cancelled_when_closed():
    ended = []

    async def quiet():
        try:
            await asyncio.Event().wait()
            yield Event("never")
        finally:
            ended.append(True)

    async def run():
        stream = _beating(quiet(), 0.001, b"first", str)
        got = [await anext(stream) for _ in range(3)]
        await stream.aclose()
        return got

    assert asyncio.run(run()) == [b"first", b":\n\n", b":\n\n"]
    assert ended == [True]


def test_last_event_id(app):
    answer = get(app, lambda: str(request.last_event_id), headers={"Last-Event-ID": "41"})
    assert answer.text == "41"
    assert app.test_client().get("/").text == "None"


def test_a_stream_outside_an_application_is_refused():
    with pytest.raises(RuntimeError, match="inside a view"):
        sse([])


# --- lines of JSON --------------------------------------------------------------------------


def test_lines_of_json(app):
    async def later():
        yield {"row": 1}
        yield [2]

    answer = get(app, lambda: ndjson(iter([{"row": 1}, [2]])))
    assert (answer.mimetype, answer.text) == ("application/x-ndjson", '{"row": 1}\n[2]\n')
    app.view_functions["view"] = lambda: ndjson(later())
    assert app.test_client().get("/").text == answer.text


# --- async bodies under WSGI ----------------------------------------------------------------


async def pieces():
    yield "text "
    await asyncio.sleep(0)
    yield b"bytes"


@pytest.mark.parametrize(
    "make", [pieces, lambda: Response(pieces()), lambda: (pieces(), 201, {"X-A": "1"})]
)
def test_an_async_generator_is_a_body(app, make):
    assert get(app, make).data == b"text bytes"


def test_an_async_view_may_return_one(app):
    async def view():
        return pieces()

    assert get(app, view).data == b"text bytes"


def test_an_async_body_left_halfway_is_closed(app):
    ended = []

    async def endless():
        try:
            while True:
                yield b"x"
        finally:
            ended.append(True)

    app.add_url_rule("/", "view", endless)
    answer = app.test_client().get("/", buffered=False)
    assert next(iter(answer.response)) == b"x"
    answer.close()
    gc.collect()
    assert ended == [True]


def test_an_async_body_sees_the_request_it_was_wrapped_in(app):
    ended = []
    app.teardown_request(ended.append)

    async def names():
        yield request.args["name"]
        await asyncio.sleep(0)
        yield request.path

    answer = get(app, lambda: stream_with_context(names()), query_string={"name": "n"})
    assert answer.text == "n/"
    assert ended == [None, None]


# --- bodies that come in --------------------------------------------------------------------


def test_a_body_is_taken_in_chunks(app):
    @app.post("/plain")
    @streams_body
    def plain():
        return {"sizes": [len(chunk) for chunk in request.body_stream]}

    @app.post("/later")
    @streams_body
    async def later():
        return {"sizes": [len(chunk) async for chunk in request.body_stream]}

    client = app.test_client()
    for path in ("/plain", "/later"):
        assert client.post(path, data=b"x" * 100_000).json == {"sizes": [65536, 34464]}
        assert client.post(path).json == {"sizes": []}


def test_a_body_over_the_limit_is_413_where_it_is_read(app):
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.post("/")
    @streams_body
    def view():
        return str(sum(map(len, request.body_stream)))

    assert app.test_client().post("/", data=b"x" * 11).status_code == 413
    assert app.test_client().post("/", data=b"x" * 10).text == "10"


# --- stream=True, an option of the rule -----------------------------------------------------


def by_route(app, view):
    app.post("/", stream=True)(view)


def by_rule(app, view):
    app.add_url_rule("/", view_func=view, methods=["POST"], stream=True)


def by_blueprint(app, view):
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__)
    inner.route("/", methods=["POST"], stream=True)(view)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)


@pytest.mark.parametrize("register", [by_route, by_rule, by_blueprint])
@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_a_rule_may_leave_the_body_to_its_view(app, register, door):
    was_read = []

    def view():
        # Read before the view it would be bytes by now, or a file.
        was_read.append(isinstance(request._exchange.body, bytes))
        return {"size": sum(map(len, request.body_stream))}

    register(app, view)
    app.post("/read")(view)
    client = app.test_client(door=door)
    assert client.post("/", data=b"x" * 1000).json == {"size": 1000}
    assert client.post("/read", data=b"x" * 1000).json == {"size": 1000}
    assert was_read == [False, True]


def test_the_option_counts_for_its_rule_alone(app):
    app.post("/streams", stream=True, endpoint="a")(lambda: "ok")
    app.post("/reads", endpoint="b", stream=False)(lambda: "ok")
    assert [rule.streams_body for rule in app.url_map.iter_rules() if rule.endpoint in "ab"] == [
        True,
        False,
    ]
    assert app.test_client().post("/streams").text == "ok"


# --- plain events on an event loop ----------------------------------------------------------


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_plain_events_get_a_heartbeat_on_an_async_door(app, door):
    go_on = threading.Event()
    who = ContextVar("who", default=0)
    ended = threading.Event()

    def events():
        try:
            for number in range(3):
                who.set(who.get() + 1)
                yield Event(who.get())
                if not number:
                    assert go_on.wait(10)
        finally:
            ended.set()

    app.add_url_rule("/", "view", lambda: sse(events(), heartbeat_s=0.001))
    pieces = app.test_client(door=door).get("/").iter_encoded()
    while next(pieces) != b"data: 1\n\n":
        pass  # where the machine is busy, a comment may come before it as well
    assert [next(pieces) for _ in range(2)] == [b":\n\n"] * 2
    go_on.set()
    assert [piece for piece in pieces if piece != b":\n\n"] == [b"data: 2\n\n", b"data: 3\n\n"]
    assert ended.wait(10)


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_plain_events_that_wait_are_closed_after_their_step(app, door):
    go_on, ended = threading.Event(), threading.Event()

    def events():
        try:
            yield "one"
            go_on.wait(10)
            yield "two"
        finally:
            ended.set()

    app.add_url_rule("/", "view", lambda: sse(events(), heartbeat_s=0.001))
    answer = app.test_client(door=door).get("/")
    pieces = answer.iter_encoded()
    while next(pieces) != b"data: one\n\n":
        pass  # as above
    assert next(pieces) == b":\n\n"
    answer.close()
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(10)


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_plain_events_that_fail_cut_the_stream_and_are_logged(app, door, caplog):
    def events():
        yield "one"
        raise ValueError("on purpose")

    app.add_url_rule("/", "view", lambda: sse(events()))
    assert app.test_client(door=door).get("/").data == b": \n\ndata: one\n\n"
    assert [record.exc_info[0] for record in caplog.records] == [ValueError]


def test_an_event_may_wait_without_heartbeat_and_without_close(app):
    app.add_url_rule("/", "view", lambda: sse(iter(["one"]), heartbeat_s=None))
    assert app.test_client(door="asgi").get("/").text == ": \n\ndata: one\n\n"
