"""No input gets a 5xx, an exception or a hang out of the app: corpus, mutations and hypothesis.

At least `CASES_WANTED` requests are fired and counted; `FUZZ_EFFORT=10` fires ten times the random
ones, chosen anew each run.
"""

from __future__ import annotations

import gc
import os
import random
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import cases
from .target import Gun, build, environ_of

EFFORT = float(os.environ.get("FUZZ_EFFORT", "1"))
CASES_WANTED = 20_000
MUTATIONS = int(30_000 * EFFORT)
EXAMPLES = max(1, int(1_500 * EFFORT))
BODY_READERS = (
    b"/echo",
    b"/json",
    b"/json/force",
    b"/json/silent",
    b"/data",
    b"/stream",
    b"/missing",
)


# Werkzeug's form parser leaves the files of a body cut short to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")


@pytest.fixture(autouse=True)
def collect_within_the_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def gun() -> Iterator[Gun]:
    yield Gun(build())


def corpus() -> Iterator[dict[str, Any]]:
    """Every value of the corpus, in its place, before every reader it may matter to."""
    for path in cases.PATHS:
        for method in cases.METHODS:
            yield environ_of(method, path)
        for query in cases.QUERIES[:12]:
            yield environ_of("GET", path, query)
    for path in cases.READERS:
        for query in cases.QUERIES:
            yield environ_of("GET", path, query)
            yield environ_of("POST", path, query, body=b"x")
        for host in cases.HOSTS:
            yield environ_of("GET", path, headers=(("Host", host),))
        for cookie in cases.COOKIES:
            yield environ_of("GET", path, headers=(("Cookie", cookie),))
        for name, values in cases.HEADERS:
            for value in values:
                yield environ_of("GET", path, headers=((name, value),))
        for length in cases.LENGTHS:
            yield environ_of("POST", path, body=b"a=1", length=length)
    for path in BODY_READERS:
        for bodies, kinds in (
            (cases.MULTIPARTS, (cases.MULTI,)),
            (cases.FORMS, (cases.FORM,)),
            (cases.JSONS, (cases.JSON,)),
            ((b"", b"a=1", b"{}", cases.part(cases.FIELD) + cases.END), cases.TYPES),
        ):
            for kind in kinds:
                for body in bodies:
                    yield environ_of("POST", path, headers=(("Content-Type", kind),), body=body)
    for path in BODY_READERS:
        for body in (*cases.MULTIPARTS[:20], *cases.JSONS[:10]):
            for length in ("1", str(len(body) + 9), str(max(0, len(body) - 3)), "199999"):
                for kind in (cases.MULTI, cases.JSON, cases.FORM):
                    head = (("Content-Type", kind),)
                    yield environ_of("POST", path, headers=head, body=body, length=length)


def test_the_corpus_gets_no_server_error(gun: Gun) -> None:
    for environ in corpus():
        gun.fire(environ)
    gun.check()


def bend(chance: random.Random, text: bytes) -> bytes:
    """The text with one accident: a byte flipped, cut out, doubled, or something put in."""
    if not text:
        return chance.choice((b"\0", b"\xff", b"=", b'"', b"\r\n"))
    at = chance.randrange(len(text))
    how = chance.randrange(6)
    if how == 0:
        return text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]
    if how == 1:
        return text[:at]
    if how == 2:
        return text[:at] + text[at + chance.randrange(1, 9) :]
    if how == 3:
        return text[:at] + text[max(0, at - 9) : at] * chance.randrange(1, 9) + text[at:]
    noise = chance.choice(
        (b"\0", b"\xff", b"%", b";", b",", b'"', b"\\", b"\r\n", b"--", b"9" * 40)
    )
    return text[:at] + noise + text[at:]


def short(chance: random.Random, values: tuple[bytes, ...]) -> bytes:
    """One of the values, cut to 4 kB: the long ones have had their turn."""
    return chance.choice(values)[:4_000]


