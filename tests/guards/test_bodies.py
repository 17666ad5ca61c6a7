"""Bodies: a view's own limit, and those that are sent compressed."""

from __future__ import annotations

import gzip
import zlib

import pytest
from msgspec import Struct

from hipflask import Flask, request
from hipflask.guards import inflates_body, limit_body, protect, refuse_encoded
from hipflask.guards.inflating import inflate
from hipflask.scaffold import SetupError


class Item(Struct):
    a: str


DOORS = ("wsgi", "asgi", "rsgi")
GZIP = {"Content-Encoding": "gzip"}
# Without the time, which ids of tests must not have.
PACKED = gzip.compress(b"abc", mtime=0)


def make_app(**config):
    app = Flask(__name__)
    app.config.update(config)
    refuse_encoded(app)

    @app.post("/plain")
    def plain():
        return str(len(request.get_data()))

    @app.post("/packed")
    @inflates_body
    def packed():
        return str(len(request.get_data()))

    @app.post("/packed-async")
    @inflates_body
    async def packed_async():
        return str(len(request.get_data()))

    @app.post("/json")
    @inflates_body
    def read():
        return request.get_json()

    @app.post("/form")
    @inflates_body
    def form():
        return request.form["a"]

    return app


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP", "x"])
def test_a_compressed_body_is_refused_unless_asked_for(door, coding):
    answer = (
        make_app()
        .test_client(door=door)
        .post("/plain", data=b"x", headers={"Content-Encoding": coding})
    )
    assert answer.status_code == 415
    assert make_app().test_client(door=door).post("/plain", data=b"abc").text == "3"
    same = {"Content-Encoding": "identity"}
    assert make_app().test_client(door=door).post("/plain", data=b"abc", headers=same).text == "3"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/packed", "/packed-async"])
def test_a_view_that_asks_gets_it_unpacked(door, path):
    client = make_app().test_client(door=door)
    body = b"some text " * 500
    assert client.post(path, data=gzip.compress(body), headers=GZIP).text == "5000"
    deflated = {"Content-Encoding": "deflate"}
    assert client.post(path, data=zlib.compress(body), headers=deflated).text == "5000"
    assert client.post(path, data=body).text == "5000"
    assert client.post(path, data=b"x", headers={"Content-Encoding": "br"}).status_code == 415


@pytest.mark.parametrize("door", DOORS)
def test_json_and_forms_are_read_from_what_was_unpacked(door):
    client = make_app().test_client(door=door)
    packed = gzip.compress(b'{"a": [1, 2]}')
    answer = client.post("/json", data=packed, headers=GZIP, content_type="application/json")
    assert answer.get_json() == {"a": [1, 2]}
    answer = client.post("/form", data=gzip.compress(b"a=b+c"), headers=GZIP,
                         content_type="application/x-www-form-urlencoded")  # fmt: skip
    assert answer.text == "b c"


@pytest.mark.parametrize("door", DOORS)
def test_the_limit_of_a_forms_fields_holds_for_what_was_unpacked(door):
    client = make_app(MAX_FORM_MEMORY_SIZE=10_000).test_client(door=door)
    kind = "application/x-www-form-urlencoded"
    for size, status in ((9_000, 200), (20_000, 413)):
        packed = gzip.compress(b"a=" + b"b" * size)
        answer = client.post("/form", data=packed, headers=GZIP, content_type=kind)
        assert answer.status_code == status


@pytest.mark.parametrize("door", DOORS)
def test_a_bomb_is_a_413_and_is_not_unpacked(door):
    client = make_app().test_client(door=door)
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert client.post("/packed", data=bomb, headers=GZIP).status_code == 413
    nested = gzip.compress(gzip.compress(b"\0" * 1_000_000))
    assert int(client.post("/packed", data=nested, headers=GZIP).text) < 5000  # one layer


def test_limits_of_size_and_ratio():
    zeros = zlib.compress(b"\0" * 1_000_000)
    assert len(zeros) * 100 < 1_000_000
    with pytest.raises(Exception, match="413"):
        inflate(zeros, 15, 10_000_000, 100)
    assert len(inflate(zeros, 15, 10_000_000, 2000)) == 1_000_000
    with pytest.raises(Exception, match="413"):
        inflate(zeros, 15, 999_999, 2000)
    # A small body may be of one letter.
    assert len(inflate(zlib.compress(b"\0" * 60_000), 15, 10_000_000, 100)) == 60_000


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\x1f\x8b", PACKED[:-3], PACKED + b"more", PACKED * 2,
             zlib.compress(b"abc")],
)  # fmt: skip
def test_what_is_damaged_is_a_400(data):
    assert make_app().test_client().post("/packed", data=data, headers=GZIP).status_code == 400


@pytest.mark.parametrize("door", DOORS)
def test_a_view_has_a_limit_of_its_own(door):
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 100

    def read():
        return str(len(request.get_data()))

    app.add_url_rule("/usual", "usual", read, methods=["POST"])
    app.add_url_rule("/small", "small", limit_body(10)(lambda: read()), methods=["POST"])
    app.add_url_rule("/large", "large", limit_body(1000)(lambda: read()), methods=["POST"])

    @limit_body(10)
    @app.post("/above")
    async def above():
        return read()

    client = app.test_client(door=door)
    for path, most in (("/usual", 100), ("/small", 10), ("/large", 1000), ("/above", 10)):
        assert client.post(path, data=b"x" * most).text == str(most), path
        assert client.post(path, data=b"x" * (most + 1)).status_code == 413, path


@pytest.mark.parametrize("door", DOORS)
def test_a_typed_view_with_a_limit_is_not_called(door):
    app = Flask(__name__)
    app.config["TYPED_VIEWS"] = True
    called = []

    @app.post("/typed")
    @limit_body(20)
    def typed(item: Item) -> str:
        called.append(item)
        return "in"

    client = app.test_client(door=door)
    assert client.post("/typed", json={"a": "x"}).status_code == 200
    assert client.post("/typed", json={"a": "x" * 100}).status_code == 413
    assert len(called) == 1


@pytest.mark.parametrize("most", [-1, 1.5, "10", None, True])
def test_a_limit_is_a_number_of_bytes(most):
    with pytest.raises(SetupError):
        limit_body(most)


def test_protect_refuses_compressed_bodies():
    app = Flask(__name__)
    protect(app)
    app.add_url_rule("/", "index", lambda: "in", methods=["POST"])
    assert app.test_client().post("/", data=b"x", headers=GZIP).status_code == 415
