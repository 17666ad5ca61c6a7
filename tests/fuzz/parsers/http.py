# ruff: noqa: E501  (tables: the inputs of a parser together read better than one to a line)
"""Parsers of a request: query, form, cookies, JSON, multipart, fields, paths."""

from __future__ import annotations

import hashlib
import json
from hmac import digest as hmac_digest
from typing import Any
from urllib.parse import parse_qsl, unquote

from itsdangerous import TimestampSigner
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.http import parse_cookie

from hipflask import Flask
from hipflask.cookies import make_finder
from hipflask.json.plain import encoder_of, loads
from hipflask.json.tag import TaggedJSONSerializer
from hipflask.queries import ERRORS, media_type_of, read_fields, unescaped
from hipflask.routing import is_usual_host
from hipflask.signing import _make_signature, make_signer, pack, unpack

from .. import cases, target
from .parser import Differs, equal, parser, text_of, utf8_of

QUERIES = cases.QUERIES[:30]


class ServerError(Exception):
    """The app answered with a status of 500 or more, or with a field no server may send."""


def _app() -> Flask:
    app = target.build()
    # What a view raises comes out here, with its place.
    app.config.update(PROPAGATE_EXCEPTIONS=True)
    return app


APP = _app()
MATCHED = APP.url_map.bind("localhost")


