"""A form that is not well-formed is a 400, for typed views alone."""

from __future__ import annotations

import io
from typing import Any

import pytest
from msgspec import Struct

from hipflask import Flask, Request, request
from hipflask.api import Form, Upload

BOUNDARY = "multipart/form-data; boundary=x"
URLENCODED = "application/x-www-form-urlencoded"


class Seen(Struct):
    value: Any


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["TYPED_VIEWS"] = True

    @app.post("/typed")
    def typed(name: Form[str], picture: Upload | None = None) -> Seen:
        return Seen([name, picture and picture.size])

    @app.post("/urlencoded")
    async def urlencoded(name: Form[str]) -> Seen:
        return Seen(name)

    @app.post("/plain")
    def plain() -> str:
        return ascii(request.form.get("name"))

    return app


@pytest.fixture(params=["wsgi", "asgi", "rsgi"])
def client(app: Flask, request: Any) -> Any:
    return app.test_client(door=request.param)


def part(head: bytes, body: bytes) -> bytes:
    return b"--x\r\n" + head + b"\r\n\r\n" + body + b"\r\n"


NAME = b'Content-Disposition: form-data; name="name"'
FILE = b'Content-Disposition: form-data; name="picture"; filename="p"'
GOOD = part(NAME, b"a")
END = b"--x--\r\n"

MALFORMED = {
    "no UTF-8 in a field": (BOUNDARY, part(NAME, b"\xff") + END, "UTF-8"),
    "no UTF-8 in a name": (BOUNDARY, part(NAME + b"\xff", b"a") + END, "UTF-8"),
    "no UTF-8 in a file's name": (BOUNDARY, part(FILE[:-1] + b'\xff"', b"a") + END, "UTF-8"),
    "no boundary": ("multipart/form-data", GOOD + END, ""),
    "a boundary of other letters": ("multipart/form-data; boundary=\xe9", GOOD + END, ""),
    "another boundary": ("multipart/form-data; boundary=y", GOOD + END, ""),
    "no end": (BOUNDARY, GOOD, ""),
    "a cut part": (BOUNDARY, (GOOD + GOOD)[:-5], ""),
    "a cut file": (BOUNDARY, GOOD + part(FILE, b"a" * 600_000)[:-5], ""),
    "a cut header": (BOUNDARY, b"--x\r\n" + NAME, ""),
    "a part without a disposition": (BOUNDARY, part(b"X-A: b", b"a") + END, ""),
    "a part without a name": (BOUNDARY, part(b"Content-Disposition: form-data", b"a") + END, ""),
    "a part of another kind": (BOUNDARY, part(NAME.replace(b"form-data", b"x"), b"a") + END, ""),
    "a header that is none": (BOUNDARY, part(NAME + b"\r\n\x01 junk", b"a") + END, ""),
    "a file's header that is none": (BOUNDARY, GOOD + part(FILE + b"\r\n(: b", b"a") + END, ""),
    "junk alone": (BOUNDARY, b"junk", ""),
}


@pytest.mark.parametrize(("kind", "body", "expected"), MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_multipart_form_is_400(
    client: Any, kind: str, body: bytes, expected: str
) -> None:
    answer = client.post("/typed", data=body, content_type=kind)
    assert answer.status_code == 400
    assert answer.json["errors"] == [
        {
            "location": ["form"],
            "expected": expected or "a well-formed form",
            "got": "other bytes" if expected else "another",
        }
    ]


@pytest.mark.parametrize("body", [b"name=\xff", b"name=%ff", b"%ff=a&name=b", b"name=a&b=\xc3"])
def test_what_is_no_utf8_in_an_urlencoded_form_is_400(client: Any, body: bytes) -> None:
    answer = client.post("/urlencoded", data=body, content_type=URLENCODED)
    assert (answer.status_code, answer.json["errors"][0]["expected"]) == (400, "UTF-8")


def test_plain_views_read_such_forms_as_flask_does(client: Any) -> None:
    for kind, body, text in (
        (URLENCODED, b"name=%ff", "'%FF'"),
        (BOUNDARY, part(NAME, b"\xff") + END, "'\\ufffd'"),
        (BOUNDARY, GOOD, "None"),
    ):
        assert client.post("/plain", data=body, content_type=kind).text.lower() == text.lower()


def test_well_formed_forms_are_read(client: Any) -> None:
    latin = part(NAME + b"\r\nContent-Type: text/plain; charset=iso-8859-1", b"\xe9")
    for body, value in (
        (part(NAME, "é\ufffd".encode()) + END, ["é\ufffd", None]),
        (latin + END, ["é", None]),
        (b"before\r\n" + GOOD + part(FILE, b"\xff" * 7) + END + b"after", ["a", 7]),
        (part(NAME, b"1") + GOOD + END, ["a", None]),
    ):
        assert client.post("/typed", data=body, content_type=BOUNDARY).json == {"value": value}
    answer = client.post("/urlencoded", data="name=%EF%BF%BD+é", content_type=URLENCODED)
    assert answer.json == {"value": "\ufffd é"}


def test_an_empty_form_has_no_fields(client: Any) -> None:
    for path, kind in (("/typed", BOUNDARY), ("/urlencoded", URLENCODED)):
        answer = client.post(path, data=b"", content_type=kind)
        assert (answer.status_code, answer.json["errors"][0]["got"]) == (422, "nothing")


def test_a_form_that_was_read_before_is_taken_as_it_is(app: Flask) -> None:
    app.before_request(lambda: request.form and None)
    answer = app.test_client().post("/urlencoded", data=b"name=%ff", content_type=URLENCODED)
    assert answer.json["value"].lower() == "%ff"


def test_a_parser_of_the_applications_own_is_asked(app: Flask) -> None:
    from werkzeug.formparser import FormDataParser

    class Own(Request):
        form_data_parser_class = type("Parser", (FormDataParser,), {})

    app.request_class = Own
    answer = app.test_client().post("/urlencoded", data=b"name=%ff", content_type=URLENCODED)
    assert answer.status_code == 200


def test_an_error_handler_finds_an_empty_form(app: Flask) -> None:
    app.register_error_handler(400, lambda error: f"{dict(request.form)} {dict(request.files)}")
    answer = app.test_client().post("/typed", data=b"junk", content_type=BOUNDARY)
    assert answer.text == "{} {}"


def test_limits_still_hold(app: Flask) -> None:
    app.config["MAX_FORM_PARTS"] = 2
    data = {"name": "a", "picture": (io.BytesIO(b"a"), "p"), "more": "b"}
    assert app.test_client().post("/typed", data=data).status_code == 413


@pytest.mark.parametrize(
    "fields", ["".join(f"X-{n}: a\r\n" for n in range(8)), f"X-A: {'a' * 4096}\r\n"]
)
def test_a_part_has_few_fields_before_it(app: Flask, fields: str) -> None:
    def post(fields: str) -> int:
        head = f'Content-Disposition: form-data; name="name"\r\n{fields}'
        body = f"--b\r\n{head}\r\na\r\n--b--\r\n"
        kind = "multipart/form-data; boundary=b"
        return app.test_client().post("/typed", data=body, content_type=kind).status_code

    assert post("Content-Type: text/plain\r\n") != 413
    assert post(fields) == 413
