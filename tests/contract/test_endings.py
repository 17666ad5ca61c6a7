"""How a request may end other than well: given up, cut off, refused by the server, in threads."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from .catalog import get
from .harness import environ_of, ring_wsgi

WAYS = ("close at once", "close after one", "read all", "read all and close twice")


def streaming_app(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_endings", static_folder=None)
    app.teardown_request(lambda error: log.append(("teardown", type(error).__name__)))
    app.teardown_appcontext(lambda error: log.append(("app", type(error).__name__)))

    def chunks() -> Any:
        try:
            for n in range(5):
                yield f"{n}{fl.request.path}"
        finally:
            log.append("generator ended")

    @app.route("/context")
    def context() -> Any:
        response = fl.Response(fl.stream_with_context(chunks()))
        response.call_on_close(lambda: log.append("response closed"))
        return response

    @app.route("/plain")
    def plain() -> Any:
        response = fl.Response(str(n) for n in range(5))
        response.call_on_close(lambda: log.append("response closed"))
        return response

    app.add_url_rule("/text", "text", lambda: "text")
    app.add_url_rule("/where/<n>", "where", lambda n: f"{n} {fl.request.path} {fl.g.get('n')}")
    app.add_url_rule("/g/<n>", "g", lambda n: setattr(fl.g, "n", n) or str(fl.g.n))
    return app


def end(app: Any, path: str, way: str) -> list[bytes]:
    """Call the app and stop listening in the named way."""
    body = app(environ_of(get(path)), lambda line, headers, exc_info=None: None)
    parts = iter(body)
    got: list[bytes] = []
    if way == "close after one":
        got.append(next(parts))
    elif way.startswith("read all"):
        got += list(parts)
    for _ in range(2 if way.endswith("twice") else 1):
        if hasattr(body, "close"):
            body.close()
    return got


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/context", "/plain", "/text"])
def test_an_answer_given_up_is_torn_down_as_in_flask(
    real: ModuleType, hip: ModuleType, path: str, way: str
) -> None:
    seen = []
    for fl in (real, hip):
        log: list[Any] = []
        app = streaming_app(fl, log)
        got = end(app, path, way)
        seen.append((got, log))
        assert not fl.has_request_context()
        assert not fl.has_app_context()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("path", ["/context", "/plain", "/text"])
def test_an_answer_dropped_unread_leaves_no_context_behind(hip: ModuleType, path: str) -> None:
    app = streaming_app(hip, [])
    body = app(environ_of(get(path)), lambda line, headers, exc_info=None: None)
    next(iter(body))
    del body
    gc.collect()
    assert not hip.has_request_context()
    assert not hip.has_app_context()
    assert ring_wsgi(app, get("/where/1")).body == b"1 /where/1 None"


@pytest.mark.parametrize("path", ["/context", "/plain", "/text"])
def test_a_server_that_refuses_the_answer_still_gets_a_teardown(
    real: ModuleType, hip: ModuleType, path: str
) -> None:
    seen = []
    for fl in (real, hip):
        log: list[Any] = []
        app = streaming_app(fl, log)

        def refuse(line: str, headers: Any, exc_info: Any = None) -> Any:
            raise ConnectionResetError("gone")

        with pytest.raises(ConnectionResetError):
            app(environ_of(get(path)), refuse)
        assert not fl.has_request_context()
        gc.collect()
        seen.append(sorted(map(str, log)))
    assert seen[0] == seen[1]


def test_threads_do_not_see_one_another(hip: ModuleType) -> None:
    app = streaming_app(hip, [])

    def visit(n: int) -> bool:
        path = "/g" if n % 3 == 0 else "/where"
        body = ring_wsgi(app, get(f"{path}/{n}")).body.decode()
        return body == (str(n) if n % 3 == 0 else f"{n} /where/{n} None")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(visit, range(2_000)))