def fire(environ: dict[str, Any]) -> None:
    """One request through the whole app; raises what is not below 500."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(line: str, fields: Any, exc_info: Any = None) -> Any:
        started.append((line, fields))
        return lambda chunk: None

    chunks = APP(environ, start_response)
    for _ in chunks:
        pass
    close = getattr(chunks, "close", None)
    if close:
        close()
    line, fields = started[-1]
    if not 200 <= int(line[:3]) < 500:
        raise ServerError(line)
    for name, value in fields:
        if target.UNSENDABLE.search(name + value):
            raise ServerError(f"field {name!r}")


@parser(*QUERIES, tokens=(b"&", b"=", b"%", b"+", b"%C3%A9", b"%FF", b"a=1&", b"%4", b"=%=&"))
def query(data: bytes) -> None:
    text = utf8_of(data)
    ours = read_fields(text)
    pairs = parse_qsl(text, keep_blank_values=True, errors=ERRORS)
    equal(ours.to_dict(flat=False), ImmutableMultiDict(pairs).to_dict(flat=False))


@parser(*QUERIES, tokens=(b"%", b"%4", b"%41", b"%zz", b"=", b"%3D", b"\xc3\xa9"))
def percent_escapes(data: bytes) -> None:
    text = utf8_of(data)
    equal(unescaped(text), unquote(text, errors=ERRORS))


@parser(
    *cases.FORMS[:40],
    tokens=(b"&", b"=", b"%41", b"+", b"a=1&", b"\xff", b";"),
)
def form_body(data: bytes) -> None:
    head = (("Content-Type", cases.FORM),)
    fire(target.environ_of("POST", b"/echo", headers=head, body=data))


@parser(
    *(one for one in cases.MULTIPARTS if len(one) < 2_000),
    tokens=(
        b"--b0\r\n", b"\r\n--b0--", b"\r\n\r\n", b"\r", b"\n", b"--", b'name="', b'"', b";", b"\\",
        b"Content-Disposition: form-data; ", b"filename*=utf-8''", b"X: y\r\n", cases.part(cases.FIELD),
        cases.part(cases.FILE), b"\r\n--b", b"--b0",
    ),
    head=cases.part(cases.FIELD),
    tail=cases.END,
)  # fmt: skip
def multipart(data: bytes) -> None:
    head = (("Content-Type", cases.MULTI),)
    fire(target.environ_of("POST", b"/echo", headers=head, body=data))


@parser(*cases.TYPES[:34], tokens=(b";", b"boundary=", b'"', b"charset=", b"\\", b"*=", b"utf-8''"))
def content_type(data: bytes) -> None:
    kind = target.clean(data)
    media_type_of(text_of(kind))
    body = cases.part(cases.FIELD) + cases.END
    fire(target.environ_of("POST", b"/echo", headers=(("Content-Type", kind),), body=body))


find_session = make_finder("session")


@parser(
    *(one for one in cases.COOKIES if len(one) < 2_000),
    tokens=(b";", b"=", b" ", b"\t", b"session", b"session=", b'"', b"a=b; ", b"session ;", b"  "),
)
def cookie(data: bytes) -> None:
    field = text_of(target.clean(data))
    ours = find_session(field)
    if ours is not None:
        equal(ours, parse_cookie(field).get("session", ""))
    fire(target.environ_of("GET", b"/echo", headers=(("Cookie", data),)))


KEY, SALT = b"a key of the fuzzers' own, no secret", b"cookie-session"
sign, unsign = make_signer(KEY, SALT)
signature = _make_signature(hmac_digest(KEY, SALT, "sha1"))
JUDGE = TimestampSigner(KEY, SALT, key_derivation="hmac", digest_method=hashlib.sha1)


@parser(
    b"", b"a.b.c", b"e30.ZZZZZZ", b".eJw.X", b"eyJhIjoxfQ", sign(b'{"a":1}').encode(),
    sign(b'{"a":"' + b"x" * 99 + b'"}').encode().rpartition(b".")[0], tokens=(b".", b"=", b"_", b"-", b"eyJ9", b"AAAA"),
)  # fmt: skip
def session_cookie(data: bytes) -> None:
    ascii_data = bytes(byte & 0x7F for byte in data)
    signed = ascii_data + b"." + signature(ascii_data)
    for one in (text_of(data), signed.decode()):
        payload = unsign(one, 10**12)
        if payload is not None:
            # ItsDangerous is the judge: what we take, it takes.
            judged = JUDGE.unsign(one.encode(), max_age=10**12)
            equal(unpack(judged), payload)
    equal(unpack(pack(data)), data)


@parser(b"", *(one.partition(b"=")[2] for one in cases.COOKIES if one.startswith(b"session=")))
def session_of_a_request(data: bytes) -> None:
    value = b"session=" + data
    fire(target.environ_of("GET", b"/session", headers=(("Cookie", value),)))


JSONS = tuple(one for one in cases.JSONS if len(one) <= 4_000)
JSON_TOKENS = (b"[", b"{", b'{"a":', b"[]", b'"', b"\\", b"\\u0041", b"\\ud800", b"1,", b"1e9",
               b"null", b"-", b"NaN", b" ", b"9" * 30, b'" t"', b'{" u":"x"}')  # fmt: skip


@parser(*JSONS, refuses=(ValueError, RecursionError), tokens=JSON_TOKENS)
def json_text(data: bytes) -> None:
    ours = loads(data)
    try:
        theirs = json.loads(data)
    except ValueError as error:
        raise Differs(f"json refuses this: {error} ") from None
    equal(ours, theirs)
    write = encoder_of(True, True)
    if write is not None and isinstance(ours, dict | list):
        written = write(ours)
        if written is not None:
            equal(loads(written), ours)


@parser(*JSONS, tokens=JSON_TOKENS)
def json_body(data: bytes) -> None:
    head = (("Content-Type", cases.JSON),)
    fire(target.environ_of("POST", b"/json", headers=head, body=data))


tagged = TaggedJSONSerializer()


@parser(
    *JSONS, b'{" t":[1,{" b":"AA=="}]}', b'{" d":"Sun, 06 Nov 1994 08:49:37 GMT"}',
    b'{" u":"00000000000000000000000000000000"}', b'{" di":{" t__":1}}', b'{" m":"x"}',
    # Only text that was signed with the key comes here; what it raises is caught by the session.
    refuses=(ValueError, RecursionError, TypeError, AttributeError, KeyError, IndexError),
    tokens=(*JSON_TOKENS, b'{" d":', b'{" b":', b'{" di":'),
)  # fmt: skip
def tagged_json(data: bytes) -> None:
    tagged.loads(utf8_of(data))


# Each field that Werkzeug parses for us or we ourselves, at the view that looks at all of them.
FIELDS = tuple(name for name, _ in cases.HEADERS)
SPLIT = b"\n"


@parser(
    *(name.encode() + SPLIT + value for name, values in cases.HEADERS for value in values if len(value) < 600),
    tokens=(b",", b";", b"q=", b'"', b"*", b"/", b"W/", b"bytes=", b"-", b"0-1,", b"=", b"\\", b"9" * 30, b"GMT"),
    head=b"Range\nbytes=",
)  # fmt: skip
def header_field(data: bytes) -> None:
    name, _, value = data.partition(SPLIT)
    named = text_of(name)
    if named not in FIELDS:
        named = FIELDS[len(name) % len(FIELDS)]
    environ = target.environ_of("GET", b"/echo", headers=((named, value),))
    fire(environ)
    fire(target.environ_of("GET", b"/file", headers=((named, value),)))


@parser(*cases.HOSTS, tokens=(b".", b":", b"[", b"]", b"-", b"xn--", b"a.", b"%", b"@", b"9"))
def host(data: bytes) -> None:
    is_usual_host(text_of(data))
    fire(target.environ_of("GET", b"/branch", headers=(("Host", data),)))


@parser(
    *(path for path in cases.PATHS if len(path) < 600),
    tokens=(b"/", b"//", b"..", b"%2f", b"\\", b"/int/", b"/uuid/", b"/float/1.", b"/two/1-", b"9", b"\xd9\xa3", b"-1"),
)  # fmt: skip
def path(data: bytes) -> None:
    fire(target.environ_of("GET", data))


@parser(
    *(one for one in cases.PATHS if one.startswith((b"/int", b"/signed", b"/float", b"/uuid", b"/two", b"/any"))),
    tokens=(b"-", b"9", b"1.", b"a", b"0" * 8, b"\xd9\xa3", b"e9"),
    head=b"/int/",
)  # fmt: skip
def converters(data: bytes) -> None:
    for rule in (b"/int/", b"/signed/", b"/float/", b"/uuid/", b"/any/", b"/two/"):
        start, slash, rest = data[1:].partition(b"/")
        fire(target.environ_of("GET", rule + (rest if slash else start)))
