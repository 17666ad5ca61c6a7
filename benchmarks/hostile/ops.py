"""The port for those who look after a service: malformed requests, slow clients, made-up routes.

It is served by the supervisor, so what it leaks or dies of takes the service with it.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import string
import time
from typing import Any

from benchmarks.soak.client import Load, NoAnswer, connect, fetch
from benchmarks.soak.server import Server, Soak, free_port

from .asking import Asker, judge
from .malformed import read_corpus
from .servers import APP, OURS
from .wire import Exchange, exchange, head

PAGES = ("/metrics", "/livez", "/readyz", "/status", "/")
#: As long as one client may take, and some more.
SLOW_S = 9.0
SLOW = 60
#: It takes sixteen at a time, and closes what is more.
AT_ONCE = 8
TOKEN = "only for this battery"
HOSTS = (
    "evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil",
    "[::1",
    "\xff",
    "a" * 9_000,
    "127.0.0.1:x@evil",
    "evil:80",
)
SAID = (
    f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}",
    "\xff", "Bearer " + "a" * 9_000,
    f"Bearer  {TOKEN} {TOKEN}", f'Bearer "{TOKEN}"',
)  # fmt: skip


async def ops(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("ops", "the port for figures and probes, and the figures of hostile requests")
    for name in OURS[:1] if soak.quick else OURS:
        port = free_port()
        flags = ("--interface", name, "--ops-bind", f"127.0.0.1:{port}", "--metrics", "/figures")
        async with Server(soak.folder, *flags, app=APP) as server:
            # Its first request starts what it needs.
            await fetch(port, "/metrics")
            before = await _alive(server, {})
            load = Load(server.port, connections=2, pause_s=0.02)
            await _malformed(soak, name, port)
            await _heads(soak, name, port)
            await _slow(soak, name, port)
            tally = await load.stop()
            report.load(f"{name}: the service meanwhile", tally)
            report.check(f"{name}: lost meanwhile", tally.lost.total(), "=", 0)
            await _routes(soak, name, server, port)
            await _inside(soak, name, server)
            after = await _alive(server, before)
            for what, number in after.items():
                if number > before[what]:
                    report.leak(f"{name}: {number - before[what]} {what} more in the supervisor")
            report.check(f"{name}: supervisor lives", server.code is None, "=", True)
            told = server.read_log().count("Traceback")
            report.check(f"{name}: tracebacks in the log", told, "=", 0)
    await _token(soak)


async def _alive(server: Server, wanted: dict[str, int]) -> dict[str, int]:
    """Files and threads of the supervisor, once they are no more than `wanted`, or stay."""
    found: dict[str, int] = {}
    for _ in range(60):
        fresh = {
            "files": len(os.listdir(f"/proc/{server.pid}/fd")),
            "threads": len(os.listdir(f"/proc/{server.pid}/task")),
        }
        is_calm = fresh == found and not wanted
        found = fresh
        if is_calm or (wanted and all(found[key] <= wanted[key] for key in wanted)):
            break
        await asyncio.sleep(0.25)
    return found


async def _malformed(soak: Soak, name: str, port: int) -> None:
    report: Any = soak.report
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(message: bytes) -> Exchange:
        async with gate:
            return await exchange(port, message)

    cases = read_corpus()
    asked = [(case.name, case.message.replace(b" /plain ", b" /livez ")) for case in cases]
    found = await asyncio.gather(*(one(message) for _, message in asked))
    for (what, _), answer in zip(asked, found, strict=True):
        report.case(f"{name}: ops port, {what}", answer)
    alive = await fetch(port, "/livez")
    report.check(f"{name}: /livez after malformed messages", alive.status, "=", 200)


async def _heads(soak: Soak, name: str, port: int) -> None:
    asker = Asker(soak, port, f"{name}: ops port", may=(501,), at_once=AT_ONCE)
    asked: list[Any] = []
    for page in PAGES:
        for host in HOSTS:
            told = f"{page} as {host[:20]!r}"
            asked.append((told, asker.ask(told, f"GET {page}", host=host)))
    for what, line, fields in (
        ("a long path", "GET /" + "x" * 70_000, []),
        ("very many fields", "GET /livez", [("X-A", "b")] * 1_000),
        ("a long field", "GET /livez", [("X-A", "b" * 70_000)]),
        ("a POST", "POST /metrics", []),
        ("a method of its own", "METRICS /metrics", []),
        ("a parent", "GET /../../etc/passwd", []),
        ("a path that is none", "GET \x80\xff", []),
    ):
        asked.append((what, asker.ask(what, line, fields)))
    await judge(
        soak, f"{name}: what is not for them", asked, lambda one: one.status not in (200, 500)
    )
    accepts = (
        "",
        "*/*",
        "application/openmetrics-text;version=9",
        ";q=",
        "a/b," * 2_000,
        "\xff",
        "text/plain;version=0.0.4;q=x",
    )
    right = [(one[:20], asker.ask("Accept", "GET /metrics", [("Accept", one)])) for one in accepts]
    await judge(soak, f"{name}: figures in any form", right, lambda one: one.status == 200)


async def _slow(soak: Soak, name: str, port: int) -> None:
    """Clients that never end what they say: each is sent away, and others come to their turn."""
    report: Any = soak.report
    loop = asyncio.get_running_loop()

    async def drip() -> bool:
        """Whether the server ended it in time."""
        began = time.monotonic()
        try:
            with await connect(port) as sock:
                sent = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
                await loop.sock_sendall(sock, sent)
                closed = asyncio.ensure_future(loop.sock_recv(sock, 100))
                try:
                    while not closed.done() and time.monotonic() - began < SLOW_S:
                        await asyncio.wait((closed,), timeout=0.5)
                        if not closed.done():
                            await loop.sock_sendall(sock, b"x")
                    return closed.done()
                finally:
                    closed.cancel()
        except OSError:
            return True

    report.cases += SLOW
    ended = await asyncio.gather(*(drip() for _ in range(SLOW)))
    report.check(f"{name}: slow clients that were sent away", sum(ended), "=", SLOW)
    alive = 0
    for _ in range(20):
        try:
            alive = (await fetch(port, "/livez")).status
            break
        except NoAnswer:
            await asyncio.sleep(0.25)
    report.check(f"{name}: /livez after slow clients", alive, "=", 200)


async def _routes(soak: Soak, name: str, server: Server, port: int) -> None:
    """Made-up paths, methods and hosts make no figures of their own."""
    report: Any = soak.report
    before = len((await fetch(port, "/metrics")).body)
    chance = random.Random(5)
    letters = string.ascii_letters + string.digits + '%-_.~"\\{}'

    def word() -> str:
        return "".join(chance.choice(letters) for _ in range(12))

    number = soak.of(2_000, 400)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> Exchange:
        async with gate:
            method = chance.choice(
                ("GET", "POST", word().translate(str.maketrans("", "", '"\\{}')))
            )
            line = f"{method} /{word()} HTTP/1.1"
            return await exchange(
                server.port, head(line, f"X-{word()[:3]}: y", "Connection: close")
            )

    for found in await asyncio.gather(*(one() for _ in range(number))):
        report.case(f"{name}: a made-up route", found)
    text = (await fetch(port, "/metrics")).body
    report.line(
        f"{name}: {before} bytes of figures before {number} made-up routes, {len(text)} after"
    )
    report.check(f"{name}: bytes of figures more", len(text) - before, "<=", 20_000)
    lines = text.decode().splitlines()
    odd = [line for line in lines if not (line.startswith("#") or _LINE(line))]
    report.check(f"{name}: lines of figures out of form", len(odd), "=", 0)


_LINE = re.compile(r'[a-zA-Z_:][\w:]*(\{(\w+="([^"\\\n]|\\.)*",?)*\})? [^ ]+( \d+)?').fullmatch


async def _inside(soak: Soak, name: str, server: Server) -> None:
    """The figures that the service itself shows: to this machine, and not through a proxy."""
    asker = Asker(soak, server.port, f"{name}: figures")
    asked: list[Any] = []
    for field in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"):
        for value in ("127.0.0.1", "1.2.3.4", "\xff", "unix", "a" * 9_000):
            told = f"{field}: {value[:20]!r}"
            asked.append((told, asker.ask(told, "GET /figures", [(field, value)])))
    for host in HOSTS:
        asked.append((host[:20], asker.ask(host[:20], "GET /figures", host=host)))
    await judge(
        soak, f"{name}: figures for others", asked, lambda one: one.status not in (200, 500)
    )


async def _token(soak: Soak) -> None:
    """With a token, figures are for who has it."""
    port = free_port()
    environ = {"HIPFLASK_SERVE_METRICS_TOKEN": TOKEN}
    async with Server(soak.folder, "--ops-bind", f"127.0.0.1:{port}", app=APP, environ=environ):
        asker = Asker(soak, port, "a token", at_once=AT_ONCE)
        asked: list[Any] = [
            (
                f"{page} with {said[:20]!r}",
                asker.ask(said[:20], f"GET {page}", [("Authorization", said)]),
            )
            for page in (
                "/metrics",
                "/status",
                "//metrics",
                "/metrics/",
                "/%6detrics",
                "/metrics?a",
            )
            for said in SAID
        ]
        await judge(soak, "wrong tokens", asked, lambda one: one.status in (400, 401, 404, 431))
        own = [("Authorization", f"bearer {TOKEN}")]
        right = [("the token", asker.ask("the token", "GET /metrics", own))]
        await judge(soak, "the right token", right, lambda one: one.status == 200)
