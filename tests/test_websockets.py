"""WebSockets as views and tests see them; through servers in front/test_websocket.py."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest
from werkzeug.datastructures import Headers

from hipflask import (
    Blueprint,
    Flask,
    WebSocket,
    WebSocketDisconnected,
    abort,
    g,
    has_request_context,
    request,
    session,
    url_for,
    websocket,
)
from hipflask import websockets as module
from hipflask.scaffold import SetupError
from hipflask.socketclient import WebSocketRefused


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config.update(TESTING=True, SECRET_KEY="for tests")
    return app


def refusal(app: Flask, path: str, **options: Any) -> Any:
    """The response that refuses a connection."""
    with pytest.raises(WebSocketRefused) as caught:
        with app.test_client().websocket(path, **options):
            pass
    return caught.value.response


def end_of(app: Flask, path: str, *messages: str | bytes, **options: Any) -> tuple[int, str]:
    """Code and reason that the application closes with."""
    with app.test_client().websocket(path, **options) as client:
        for message in messages:
            client.send(message)
        with pytest.raises(WebSocketDisconnected) as caught:
            while True:
                client.receive()
        return caught.value.code, caught.value.reason


def echo_on(app: Flask) -> None:
    @app.websocket("/echo")
    async def echo() -> None:
        async for message in websocket:
            await websocket.send(message)


def test_text_and_bytes_come_back(app: Flask) -> None:
    echo_on(app)
    with app.test_client().websocket("/echo") as client:
        for message in ("hé", b"\x00\xff", "", b""):
            client.send(message)
            assert client.receive() == message


def test_url_variables_and_what_the_handshake_holds(app: Flask) -> None:
    @app.websocket("/ws/<room>/<int:seat>")
    async def chat(room: str, seat: int) -> None:
        assert websocket.view_args == {"room": room, "seat": seat}
        await websocket.send_json(
            [room, seat, websocket.path, websocket.args["q"], websocket.headers["X-A"],
             websocket.endpoint, websocket.scheme, request.path, url_for("chat", room="b", seat=1)]
        )  # fmt: skip

    with app.test_client().websocket("/ws/a/7?q=1", headers={"X-A": "x"}) as client:
        assert client.receive_json() == [
            "a", 7, "/ws/a/7", "1", "x", "chat", "ws", "/ws/a/7", "ws://localhost/ws/b/1"
        ]  # fmt: skip


@pytest.mark.parametrize("where", ["hook", "view"])
def test_a_session_changed_before_accept_is_sent_with_the_handshake(app: Flask, where: str) -> None:
    @app.before_websocket
    def visit() -> None:
        if where == "hook":
            session["seen"] = websocket.path

    @app.websocket("/ws")
    async def view() -> None:
        if where == "view":
            session["seen"] = websocket.path
        await websocket.accept(headers={"X-A": "1"})
        session["late"] = "is not sent"
        await websocket.send("hello")

    @app.websocket("/quiet")
    async def quiet() -> None:
        await websocket.send("hello")

    app.add_url_rule("/seen", "seen", lambda: dict(session))
    client = app.test_client()
    with client.websocket("/ws") as connection:
        assert connection.headers["X-A"] == "1"
        [cookie] = connection.headers.getlist("Set-Cookie")
    name, _, value = cookie.partition(";")[0].partition("=")
    client.set_cookie(name, value)
    assert client.get("/seen").json == {"seen": "/ws"}
    if where == "view":
        with client.websocket("/quiet") as connection:
            assert "Set-Cookie" not in connection.headers


def test_a_permanent_session_is_refreshed_by_a_handshake(app: Flask) -> None:
    @app.websocket("/ws")
    async def view() -> None:
        await websocket.send("hello")

    client = app.test_client()
    with client.session_transaction() as kept:
        kept.permanent = True
    with client.websocket("/ws") as connection:
        assert connection.headers["Set-Cookie"].startswith("session=")


def test_a_session_changed_before_a_refusal_is_sent_with_it(app: Flask) -> None:
    @app.websocket("/ws")
    async def view() -> None:
        session["refused"] = True
        abort(403)

    assert refusal(app, "/ws").headers["Set-Cookie"].startswith("session=")


def test_a_session_that_the_server_cannot_send_is_logged(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []

    class Door:
        closes_unread = sends_fields = False

        def __init__(self, exchange: Any) -> None:
            self.exchange = exchange

        async def accept(self, subprotocol: Any, fields: Any) -> None:
            sent.append(fields)

        async def receive(self) -> Any:
            return module.Ended(1000)

        async def close(self, code: int, reason: str) -> None: ...

        def release(self) -> None: ...

    @app.websocket("/ws")
    async def view() -> None:
        session["n"] = 1
        await websocket.accept()

    class Exchange:
        method, path, scheme, root_path = "GET", "/ws", "ws", ""
        query_string, server, joined_headers = b"", ("localhost", 80), Headers({"Host": "h"})

        def header(self, name: str) -> str | None:
            return "h" if name == "host" else None

        def environ(self, request: Any) -> dict[str, Any]:
            return app.test_request_context("/ws").request.environ

    asyncio.run(module.serve(app, Door(Exchange())))
    assert sent == [[]]
    [record] = caplog.records
    assert "'/ws' was accepted, and its cookie cannot be sent" in record.message


def test_a_parameter_annotated_websocket_gets_it(app: Flask) -> None:
    @app.websocket("/named/<room>")
    async def named(room: str, socket: WebSocket) -> None:
        assert socket is websocket._get_current_object()
        await socket.send(room)

    with app.test_client().websocket("/named/a") as client:
        assert client.receive() == "a"


def test_a_plain_function_is_refused_at_registration(app: Flask) -> None:
    def view() -> None: ...

    for scaffold in (app, Blueprint("b", __name__)):
        with pytest.raises(SetupError, match=r"view.*test_websockets.py:\d+.*async def"):
            scaffold.websocket("/x")(view)
    assert "view" not in app.view_functions


def test_http_and_websocket_rules_share_a_path(app: Flask) -> None:
    @app.get("/both")
    def page() -> str:
        return "page"

    @app.websocket("/both")
    async def socket() -> None:
        await websocket.send("socket")

    client = app.test_client()
    assert client.get("/both").text == "page"
    with client.websocket("/both") as connection:
        assert connection.receive() == "socket"
    assert client.post("/both").status_code == 405


def test_no_rule_and_a_page_are_404(app: Flask) -> None:
    app.get("/page")(lambda: "page")
    echo_on(app)
    assert refusal(app, "/none").status_code == 404
    assert refusal(app, "/page").status_code == 404
    assert app.test_client().get("/echo").status_code == 400


def test_a_rule_added_later_is_found(app: Flask) -> None:
    assert refusal(app, "/echo").status_code == 404
    app._got_first_request = False
    echo_on(app)
    with app.test_client().websocket("/echo"):
        pass


def test_rules_on_a_host_are_matched(app: Flask) -> None:
    app = Flask(__name__, host_matching=True, static_host="localhost")
    app.testing = True

    @app.websocket("/x", host="<name>.example")
    async def view(name: str) -> None:
        await websocket.send(name)

    with app.test_client().websocket("/x", base_url="http://a.example") as client:
        assert client.receive() == "a"
    assert refusal(app, "/x", base_url="http://a.other").status_code == 404


class Move(msgspec.Struct):
    x: int
    y: int


def test_json_is_read_as_a_type_and_structs_are_sent(app: Flask) -> None:
    @app.websocket("/move")
    async def move() -> None:
        assert await websocket.receive_json() == {"a": [1]}
        got = await websocket.receive_json(type=Move)
        await websocket.send_json(Move(got.y, got.x))
        await websocket.send_json(a=1)
        await websocket.send_json(1, 2)

    with app.test_client().websocket("/move") as client:
        client.send_json({"a": [1]})
        client.send('{"x": 1, "y": 2}')
        assert client.receive_json() == {"x": 2, "y": 1}
        assert client.receive_json() == {"a": 1}
        assert client.receive_json() == [1, 2]


@pytest.mark.parametrize("message", ["no", '{"x": 1}', '{"x": "1", "y": 2}', b"\xff", "[" * 9999])
def test_a_message_that_is_not_the_json_asked_for_closes_with_1007(
    app: Flask, message: str | bytes
) -> None:
    @app.websocket("/move")
    async def move() -> None:
        await websocket.receive_json(type=Move)

    assert end_of(app, "/move", message)[0] == 1007


def test_what_cannot_be_sent_is_refused_before_the_server_sees_it(app: Flask) -> None:
    @app.websocket("/x")
    async def view() -> None:
        with pytest.raises(TypeError, match="send_json"):
            await websocket.send({"a": 1})  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="not both"):
            await websocket.send_json(1, a=1)
        with pytest.raises(UnicodeEncodeError):
            await websocket.send("\ud800")
        with pytest.raises(ValueError, match="cannot be sent"):
            await websocket.accept(headers={"X": "a\x00b"})
        await websocket.send(memoryview(b"ok"))  # type: ignore[arg-type]

    with app.test_client().websocket("/x") as client:
        assert client.receive() == b"ok"


def test_a_subprotocol_is_one_of_those_offered(app: Flask) -> None:
    @app.websocket("/x")
    async def view() -> None:
        assert websocket.requested_subprotocols == ["a", "b"]
        with pytest.raises(ValueError, match="was not offered"):
            await websocket.accept(subprotocol="c")
        with pytest.raises(ValueError, match="no token"):
            await websocket.accept(subprotocol="ä")
        await websocket.accept(subprotocol="b")
        await websocket.accept()
        assert websocket.subprotocol == "b"

    with app.test_client().websocket("/x", subprotocols=["a", "b"]) as client:
        assert client.subprotocol == "b"


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, "1000"])
def test_a_code_that_may_not_be_sent_is_refused(app: Flask, code: Any) -> None:
    @app.websocket("/x")
    async def view() -> None:
        await websocket.accept()
        with pytest.raises(ValueError, match="may not be sent"):
            await websocket.close(code)
        with pytest.raises(ValueError, match="123 bytes"):
            await websocket.close(1000, "é" * 62)
        await websocket.close(4999, "é" * 61)
        await websocket.close(1000)

    assert end_of(app, "/x") == (4999, "é" * 61)


def test_closing_before_accept_refuses_with_403(app: Flask) -> None:
    @app.websocket("/x")
    async def view() -> None:
        await websocket.close()
        with pytest.raises(WebSocketDisconnected):
            await websocket.accept()

    @app.websocket("/nothing")
    async def nothing() -> None: ...

    assert refusal(app, "/x").status_code == 403
    assert refusal(app, "/nothing").status_code == 403


def test_refused_by_abort_or_by_a_response(app: Flask) -> None:
    @app.websocket("/abort/<int:code>")
    async def aborting(code: int) -> None:
        abort(code)

    @app.websocket("/answer")
    async def answer() -> Any:
        return {"no": "way"}, 451, {"X-Why": "law"}

    for code in (401, 404, 503):
        assert refusal(app, f"/abort/{code}").status_code == code
    response = refusal(app, "/answer")
    assert (response.status_code, response.headers["X-Why"]) == (451, "law")
    assert response.get_json() == {"no": "way"}


def test_an_unhandled_exception_is_500_or_1011_and_logged_once(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.websocket("/early")
    async def early() -> None:
        raise LookupError("early")

    @app.websocket("/late")
    async def late() -> None:
        await websocket.accept()
        raise LookupError("late")

    with caplog.at_level(logging.ERROR):
        assert refusal(app, "/early").status_code == 500
        assert end_of(app, "/late")[0] == 1011
    assert [record.message for record in caplog.records] == [
        "Exception on /early [GET]",
        "Exception on /late [GET]",
    ]


def test_in_tests_the_exception_comes_out_of_the_client(app: Flask) -> None:
    @app.websocket("/early")
    async def early() -> None:
        raise LookupError("early")

    @app.websocket("/late")
    async def late() -> None:
        await websocket.receive()
        raise LookupError("late")

    with pytest.raises(LookupError, match="early"):
        with app.test_client().websocket("/early"):
            pass
    with pytest.raises(LookupError, match="late"):
        with app.test_client().websocket("/late") as client:
            client.send("go")
            with pytest.raises(WebSocketDisconnected):
                client.receive()


def test_an_http_error_after_accept_is_1008_or_1011(app: Flask) -> None:
    @app.websocket("/<int:code>")
    async def view(code: int) -> None:
        await websocket.accept()
        abort(code)

    assert end_of(app, "/403")[0] == 1008
    assert end_of(app, "/503")[0] == 1011


def test_error_handlers_answer_and_may_still_send(app: Flask) -> None:
    blueprint = Blueprint("b", __name__, url_prefix="/b")

    @blueprint.errorhandler(LookupError)
    async def handle(error: LookupError) -> tuple[str, int]:
        if websocket.accepted:
            await websocket.send("sorry")
            await websocket.close(4000)
        return "handled", 418

    @app.errorhandler(404)
    def lost(error: Exception) -> tuple[str, int]:
        return "nothing here", 404

    @blueprint.websocket("/<when>")
    async def view(when: str) -> None:
        if when == "late":
            await websocket.accept()
        raise LookupError

    app.register_blueprint(blueprint)
    assert refusal(app, "/b/early").status_code == 418
    with app.test_client().websocket("/b/late") as client:
        assert client.receive() == "sorry"
        with pytest.raises(WebSocketDisconnected, match="4000"):
            client.receive()
    assert refusal(app, "/none").data == b"nothing here"


def test_hooks_run_in_order_around_the_view(app: Flask) -> None:
    said: list[str] = []
    blueprint = Blueprint("b", __name__)

    def say(word: str, answer: Any = None) -> Any:
        said.append(word)
        return answer

    app.before_websocket(lambda: say("before app"))
    app.after_websocket(lambda response: say("after app", response))
    app.teardown_websocket(lambda error: say(f"teardown app {error}"))
    app.teardown_appcontext(lambda error: say(f"teardown context {error}"))
    app.before_request(lambda: say("before request"))
    app.after_request(lambda response: say("after request", response))
    app.teardown_request(lambda error: say("teardown request"))
    blueprint.before_app_websocket(lambda: say("before app from blueprint"))

    @blueprint.before_websocket
    async def before() -> None:
        say("before blueprint")

    blueprint.after_websocket(lambda response: say(f"after blueprint {response}", response))
    blueprint.after_app_websocket(lambda response: say("after app from blueprint", response))
    blueprint.teardown_websocket(lambda error: say("teardown blueprint"))
    blueprint.teardown_app_websocket(lambda error: say("teardown app from blueprint"))

    @blueprint.websocket("/x")
    async def view() -> None:
        say("view")
        await websocket.receive()

    app.register_blueprint(blueprint)
    with app.test_client().websocket("/x") as client:
        client.send("end")
    assert said == [
        "before app", "before app from blueprint", "before blueprint", "view",
        "after blueprint None", "after app from blueprint", "after app", "teardown blueprint",
        "teardown app from blueprint", "teardown app None", "teardown context None",
    ]  # fmt: skip


def test_a_hooks_answer_refuses_and_the_hook_after_may_change_it(app: Flask) -> None:
    echo_on(app)
    app.before_websocket(lambda: ("not today", 503))

    @app.after_websocket
    def add(response: Any) -> Any:
        response.headers["Retry-After"] = "5"
        return response

    response = refusal(app, "/echo")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


def test_the_session_and_g_are_there_and_end_with_the_view(app: Flask) -> None:
    @app.websocket("/who")
    async def who() -> None:
        g.name = session.get("name")
        assert has_request_context()
        await websocket.send(g.name or "nobody")

    client = app.test_client()
    with client.websocket("/who") as connection:
        assert connection.receive() == "nobody"
    with client.session_transaction() as saved:
        saved["name"] = "ada"
    with client.websocket("/who") as connection:
        assert connection.receive() == "ada"
    with pytest.raises(RuntimeError, match="outside of a WebSocket"):
        websocket.path
    with app.test_request_context(), pytest.raises(RuntimeError, match="outside of a WebSocket"):
        websocket.path


@pytest.mark.parametrize(
    ("message", "closed"),
    [
        ("x" * 8, False),
        ("x" * 9, True),
        ("é" * 4, False),
        ("é" * 4 + "x", True),
        (b"123456789", True),
    ],
)
def test_a_message_over_the_limit_closes_with_1009(
    app: Flask, message: str | bytes, closed: bool
) -> None:
    app.config["WEBSOCKET_MAX_MESSAGE_BYTES"] = 8
    echo_on(app)
    if closed:
        assert end_of(app, "/echo", message)[0] == 1009
    else:
        with app.test_client().websocket("/echo") as client:
            client.send(message)
            assert client.receive() == message


def test_a_silent_connection_is_closed_with_1001(app: Flask) -> None:
    app.config["WEBSOCKET_IDLE_S"] = 0.01
    echo_on(app)
    assert end_of(app, "/echo") == (1001, "idle for too long")


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        ((), "http://localhost", 101),
        ((), "http://localhost:80", 101),
        ((), "https://localhost", 101),
        ((), "http://localhost:8000", 403),
        ((), "http://evil.example", 403),
        ((), "null", 403),
        ((), "", 403),
        ((), "http://[", 403),
        (("https://a.example",), "https://a.example", 101),
        ("https://a.example", "https://a.example", 101),
        ("https://a.example", "https://a.exampl", 403),
        ("*", "http://evil.example", 101),
    ],
)
def test_a_page_of_another_site_is_refused(
    app: Flask, allowed: Any, origin: str, status: int
) -> None:
    app.config["WEBSOCKET_ORIGINS"] = allowed
    echo_on(app)
    if status == 101:
        with app.test_client().websocket("/echo", headers={"Origin": origin}):
            pass
    else:
        assert refusal(app, "/echo", headers={"Origin": origin}).status_code == status


def test_a_client_that_goes_is_told_with_its_code_and_torn_down_once(app: Flask) -> None:
    told: list[Any] = []
    app.teardown_websocket(lambda error: told.append(error))

    @app.websocket("/x")
    async def view() -> None:
        try:
            await websocket.receive()
        except WebSocketDisconnected as end:
            told.append((end.code, end.reason, websocket.close_code, websocket.close_reason))
            raise

    with app.test_client().websocket("/x") as client:
        client.close(4001, "bye")
    assert told == [(4001, "bye", 4001, "bye"), None]


def test_a_view_that_looks_elsewhere_is_cancelled_after_its_grace(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.01)
    ends: list[Any] = []
    app.teardown_websocket(lambda error: ends.append(error))

    @app.websocket("/x")
    async def view() -> None:
        await websocket.accept()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    with app.test_client().websocket("/x"):
        pass
    assert ends == ["cancelled", None]


def test_a_view_that_knows_may_take_its_time(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.001)
    ends: list[str] = []

    @app.websocket("/x")
    async def view() -> None:
        async for _ in websocket:
            pass
        await asyncio.sleep(0.01)
        ends.append("saved")

    with app.test_client().websocket("/x"):
        pass
    assert ends == ["saved"]


def test_sending_after_the_end_raises(app: Flask) -> None:
    @app.websocket("/x")
    async def view() -> None:
        async for _ in websocket:
            pass
        with pytest.raises(WebSocketDisconnected):
            await websocket.send("late")
        await websocket.close()

    with app.test_client().websocket("/x") as client:
        client.close()
        with pytest.raises(WebSocketDisconnected):
            client.send("late")


def test_a_cancelled_receive_loses_nothing(app: Flask) -> None:
    @app.websocket("/x")
    async def view() -> None:
        await websocket.accept()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await websocket.receive()
        await websocket.send("ready")
        await websocket.send(await websocket.receive())

    with app.test_client().websocket("/x") as client:
        assert client.receive() == "ready"
        client.send("kept")
        assert client.receive() == "kept"


def test_the_server_is_asked_for_a_few_messages_ahead_only(app: Flask) -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 1:
            return {"type": "websocket.connect"}
        return {"type": "websocket.receive", "text": str(asked)}

    async def send(message: dict[str, Any]) -> None: ...

    @app.websocket("/x")
    async def view() -> None:
        await websocket.accept()
        for _ in range(50):
            await asyncio.sleep(0)
        assert asked == 1 + module.QUEUED_MESSAGES
        assert [await websocket.receive() for _ in range(8)] == [str(n) for n in range(2, 10)]
        await websocket.close()

    scope = {"type": "websocket", "path": "/x", "headers": [(b"host", b"localhost")]}
    asyncio.run(app.asgi(scope, receive, send))
    assert asked > 1


def test_two_tasks_may_use_the_connection(app: Flask) -> None:
    @app.websocket("/x")
    async def view() -> None:
        async def count() -> None:
            for number in range(3):
                await websocket.send(str(number))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(count())
            tasks.create_task(count())
            assert await websocket.receive() == "hello"

    with app.test_client().websocket("/x") as client:
        client.send("hello")
        assert sorted(str(client.receive()) for _ in range(6)) == ["0", "0", "1", "1", "2", "2"]


def test_a_server_that_cancels_is_obeyed_and_teardown_runs_once(app: Flask) -> None:
    ends: list[Any] = []
    sent: list[Any] = []
    app.teardown_websocket(lambda error: ends.append(type(error)))
    echo_on(app)

    async def run() -> None:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        queue.put_nowait({"type": "websocket.connect"})
        accepted = asyncio.Event()

        async def send(message: dict[str, Any]) -> None:
            accepted.set()
            sent.append(message.get("code"))

        scope = {"type": "websocket", "path": "/echo", "headers": [(b"host", b"localhost")]}
        task = asyncio.create_task(app.asgi(scope, queue.get, send))
        await accepted.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())
    assert ends == [asyncio.CancelledError]
    assert sent == [None, 1001]


def test_the_async_client_runs_on_the_tests_own_loop(app: Flask) -> None:
    echo_on(app)

    async def talk() -> None:
        async with app.test_client().websocket("/echo") as client:
            await client.send("hi")
            assert await client.receive() == "hi"
            await client.send_json({"a": 1})
            assert await client.receive_json() == {"a": 1}

    asyncio.run(talk())


def test_a_replaced_session_interface_opens_its_session(app: Flask) -> None:
    from hipflask.sessions import SecureCookieSessionInterface

    opened: list[str] = []

    class Noting(SecureCookieSessionInterface):
        def open_session(self, app: Any, request: Any) -> Any:
            opened.append(request.path)
            return super().open_session(app, request)

    app.session_interface = Noting()
    echo_on(app)
    with app.test_client().websocket("/echo"):
        pass
    assert opened == ["/echo"]


def test_url_value_preprocessors_run(app: Flask) -> None:
    app.url_value_preprocessor(lambda endpoint, values: values and values.pop("lang", None))

    @app.websocket("/<lang>/x")
    async def view() -> None:
        await websocket.send("ok")

    with app.test_client().websocket("/en/x") as client:
        assert client.receive() == "ok"
