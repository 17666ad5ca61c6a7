"""How large a head may be."""

from __future__ import annotations

import pytest

from hipflask import Flask, request
from hipflask.guards import limit_heads

DOORS = ("wsgi", "asgi", "rsgi")


def make_app(**config):
    app = Flask(__name__)
    app.config.update(config)
    limit_heads(app)
    app.add_url_rule("/", "index", lambda: "in", methods=["GET", "POST"])
    app.add_url_rule("/<path:rest>", "rest", lambda rest: "in")
    return app


CASES = {
    "a long path": (414, {"path": "/" + "a" * 8200}),
    "a long query": (414, {"path": "/?a=" + "a" * 8200}),
    "many pairs": (400, {"path": "/?" + "a&" * 1001}),
    "a long head": (431, {"headers": {"X-A": "a" * 33_000}}),
    "many fields": (431, {"headers": {f"X-{n}": "a" for n in range(101)}}),
    "many ranges": (416, {"headers": {"Range": "bytes=" + ",".join("0-0" for _ in range(17))}}),
    "many languages": (400, {"headers": {"Accept-Language": ",".join(["en"] * 65)}}),
    "many types": (400, {"headers": {"Accept": ",".join(["a/b"] * 65)}}),
    "many tags": (400, {"headers": {"If-None-Match": ",".join(['"a"'] * 65)}}),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", CASES)
def test_past_a_limit_is_refused(door, name):
    status, options = CASES[name]
    client = make_app().test_client(door=door)
    assert client.get(**{"path": "/", **options}).status_code == status


@pytest.mark.parametrize("door", DOORS)
def test_cookies_are_counted_and_measured(door):
    client = make_app().test_client(door=door, use_cookies=False)
    assert client.get("/", headers={"Cookie": "a=b; " * 201}).status_code == 431
    assert client.get("/", headers={"Cookie": "a=" + "b" * 8192}).status_code == 431
    assert client.get("/", headers={"Cookie": "a=b; " * 150}).status_code == 200


@pytest.mark.parametrize("door", DOORS)
def test_up_to_a_limit_is_let_in(door):
    client = make_app().test_client(door=door)
    pairs = "&".join(f"a{n}=1" for n in range(1000))
    for options in (
        {"path": "/?" + pairs},
        {"headers": {"Accept-Language": ",".join(["en"] * 64)}},
        {"headers": {"Range": "bytes=" + ",".join("0-0" for _ in range(16))}},
        {"headers": {f"X-{n}": "a" for n in range(90)}},
    ):
        assert client.get(**{"path": "/", **options}).status_code == 200


def test_none_is_no_limit():
    client = make_app(MAX_URL_BYTES=None, MAX_QUERY_PAIRS=None, MAX_HEAD_FIELDS=None).test_client()
    assert client.get("/?" + "a=1&" * 5000).status_code == 200
    assert client.get("/", headers={f"X-{n}": "a" for n in range(150)}).status_code == 200


def test_what_a_proxy_may_read_in_another_way_is_refused():
    app = make_app()
    for extra in (
        {"HTTP_HOST": "a.example,b.example"},
        {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "4"},
    ):
        assert app.test_client().post("/", environ_overrides=extra).status_code == 400


def test_two_hosts_are_refused_under_asgi():
    import asyncio

    app = make_app()
    sent = []

    async def ask(fields):
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
                 "path": "/", "raw_path": b"/", "query_string": b"", "headers": fields,
                 "scheme": "http", "server": ("localhost", 80),
                 "client": ("127.0.0.1", 1)}  # fmt: skip
        await app(scope, receive, send)
        return next(m["status"] for m in reversed(sent) if "status" in m)

    one = [(b"host", b"localhost")]
    assert asyncio.run(ask(one)) == 200
    assert asyncio.run(ask(one * 2)) == 400


def test_a_view_reads_the_request_as_before():
    app = make_app()
    app.add_url_rule("/see", "see", lambda: f"{request.args['a']} {request.headers['X-B']}")
    assert app.test_client().get("/see?a=1", headers={"X-B": "2"}).text == "1 2"
