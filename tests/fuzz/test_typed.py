# ruff: noqa: E501  (tables: many values a line read better)
"""Typed views under fire: no 5xx, no hang, and no value of a request in what is wrong with it.

The requests are made of one seed; `FUZZ_EFFORT=10` fires ten times as many, chosen anew each run.
"""

from __future__ import annotations

import gc
import json
import os
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from hipflask import Flask, request

from . import cases
from .target import Gun, environ_of
from .test_fuzz import bend
from .typed_target import Order, build

EFFORT = float(os.environ.get("FUZZ_EFFORT", "1"))
WSGI = int(20_000 * EFFORT)
OTHERS = int(1_500 * EFFORT)
# In every text that is planted; no name, type or word of the app has it.
MARK = "hunter2"
NUMBER = 71_717_171

pytestmark = pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")

JSON_BODIES = (
    "/order",
    "/order-async",
    "/orders",
    "/node",
    "/contact",
    "/address",
    "/box",
    "/model",
)
FORMS = ("/signup", "/upload")
TEXTS = (
    "", " ", "1", "-1", "+1", "1_0", "0x1", "1.5", "1e5", "1e999", "nan", "inf", "-0", "9" * 30, "9" * 5000, "٣", "true",
    "FALSE", "on", "null", "None", "red", "RED", "a", "b", "2026-02-30", "2026-01-01", "2026-01-01T00:00:00Z", "10000-01-01",
    "2026-01-01T24:00:00", "12:00", "12:00:00", "PT1H", "P1Y", "P999999999999D", "-PT1S", "00000000-0000-0000-0000-000000000000",
    "aGFsbG8=", "a!", "1,2,3", ",", "1,x", "\0", "\x7f", "é", "\u202e", "{}", "[]", "<b>", "%00", "../..", "'", '"', "\\", ";",
)  # fmt: skip
NAMES = (
    "number", "share", "flag", "price", "at", "on", "clock", "lasts", "key", "color", "size", "mode", "data", "many", "pair",
    "either", "na-med", "page", "words", "sizes", "since", "name", "age", "tags", "agreed", "title", "limit", "__class__", "",
)  # fmt: skip
MEMBERS = (
    "customerName", "lines", "at", "on", "clock", "lasts", "key", "color", "size", "mode", "pet", "notes", "numbers", "data",
    "tags", "pair", "any", "either", "aware", "value", "next", "name", "age", "friends", "street", "number", "width", "label",
    "mail", "deep", "type", "sku", "count", "price",
)  # fmt: skip


