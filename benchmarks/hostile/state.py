"""Stored sessions and Idempotency-Keys: hostile texts, clients that leave, kills, a held store.

A key's effect is had once at most, and exactly once where anybody was told so; a session loses no
key that was answered for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.soak.client import NoAnswer, connect, fetch, vanish
from benchmarks.soak.server import Server, Soak

from .asking import Asker, body_of, fields_of, judge, statuses
from .servers import MEMBERS, names, watched
from .wire import Exchange

KEYS = (
    '"abc"', "abc", "", " ", '""', '"a"b"', '"a', 'a"', '"\\""', '"\\a"', "a b", "a,b",
    '"a", "b"', "a;b=c", '"a";b=c', "a" * 255,
    "a" * 256, '"' + "\\\\" * 255 + '"', '"' + "a" * 256 + '"', "a" * 20_000, "é", "\xff",
    "\x7f", "\t", '"\t"', ":YWJj:", "?1", "1.0", "(a)",
    "%00", "../x", "' OR 1=1 --", "\ud800", "😀",
)  # fmt: skip
TARGETS = ("/buy", "/pay")
SENDERS = 6
TRIES = 60


async def state(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("state", "stored sessions, and keys of requests that come several times")
    for name in names(soak):
        file = soak.folder / f"state-{name}.db"
        store = f"sqlite:///{file}"
        async with watched(soak, name, MEMBERS, HIPFLASK_DATABASE_URL=store) as server:
            asker = Asker(soak, server.port, name)
            await _texts(soak, asker)
            await _leaving(soak, name, server)
            await _sessions(soak, asker)
            await _held(soak, Asker(soak, server.port, f"{name}, held", may=(503,)), file)
    await _killed(soak)


async def _texts(soak: Soak, asker: Asker) -> None:
    asked: list[Any] = []
    for target in TARGETS:
        for key in KEYS:
            told = f"key {key[:20]!r} to {target}"
            fields = [("Idempotency-Key", key)]
            asked.append((told, asker.ask(told, f"POST {target}", fields, b"text")))
            asked.append((told, asker.ask(told, f"POST {target}", fields * 2, b"text")))
    # 422 for a key that came with the other quotes before; 409 while that one is at work.
    right = (200, 400, 409, 422, 431)
    await judge(soak, "keys", asked, lambda found: found.status in right)


async def _leaving(soak: Soak, name: str, server: Server) -> None:
    """Several send the same at once, and some leave before they hear of it."""
    number = soak.of(60, 20)
    chance = random.Random(7)
    found = await asyncio.gather(
        *(_buy(soak, server.port, f"{name}-{key}", chance, leaves=True) for key in range(number))
    )
    await _judge_bought(
        soak, server.port, name, dict(zip(_names(name, number), found, strict=True))
    )


def _names(word: str, number: int) -> list[str]:
    return [f"{word}-{each}" for each in range(number)]


async def _buy(
    soak: Soak, port: int, name: str, chance: random.Random, *, leaves: bool
) -> Counter[int]:
    """Send one key from several clients until each that stays has an answer."""
    report: Any = soak.report
    fields = f'Idempotency-Key: "{name}"\r\n'
    heard: Counter[int] = Counter()

    async def send(is_leaving: bool) -> None:
        report.cases += 1
        if is_leaving:
            body = name.encode()
            line = "POST /buy HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            sent = f"{line}{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body
            with contextlib.suppress(OSError):
                sock = await connect(port)
                with contextlib.suppress(OSError):
                    at = chance.choice((len(sent), chance.randrange(len(sent))))
                    await asyncio.get_running_loop().sock_sendall(sock, sent[:at])
                    await asyncio.sleep(0.02 * chance.random())
                vanish(sock)
            return
        for _ in range(TRIES):
            try:
                answer = await fetch(port, "/buy", "POST", fields, name.encode())
            except NoAnswer as error:
                # No answer, as its worker is gone; or none yet, as the next is not there.
                heard[0 if error.kind == "cut" else -1] += 1
                await asyncio.sleep(0.1)
                continue
            heard[answer.status] += 1
            if answer.status not in (409, 503):
                return
            await asyncio.sleep(0.2)

    await asyncio.gather(*(send(leaves and each % 2 == 0) for each in range(SENDERS)))
    return heard


async def _judge_bought(soak: Soak, port: int, words: str, heard: dict[str, Counter[int]]) -> None:
    report: Any = soak.report
    bought: dict[str, int] = json.loads((await fetch(port, "/bought")).body)
    told = sum(heard.values(), Counter())
    report.line(f"{words}: {len(heard)} keys were answered {dict(sorted(told.items()))}")
    for status in told:
        if status >= 500 and status != 503:
            report.error(f"{words}: a key was answered {status}")
    twice = [name for name in heard if bought.get(name, 0) > 1]
    report.check(f"{words}: bought more than once", len(twice), "=", 0)
    never = [name for name, found in heard.items() if found[200] and not bought.get(name)]
    report.check(f"{words}: answered and not bought", len(never), "=", 0)
    for name, found in heard.items():
        if not found[200]:
            report.hang(f"{words}: {name} was never answered")


async def _sessions(soak: Soak, asker: Asker) -> None:
    """Several write one session at once: each key that was answered for is there."""
    first = await asker.ask("a session", "POST /put/first")
    fields = [("Cookie", fields_of(first)["set-cookie"].partition(";")[0])]
    number = soak.of(100, 30)
    found = await asyncio.gather(
        *(
            asker.ask("a write", f"POST /put{'-async' * (each % 2)}/k{each}", fields)
            for each in range(number)
        )
    )
    soak.report.line(f"writes at once were answered {dict(statuses(found))}")
    kept = json.loads(body_of(await asker.ask("what is kept", "GET /items", fields)))
    lost = [n for n, one in enumerate(found) if one.status == 200 and f"k{n}" not in kept]
    soak.report.check("keys of a session that were lost", len(lost), "=", 0)
    soak.report.check("writes at once answered 200", statuses(found)[200], "=", number)
    cookies = [
        "a" * 43,
        "é" * 43,
        "",
        ";",
        "=",
        '"' + "a" * 41 + '"',
        "a" * 8_000,
        "\xff" * 43,
        "a=b; " * 90,
    ]
    asked: list[Any] = [
        (f"cookie {one[:20]!r}", asker.ask(one[:20], "GET /items", [("Cookie", f"session={one}")]))
        for one in cookies
    ]
    await judge(soak, "made-up sessions", asked, _is_empty)


def _is_empty(found: Exchange) -> bool:
    return found.status == 431 or (found.status == 200 and json.loads(body_of(found)) == {})


async def _held(soak: Soak, asker: Asker, file: Path) -> None:
    """While somebody holds the store: 503, never an empty session; pages without one go on."""
    first = await asker.ask("a session", "POST /put/first")
    cookie = [("Cookie", fields_of(first)["set-cookie"].partition(";")[0])]
    key = [("Idempotency-Key", "held")]
    holder = sqlite3.connect(file, isolation_level=None, timeout=20)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        asked: list[Any] = []
        for each in range(3):
            asked += [
                ("a write", asker.ask("a write", f"POST /put/held{each}", cookie)),
                ("a key", asker.ask("a key", "POST /buy", key, b"held")),
                ("a plain page", asker.ask("a plain page", "GET /plain")),
            ]
        found = await judge(soak, "while it is held", asked, lambda one: one.status in (200, 503))
        plain = statuses(
            one for (what, _), one in zip(asked, found, strict=True) if "plain" in what
        )
        soak.report.check("plain pages meanwhile", plain[200], "=", 3)
        soak.report.check("answered 503", statuses(found)[503], "=", 6)
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    kept = await asker.ask("afterwards", "GET /items", cookie)
    soak.report.check(
        "the session afterwards", json.loads(body_of(kept)) == {"first": 1}, "=", True
    )
    again = await asker.ask("the key afterwards", "POST /buy", key, b"held")
    soak.report.check("the key afterwards", again.status, "=", 200)


async def _killed(soak: Soak) -> None:
    """Workers are killed meanwhile: a key's effect is had once, and all are told of it."""
    number, kills = soak.of(120, 40), soak.of(12, 4)
    environ = {"HIPFLASK_DATABASE_URL": f"sqlite:///{soak.folder}/killed.db"}
    async with Server(soak.folder, workers=2, app=MEMBERS, environ=environ) as server:
        tasks = []
        chance = random.Random(number)
        heard: dict[str, Counter[int]] = {}

        async def buy(name: str) -> None:
            heard[name] = await _buy(soak, server.port, name, chance, leaves=False)

        for each, name in enumerate(_names("killed", number)):
            tasks.append(asyncio.create_task(buy(name)))
            if each % (number // kills) == 0 and (workers := server.workers()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), signal.SIGKILL)
            await asyncio.sleep(0.1)
        await asyncio.gather(*tasks)
        await _judge_bought(soak, server.port, f"{kills} kills", heard)
