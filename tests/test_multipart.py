"""Multipart forms: how much may stand before a part."""

from __future__ import annotations

import io
import tempfile

import pytest

from hipflask import Flask, Request, request
from hipflask.multipart import MAX_PART_FIELDS

DOORS = ("wsgi", "asgi", "rsgi")


def body(fields: str, kind: str = 'name="a"') -> bytes:
    begin = "--b\r\nContent-Disposition: form-data; "
    file = f'{begin}name="f"; filename="f"\r\n\r\n{"x" * 600000}\r\n'
    return f"{file}{begin}{kind}\r\n{fields}\r\nhello\r\n--b--\r\n".encode()


def make_app(**config):
    app = Flask(__name__)
    app.config.update(config)

    @app.post("/")
    def index():
        return (request.form.get("a") or request.files["a"].read().decode()) + str(
            len(request.files["f"].read())
        )

    return app


def send(app, data, door="wsgi"):
    client = app.test_client(door=door)
    return client.post("/", data=data, content_type="multipart/form-data; boundary=b")


MORE = {
    "as many as there may be": (200, "X-A: 1\r\n" * (MAX_PART_FIELDS - 1)),
    "one more": (413, "X-A: 1\r\n" * MAX_PART_FIELDS),
    "long": (200, f"X-A: {'a' * 4000}\r\n"),
    "too long": (413, f"X-A: {'a' * 4096}\r\n"),
    "long together": (413, f"X-A: {'a' * 1500}\r\n" * 3),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ['name="a"', 'name="a"; filename="a.txt"'])
@pytest.mark.parametrize("name", MORE)
def test_fields_before_a_part_are_counted_and_measured(door, kind, name):
    status, fields = MORE[name]
    answer = send(make_app(), body(fields, kind), door)
    assert answer.status_code == status
    if status == 200:
        assert answer.text == "hello600000"


def test_under_flasks_defaults_they_are_as_in_flask():
    app = make_app(MAX_PART_HEAD_BYTES=None)
    assert send(app, body("X-A: 1\r\n" * 50)).text == "hello600000"


def test_files_before_the_part_that_is_refused_are_closed():
    opened = []

    class Own(Request):
        def _get_file_stream(self, *args, **kwargs):
            opened.append(tempfile.TemporaryFile("rb+"))
            return opened[-1]

    app = make_app()
    app.request_class = Own
    assert send(app, body("X-A: 1\r\n" * 50)).status_code == 413
    assert len(opened) == 1 and opened[0].closed


def test_a_parser_of_ones_own_is_left_alone():
    from werkzeug.formparser import FormDataParser

    class Parser(FormDataParser):
        pass

    class Own(Request):
        form_data_parser_class = Parser

    app = make_app()
    app.request_class = Own
    assert send(app, body("X-A: 1\r\n" * 50)).text == "hello600000"


def test_what_a_browser_sends_is_as_before():
    answer = (
        make_app()
        .test_client()
        .post("/", data={"a": "täxt", "f": (io.BytesIO(b"12345"), "f.txt", "text/plain")})
    )
    assert answer.text == "täxt5"