class Ears:
    """The app under WSGI, with the last answer's body kept."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.body = b""
        self.type = ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.type = dict(headers).get("Content-Type", "")
            return start_response(line, headers)

        chunks = self.app.wsgi_app(environ, start)
        try:
            self.body = b"".join(chunks)
        finally:
            getattr(chunks, "close", int)()
        return [self.body]


class Shot:
    """One request as it is made up: its values carry the mark, unless its bytes were bent."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.headers: list[tuple[str, bytes]] = []
        self.body = b""
        self.method = "POST"
        self.query = b""
        kind = chance.choice(("path", "query", "fields", "json", "json", "json", "form", "stream"))
        self.path = f"/{kind}"
        getattr(self, f"_{kind}")()
        if chance.random() < 0.2:
            self.headers.append(
                ("Accept", chance.choice((b"application/msgpack", b"a", b"*/*;q=x")))
            )
        if chance.random() < 0.1:
            self.headers.append(("Content-Encoding", b"gzip"))
        self.is_bent = chance.random() < 0.25
        if self.is_bent:
            self.body, self.query = bend(chance, self.body), bend(chance, self.query)
            self.headers = [(name, bend(chance, value)) for name, value in self.headers]

    def text(self) -> str:
        text = self.chance.choice(TEXTS)
        return f"{MARK}{text}{MARK}" if self.chance.random() < 0.5 else text

    def pairs(self) -> str:
        chance = self.chance
        return "&".join(
            f"{chance.choice(NAMES)}={quote(self.text())}" for _ in range(chance.randrange(1, 6))
        )

    def _path(self) -> None:
        words = [quote(self.text(), safe="") or "x" for _ in range(5)]
        good = ("7", "a", "00000000-0000-0000-0000-000000000000", "1.5", "2026-01-01")
        words = [w if self.chance.random() < 0.3 else g for w, g in zip(words, good, strict=True)]
        self.method, self.path = "GET", "/path/" + "/".join(words)

    def _query(self) -> None:
        self.method = "GET"
        self.path = self.chance.choice(("/query", "/filters", "/provided", "/order"))
        self.query = self.pairs().encode()

    def _fields(self) -> None:
        self.method = "GET"
        for name in ("X-Number", "X-Tags", "X-Color", "User-Agent"):
            if self.chance.random() < 0.8:
                self.headers.append((name, self.text().encode("utf-8")))
        cookies = (f"{n}={quote(self.text())}" for n in ("count", "color", "times", "times"))
        self.headers.append(("Cookie", "; ".join(cookies).encode()))

    def value(self, depth: int = 0) -> Any:
        chance = self.chance
        kind = chance.randrange(9 if depth < 4 else 6)
        if kind < 2:
            return self.text()
        if kind == 2:
            return chance.choice((0, 1, -1, 2, NUMBER, -NUMBER, 2**63, 2**64, -(2**70), 10**30))
        if kind == 3:
            return chance.choice((0.5, 1e308, NUMBER + 0.5, -1e-320))
        if kind == 4:
            return chance.choice((None, True, False))
        if kind in (5, 6):
            return [self.value(depth + 1) for _ in range(chance.randrange(4))]
        return self.record(depth + 1)

    def record(self, depth: int) -> dict[str, Any]:
        chance = self.chance
        made = {chance.choice(MEMBERS): self.value(depth) for _ in range(chance.randrange(6))}
        if chance.random() < 0.5:
            made |= {"customerName": "x", "lines": [], "value": 1, "name": "x", "number": 1}
        return made

    def _json(self) -> None:
        chance = self.chance
        self.path = chance.choice(JSON_BODIES)
        value = self.record(0) if chance.random() < 0.8 else self.value()
        if self.path == "/orders" and chance.random() < 0.8:
            value = [value]
        if chance.random() < 0.2:
            kind, encode = b"application/msgpack", msgspec.msgpack.encode
            try:
                self.body = encode(value)
            except OverflowError:
                self.body = b"\xc1"
        else:
            kind = b"application/json"
            self.body = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode()
        if chance.random() < 0.05:
            kind = chance.choice(cases.TYPES)[:4_000]
        self.headers.append(("Content-Type", kind))

    def _form(self) -> None:
        chance = self.chance
        self.path = chance.choice(FORMS)
        if chance.random() < 0.4:
            self.headers.append(("Content-Type", cases.FORM))
            self.body = self.pairs().encode()
            return
        self.headers.append(("Content-Type", cases.MULTI))
        parts = []
        for _ in range(chance.randrange(5)):
            head = f'Content-Disposition: form-data; name="{chance.choice(NAMES)}"'
            if chance.random() < 0.4:
                name = chance.choice(("picture", "papers", "title"))
                head = f'Content-Disposition: form-data; name="{name}"; filename="{MARK}.txt"'
                head += f"\r\nContent-Type: {chance.choice(('text/plain', 'x', MARK + '/x'))}"
            parts.append(cases.part(head.encode(), self.text().encode()))
        self.body = b"".join(parts) + cases.END

    def _stream(self) -> None:
        self.query = self.pairs().encode()
        self.body = self.text().encode()


def shots(count: int) -> Iterator[Shot]:
    chance = random.Random(20_261 if EFFORT == 1 else None)
    for _ in range(count):
        yield Shot(chance)


def echoed(kind: str, body: bytes) -> str:
    """What a problem says is wrong, if a planted value is in it; "" if none is."""
    if not kind.startswith("application/problem+json"):
        return ""
    problem = json.loads(body)
    told = json.dumps([problem.get("errors"), problem.get("detail"), problem["title"]])
    return told if MARK in told or str(NUMBER) in told else ""


@pytest.fixture(autouse=True)
def collect_within_the_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def app() -> Flask:
    return build()


