"""What stands before the views: other sites' writes, CORS, hosts, proxies' fields, rates, bombs."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

from benchmarks.soak.server import Soak

from .asking import Asker, body_of, fields_of, judge, statuses
from .logins import ORIGINS
from .servers import MEMBERS, PARTNER, RATE, names, watched
from .wire import Exchange

HOSTS = (
    None, "", "evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "127.0.0.1:x",
    "127.0.0.1:80:80", "127.0.0.1 evil",
    "127.0.0.1/evil", "127.0.0.1\\evil", "127.0.0.1,evil", "[::1", "127.0.0.1#", "127.0.0.1?",
    "\xff", "a" * 5_000, "127.0.0.1%00",
    "127.0.0.1:99999999", "localhost.", "%31%32%37.0.0.1", "127.1", "0x7f000001",
)  # fmt: skip
#: Other spellings of hosts that are trusted: answered, or refused. Werkzeug takes ":80" away.
EITHER = ("localhost.", "127.0.0.1:99999999", "127.0.0.1:80:80", "", None)
CHAINS = (
    "1.2.3.4", "1.2.3.4, 5.6.7.8", "127.0.0.1", "unknown", "_hidden", ",,,", " ", "1.2.3.4:80",
    "[2001:db8::1]:80", "2001:db8::1",
    "::ffff:127.0.0.1", "fe80::1%eth0", "1.2.3", "1.2.3.4\x00", "1.2.3.4, " * 900, "\xff",
    "999.1.1.1", "0", "' OR 1=1", "é",
    'for="[::1]:80";proto=https', "for=1.2.3.4;host=evil.example", "for=_x", "for=", "=;=",
    'for="',
)  # fmt: skip
FORWARDED = (
    "X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP",
    "X-Forwarded-Prefix", "X-Forwarded-Port",
)  # fmt: skip
MIB = 1 << 20


async def guards(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("guards", "other sites, hosts, proxies' fields, rates, compressed bodies")
    for name in names(soak):
        store = f"sqlite:///{soak.folder}/guards-{name}.db"
        async with watched(soak, name, MEMBERS, HIPFLASK_DATABASE_URL=store) as server:
            asker = Asker(soak, server.port, name)
            await _cors(soak, asker)
            await _hosts(soak, asker)
            await _rates(soak, asker)
            before = server.memory()
            server.reset_peak()
            await _bombs(soak, asker)
            grown = server.peak() - before
            report.check(f"{name}: memory grown by bombs", grown, "<=", 64, " MB")
        async with watched(
            soak, name, MEMBERS, HIPFLASK_DATABASE_URL=store, HOSTILE_PROXY="1"
        ) as server:
            await _proxies(soak, Asker(soak, server.port, f"{name}, behind a proxy"))


async def _cors(soak: Soak, asker: Asker) -> None:
    """Origins that are not the partner's are never sent back, whatever is asked for."""
    asked: list[Any] = []
    for origin, site in (*ORIGINS, (f"{PARTNER}.evil.example", ""), (PARTNER.upper(), "")):
        for method in ("GET", "POST", "OPTIONS"):
            fields = [("Origin", origin), ("Sec-Fetch-Site", site)]
            fields += [("Access-Control-Request-Method", "DELETE\x7f" if site else "POST")]
            fields += [("Access-Control-Request-Headers", "X-" + "a, x-" * 99)]
            sent = [one for one in fields if one[1]]
            what = f"{method} from {origin!r} {site}"
            asked.append((what, asker.ask(what, f"{method} /partner/orders", sent)))
    await judge(soak, "other origins", asked, _is_not_shared)
    own = [("Origin", PARTNER), ("Sec-Fetch-Site", "cross-site")]
    friendly = [
        (method, asker.ask(method, f"{method} /partner/orders", own)) for method in ("GET", "POST")
    ]
    await judge(soak, "the partner", friendly, _is_shared)


def _is_not_shared(found: Exchange) -> bool:
    return found.status != 0 and "access-control-allow-origin" not in fields_of(found)


def _is_shared(found: Exchange) -> bool:
    fields = fields_of(found)
    allowed = fields.get("access-control-allow-origin")
    return found.status == 200 and allowed == PARTNER and "origin" in fields["vary"].lower()


