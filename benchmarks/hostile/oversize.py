"""Requests that are too much: what is refused, and how much memory a server takes over them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from benchmarks.soak.server import Soak

from .servers import OURS, names, watched
from .wire import exchange, head, post

#: What a server may grow by for one of them, in MB: as many as the largest body that is allowed,
#: twice, as it is read and then decoded.
GROWTH_MB = 64
MIB = 1 << 20
FORM = "application/x-www-form-urlencoded"
MULTI = "multipart/form-data; boundary=b0"


class Case(NamedTuple):
    """`is_refused`: whether our limits say so, so that a 2xx is wrong."""

    name: str
    pieces: Iterable[bytes]
    is_refused: bool


def cases() -> Iterator[Case]:
    """All of them; made as they are asked for, as some are large."""
    yield from _heads()
    yield from _bodies()
    yield from _forms()
    yield from _jsons()


def _get(*fields: str, target: str = "/plain") -> bytes:
    return head(f"GET {target} HTTP/1.1", *fields)


def _heads() -> Iterator[Case]:
    for kib in (4, 64, 256, 1024, 16_384):
        yield Case(f"field of {kib} KiB", [_get("X-Long: " + "x" * (kib << 10))], kib > 512)
    for number in (90, 200, 1_000, 10_000, 100_000):
        fields = [f"X-{each}: y" for each in range(number)]
        yield Case(f"{number} fields", [_get(*fields)], number > 1_000)
    for number in (200, 100_000):
        fields = ["X-Same: y"] * number
        yield Case(f"the same field {number} times", [_get(*fields)], number > 1_000)
    for kib in (8, 64, 1024):
        yield Case(f"field name of {kib} KiB", [_get("X" * (kib << 10) + ": y")], kib > 512)
    for kib in (4, 60, 256, 1024):
        yield Case(f"path of {kib} KiB", [_get(target="/" + "x" * (kib << 10))], kib > 512)
        yield Case(f"query of {kib} KiB", [_get(target="/query?a=" + "x" * (kib << 10))], kib > 512)
    yield Case("path of 20,000 slashes", [_get(target="/" * 20_000)], False)
    yield Case("path of 20,000 segments", [_get(target="/x" * 20_000)], False)
    yield Case("method of 64 KiB", [head("X" * 65_536 + " /plain HTTP/1.1")], True)
    for number in (1_000, 10_000):
        pairs = "&".join(f"k{each}=v" for each in range(number))
        yield Case(f"query of {number} pairs", [_get(target=f"/query?{pairs}")], False)
    for number in (200, 2_000):
        pairs = "; ".join(f"k{each}=v" for each in range(number))
        yield Case(f"{number} cookies", [_get(f"Cookie: {pairs}", target="/cookies")], False)
    for text, what in (("a/b,", "Accept"), ('"a",', "If-None-Match"), ("en,", "Accept-Language")):
        yield Case(f"{what} of 10,000", [_get(f"{what}: {text * 10_000}x")], False)
    ranges = "0-1," * 10_000
    yield Case("10,000 ranges", [_get(f"Range: bytes={ranges}2-3", target="/download-file")], False)
    yield Case(
        "Range of 9s", [_get(f"Range: bytes={'9' * 9_000}-", target="/download-file")], False
    )


def _bodies() -> Iterator[Case]:
    for size in (16 * MIB, 17 * MIB, 64 * MIB):
        start = head("POST /size HTTP/1.1", f"Content-Length: {size}")
        yield Case(f"body of {size // MIB} MiB", _pieces(start, size), size > 16 * MIB)
        chunks = head("POST /size HTTP/1.1", "Transfer-Encoding: chunked")
        yield Case(f"chunks of {size // MIB} MiB", _chunks(chunks, size, 65_536), size > 16 * MIB)
    for size in (10 * 2**30, 10**18, 10**30):
        start = head("POST /size HTTP/1.1", f"Content-Length: {size}")
        yield Case(f"10^{len(str(size)) - 1} bytes announced", [start, b"x" * 100], True)
    start = head("POST /size HTTP/1.1", "Transfer-Encoding: chunked")
    yield Case("100,000 chunks of a byte", _chunks(start, 100_000, 1), True)
    yield Case(
        "chunk extension of 1 MiB", [start, b"5;" + b"x" * MIB + b"\r\nhello\r\n0\r\n\r\n"], True
    )
    yield Case("chunk size of 1 MiB", [start, b"0" * MIB + b"5\r\nhello\r\n0\r\n\r\n"], False)
    trailers = b"".join(b"X-%d: y\r\n" % each for each in range(20_000))
    yield Case("20,000 trailers", [start, b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n"], False)
    packed = head("POST /json HTTP/1.1", "Content-Encoding: gzip", "Content-Length: 5")
    yield Case("Content-Encoding: gzip", [packed, b"\x1f\x8b\x08\0\0"], True)


def _forms() -> Iterator[Case]:
    for size in (400_000, 600_000, 8 * MIB):
        yield Case(
            f"form of {size} bytes", [post("/form", b"a=" + b"x" * size, FORM)], size > 500_000
        )
    yield Case("form of 6 MB of %41", [post("/form", b"a=" + b"%41" * 2_000_000, FORM)], True)
    pairs = b"&".join(b"k%d=v" % each for each in range(50_000))
    yield Case("form of 50,000 pairs", [post("/form", pairs, FORM)], False)
    yield Case("form of separators", [post("/form", b"&" * 400_000, FORM)], False)
    part = b'--b0\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    file = part.replace(b'"a"', b'"a"; filename="b"')
    for one, what in ((part, "fields"), (file, "files")):
        yield Case(
            f"multipart of 900 {what}", [post("/form", one * 900 + b"--b0--\r\n", MULTI)], False
        )
        yield Case(
            f"multipart of 20,000 {what}",
            [post("/form", one * 20_000 + b"--b0--\r\n", MULTI)],
            True,
        )
    long = part.replace(b"\r\nx\r\n", b"\r\n" + b"x" * 2 * MIB + b"\r\n")
    yield Case("multipart field of 2 MiB", [post("/form", long + b"--b0--\r\n", MULTI)], True)
    heads = b"--b0\r\n" + b"X: y\r\n" * 50_000 + part[4:] + b"--b0--\r\n"
    yield Case("part with 50,000 fields", [post("/form", heads, MULTI)], False)
    wide = b"--b0\r\nX: " + b"y" * MIB + b"\r\n" + part[4:] + b"--b0--\r\n"
    yield Case("part with a field of 1 MiB", [post("/form", wide, MULTI)], True)
    kind = "multipart/form-data; boundary=" + "b" * 5_000
    yield Case("boundary of 5,000", [post("/form", part, kind)], False)
    yield Case(
        "multipart of line ends",
        [post("/form", file[:-3] + b"\r\n" * MIB + b"--b0--", MULTI)],
        False,
    )


def _jsons() -> Iterator[Case]:
    deep = {"[": "]", '{"a":': "}"}
    for target in ("/json", "/typed"):
        for depth in (1_000, 100_000, 2_000_000):
            for start, end in deep.items():
                body = (start * depth + "1" + end * depth).encode()
                name = f"{depth} times {start} at {target}"
                yield Case(name, [post(target, body, "application/json")], depth > 2_000)
        for name, body in (
            ("string of 8 MiB", b'"' + b"x" * 8 * MIB + b'"'),
            ("escapes", b'"' + b"\\u0041" * 500_000 + b'"'),
            ("300,000 numbers", b"[" + b"1," * 300_000 + b"1]"),
            ("200,000 keys", b"{" + b",".join(b'"%d":1' % n for n in range(200_000)) + b"}"),
            ("number of 1,000,000 digits", b"9" * 1_000_000),
            ("exponent of 10,000 digits", b"1e" + b"9" * 10_000),
            ("spaces", b" " * 8 * MIB + b"1"),
        ):
            yield Case(f"JSON: {name} at {target}", [post(target, body, "application/json")], False)


def _pieces(start: bytes, size: int) -> Iterator[bytes]:
    yield start
    piece = b"x" * 65_536
    for _ in range(size // len(piece)):
        yield piece


def _chunks(start: bytes, size: int, each: int) -> Iterator[bytes]:
    yield start
    piece = b"%x\r\n%s\r\n" % (each, b"x" * each)
    together = max(1, 16_384 // len(piece))
    for _ in range(size // (each * together)):
        yield piece * together
    yield b"0\r\n\r\n"


async def oversize(soak: Soak) -> None:
    report: Any = soak.report
    number = sum(1 for _ in cases())
    report.begin("oversize", f"{number} requests that are too much, one after the other")
    for name in names(soak):
        async with watched(soak, name) as server:
            accepted, most = [], (0.0, "")
            for case in cases():
                server.reset_peak()
                before = server.memory()
                # What a server that reads no further has said is still to be read.
                found = await exchange(server.port, *case.pieces, more_s=0.05)
                report.case(f"{name}: {case.name}", found)
                most = max(most, (server.peak() - before, case.name))
                if case.is_refused and any(200 <= one < 300 for one in found.statuses):
                    accepted.append(case.name)
                await asyncio.sleep(0)
            report.line(f"{name}: most memory for {most[1]}: {most[0]:.0f} MB")
            for one in accepted:
                report.line(f"{name}: accepted {one}")
            if name in OURS:
                report.check(f"{name}: accepted over a limit", len(accepted), "=", 0)
            report.check(f"{name}: memory grown by one", most[0], "<=", GROWTH_MB, " MB")