def test_hostile_requests_over_wsgi(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    gun = Gun(app)
    ears: Any = Ears(app)
    gun.app = ears
    for shot in shots(WSGI):
        path = shot.path.encode()
        environ = environ_of(shot.method, path, shot.query, tuple(shot.headers), shot.body)
        gun.fire(environ)
        if not shot.is_bent and (told := echoed(ears.type, ears.body)):
            gun.fail(f"echoed: {told}", {"body": shot.body, "query": shot.query})
    with capsys.disabled():
        shown = ", ".join(f"{status}: {n}" for status, n in sorted(gun.statuses.items()))
        print(f"\ntyped views: {gun.fired} hostile requests answered ({shown})")
    gun.check()
    assert gun.fired >= WSGI
    # All kinds of answers were reached, or the requests are not what they seem.
    assert {200, 400, 404, 405, 415, 422} <= set(gun.statuses)


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_hostile_requests_over_the_other_doors(app: Flask, door: str) -> None:
    client = app.test_client(door=door)
    seen: set[int] = set()
    for shot in shots(OTHERS):
        answer = client.open(
            shot.path,
            method=shot.method,
            query_string=shot.query.decode("latin-1"),
            headers=[(name, clean(value)) for name, value in shot.headers],
            data=shot.body,
        )
        seen.add(answer.status_code)
        assert answer.status_code < 500, (answer.status_code, vars(shot))
        assert shot.is_bent or not echoed(answer.content_type or "", answer.data), vars(shot)
    assert {200, 422} <= seen


def clean(value: bytes) -> str:
    return value.decode("latin-1").translate(dict.fromkeys(map(ord, "\r\n\0"), " "))


# Bodies that are made to cost much.

MANY = 100_000
LONG = 10_000_000


def heavy_app() -> Flask:
    app = Flask(__name__)
    app.config.update(TYPED_VIEWS=True, MAX_CONTENT_LENGTH=32_000_000)

    @app.post("/typed")
    def typed(order: Order) -> Order:
        return order

    @app.post("/null")
    def null() -> str:
        request.get_data()
        return ""

    return app


TWICE = b'{"a":1,"\\u0061":1}],"customerName":"a","lines":[]}'

HEAVY: tuple[tuple[str, Callable[[], bytes], int], ...] = (
    ("lists in lists", lambda: b"[" * MANY, 400),
    ("lists in a record", lambda: b'{"lines":' + b"[" * MANY, 400),
    ("lists where anything may be", lambda: b'{"any":' + b"[" * MANY + b"]" * MANY + b"}", 400),
    ("objects in objects", lambda: b'{"any":' * MANY, 400),
    ("ignored lists", lambda: b'{"unknown":' + b"[" * MANY + b"]" * MANY + b"}", 400),
    ("a number of 10 MB", lambda: b'{"customerName":' + b"9" * LONG + b"}", 422),
    ("a number of 10 MB where any may be", lambda: b'{"any":' + b"9" * LONG + b"}", 422),
    ("a fraction of 10 MB", lambda: b'{"either":0.' + b"9" * LONG + b"}", 422),
    ("an exponent of 10 MB", lambda: b'{"either":1e' + b"9" * LONG + b"}", 422),
    ("a text of 10 MB that is no date", lambda: b'{"at":"' + b"9" * LONG + b'"}', 422),
    ("NaN", lambda: b'{"either":NaN}' + b" " * 1_000, 400),
    ("Infinity", lambda: b'{"either":-Infinity}', 400),
    ("no UTF-8", lambda: b'{"customerName":"\xff\xfe","lines":[]}', 400),
    ("half a surrogate", lambda: b'{"customerName":"\\ud800","lines":[]}', 400),
    ("nothing but blanks", lambda: b" " * LONG, 400),
    ("equal keys", lambda: b'{"customerName":"a","customerName":2,"lines":[]}', 422),
    ("equal keys of a type", lambda: b'{"customerName":"a","customerName":"b","lines":[]}', 400),
    ("equal keys in what is ignored", lambda: b'{"x":[' + b'{"a":1e999},' * (MANY // 4) + TWICE, 400),
    ("many keys", lambda: json.dumps({f"k{n}": n for n in range(MANY)}).encode(), 422),
)  # fmt: skip


@pytest.fixture(scope="module")
def heavy() -> Flask:
    return heavy_app()


def measured(app: Flask, path: bytes, body: bytes, kind: bytes) -> tuple[int, float, int]:
    """Status, seconds of the processor and peak bytes of one answer; the body itself is there."""
    found: list[str] = []
    environ = environ_of("POST", path, headers=(("Content-Type", kind),), body=body)

    def start(line: str, headers: Any, exc_info: Any = None) -> None:
        found.append(line)

    started = time.process_time()
    list(app.wsgi_app(environ, start))
    spent = time.process_time() - started
    environ["wsgi.input"].seek(0)
    tracemalloc.start()
    try:
        list(app.wsgi_app(environ, start))
        return int(found[-1][:3]), spent, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "status"), [each[1:] for each in HEAVY], ids=[e[0] for e in HEAVY]
)
def test_a_heavy_body_costs_what_its_size_does(
    heavy: Flask, make: Callable[[], bytes], status: int
) -> None:
    body = make()
    answered, spent, peak = measured(heavy, b"/typed", body, b"application/json")
    assert answered == status
    _, null_spent, _ = measured(heavy, b"/null", body, b"application/json")
    assert peak <= 3 * len(body) + 1_000_000, (peak, len(body))
    # To parse costs more than to read; what is refused are squares, and the digits of integers.
    assert spent <= 30 * null_spent + 0.25, (spent, null_spent)


def test_nested_msgpack_is_refused(heavy: Flask) -> None:
    body = b"\x81\xa3any" + b"\x91" * MANY + b"\xc0"
    assert measured(heavy, b"/typed", body, b"application/msgpack")[0] == 400


@pytest.mark.parametrize("kind", [b"", b"text/plain", cases.FORM, cases.MULTI, b"application/xml"])
def test_a_body_of_another_type_is_not_parsed(heavy: Flask, kind: bytes) -> None:
    assert measured(heavy, b"/typed", b"[" * MANY, kind)[0] == 415