async def _hosts(soak: Soak, asker: Asker) -> None:
    asked: list[Any] = []
    for host in HOSTS:
        for target in ("/plain", "/me", "/nothing"):
            what = f"Host {str(host)[:30]!r} at {target}"
            asked.append((what, asker.ask(what, f"GET {target}", host=host)))
    named = dict(
        zip((one[0] for one in asked), [host for host in HOSTS for _ in range(3)], strict=True)
    )
    found = await judge(
        soak, "hosts", asked, lambda one: b"evil" not in fields_of(one).get("location", "").encode()
    )
    served = [
        what
        for (what, _), one in zip(asked, found, strict=True)
        if one.status < 400 and one.status and named[what] not in EITHER
    ]
    soak.report.line(f"served: {served}") if served else None
    soak.report.check("hosts that are not ours, served", len(served), "=", 0)


async def _rates(soak: Soak, asker: Asker) -> None:
    """One address is one caller, whatever it says of itself; and nobody gets a call more."""
    found = await asyncio.gather(
        *(
            asker.ask("a call", "POST /limited", [(FORWARDED[each % 7], CHAINS[each % 4])])
            for each in range(RATE * 3)
        )
    )
    soak.report.line(f"calls were answered {dict(statuses(found))}")
    soak.report.check("calls within the rate", statuses(found)[200], "=", RATE)
    untold = [one for one in found if one.status == 429 and "retry-after" not in fields_of(one)]
    soak.report.check("429 without Retry-After", len(untold), "=", 0)
    seen = {body_of(one) for one in found if one.status == 200}
    soak.report.check("addresses that were believed", len(seen - {b"127.0.0.1"}), "=", 0)


async def _bombs(soak: Soak, asker: Asker) -> None:
    asked: list[Any] = []
    zeros = b"\0" * (64 * MIB)
    packed = {
        "64 MiB of zeros": gzip.compress(zeros),
        "64 MiB, deflate": zlib.compress(zeros),
        "twice": gzip.compress(gzip.compress(zeros)),
        "cut": gzip.compress(b"a" * 1_000)[:-9],
        "garbage": b"\x1f\x8b\x08" + b"\xff" * 1_000,
        "two members": gzip.compress(b"a") * 2,
        "something behind": gzip.compress(b"a") + b"x",
        "nothing": b"",
        "a wrong sum": gzip.compress(b"a" * 99)[:-8] + b"\0" * 8,
        "a long name": b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"n" * MIB,
    }
    for what, body in packed.items():
        for coding in ("gzip", "deflate", "gzip, gzip", "br", "\x7f", "identity, gzip", "x-gzip"):
            for target in ("/inflated", "/write"):
                told = f"{what} as {coding!r} to {target}"
                fields = [("Content-Encoding", coding)]
                asked.append((told, asker.ask(told, f"POST {target}", fields, body)))
    # What is packed twice is unpacked once; 200 is an answer of few bytes.
    await judge(
        soak, "compressed bodies", asked, lambda found: found.status in (200, 400, 413, 415)
    )
    whole = await asker.ask(
        "a whole one", "POST /inflated", [("Content-Encoding", "gzip")], gzip.compress(b"a" * 99)
    )
    soak.report.check("what is right is unpacked", body_of(whole) == b"99", "=", True)


async def _proxies(soak: Soak, asker: Asker) -> None:
    asked: list[Any] = []
    for field in FORWARDED:
        for chain in CHAINS:
            told = f"{field}: {chain[:30]!r}"
            fields = [(field, chain), ("X-Forwarded-Proto", "https, gopher")]
            asked.append((told, asker.ask(told, "GET /plain", [(field, chain)])))
            asked.append((told, asker.ask(told, "POST /limited", fields)))
    refused = (200, 400, 429, 431)
    await judge(soak, "fields of proxies", asked, lambda found: found.status in refused)
    believed = []
    for each in range(RATE + 10):
        told = [("X-Forwarded-For", f"evil, 203.0.113.{each}")]
        found = await asker.ask("a client of its own", "POST /limited", told)
        if body_of(found) == b"203.0.113.%d" % each:
            believed.append(each)
    soak.report.check("clients that the proxy named", len(believed), "=", RATE + 10)