def mutant(chance: random.Random) -> dict[str, Any]:
    """A request whose parts come from anywhere in the corpus, some of them bent."""

    def maybe(text: bytes) -> bytes:
        while chance.random() < 0.5:
            text = bend(chance, text)
        return text

    kind = chance.choice((cases.MULTI, cases.FORM, cases.JSON, short(chance, cases.TYPES)))
    bodies = chance.choice((cases.MULTIPARTS, cases.FORMS, cases.JSONS))
    headers = [("Content-Type", maybe(kind))]
    for _ in range(chance.randrange(4)):
        name, values = chance.choice(cases.HEADERS)
        headers.append((name, maybe(short(chance, values))))
    if chance.random() < 0.4:
        headers.append(("Cookie", maybe(short(chance, cases.COOKIES))))
    if chance.random() < 0.2:
        headers.append(("Host", maybe(short(chance, cases.HOSTS))))
    body = maybe(short(chance, bodies)) if chance.random() < 0.7 else b""
    path = short(chance, cases.PATHS if chance.random() < 0.5 else cases.READERS)
    return environ_of(
        chance.choice(cases.METHODS[:8]),
        maybe(path) if chance.random() < 0.5 else path,
        maybe(short(chance, cases.QUERIES)) if chance.random() < 0.5 else b"",
        tuple(headers),
        body,
        chance.choice(cases.LENGTHS) if chance.random() < 0.05 else None,
    )


def test_bent_requests_get_no_server_error(gun: Gun) -> None:
    chance = random.Random(20_260 if EFFORT == 1 else None)
    for _ in range(MUTATIONS):
        gun.fire(mutant(chance))
    gun.check()


BYTES = st.binary(max_size=60)
NAMES = st.sampled_from(tuple(name for name, _ in cases.HEADERS) + ("Host", "Cookie", "X-Any"))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EFFORT == 1,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    method=st.sampled_from(cases.METHODS),
    path=st.one_of(st.sampled_from(cases.READERS), BYTES.map(lambda b: b"/" + b), BYTES),
    query=BYTES,
    headers=st.lists(st.tuples(NAMES, BYTES), max_size=5, unique_by=lambda h: h[0]),
    kind=st.one_of(st.sampled_from((cases.MULTI, cases.FORM, cases.JSON)), BYTES),
    body=st.one_of(BYTES, BYTES.map(lambda b: cases.part(cases.FIELD, b) + cases.END)),
)
def test_random_bytes_get_no_server_error(
    gun: Gun,
    method: str,
    path: bytes,
    query: bytes,
    headers: list[tuple[str, bytes]],
    kind: bytes,
    body: bytes,
) -> None:
    gun.fire(environ_of(method, path, query, (("Content-Type", kind), *headers), body))
    gun.check()


def test_enough_cases_were_fired(gun: Gun, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        shown = ", ".join(f"{status}: {n}" for status, n in sorted(gun.statuses.items()))
        print(f"\nfuzz: {gun.fired} hostile requests answered ({shown})")
    assert gun.fired >= CASES_WANTED


@pytest.mark.parametrize("size", [50_000])
@pytest.mark.parametrize(
    "filler", [b"\r", b"\n", b"\r\n", b"-", b"\r\n--b", b"\r\n--b0\r\r", b";", b'"']
)
def test_multipart_takes_linear_time(filler: bytes, size: int) -> None:
    def cost(length: int) -> float:
        content = (filler * length)[:length]
        body = cases.part(cases.FILE, content) + cases.END
        app = build()
        app.config["MAX_CONTENT_LENGTH"] = None
        environ = environ_of("POST", b"/echo", headers=(("Content-Type", cases.MULTI),), body=body)
        started = time.process_time()
        gun = Gun(app)
        gun.fire(environ)
        gun.check()
        return time.process_time() - started

    small = min(cost(size) for _ in range(3))
    large = min(cost(size * 8) for _ in range(3))
    # Quadratic would be 64 times; a constant share makes the linear ratio smaller than 8.
    assert large < 24 * small + 0.05


def test_unknown_hosts_and_paths_leave_no_memory_behind() -> None:
    gun = Gun(build())

    def burst(start: int) -> None:
        for n in range(start, start + 1_500):
            host = (("Host", b"h%d.example" % n),)
            gun.fire(environ_of("GET", b"/echo/%d" % n, b"q=%d" % n, host))
        gun.check()

    burst(0)
    tracemalloc.start()
    try:
        burst(10_000)
        first = tracemalloc.get_traced_memory()[0]
        burst(20_000)
        burst(30_000)
        second = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # 3,000 kept hosts would be some 200 kB.
    assert second - first < 100_000
