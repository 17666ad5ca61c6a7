"""A login page: hostile names and places, other sites' forms, guesses, forged cookies."""

from __future__ import annotations

import asyncio
import base64
import random
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from benchmarks.soak.client import Connection, Load, NoAnswer
from benchmarks.soak.server import Soak

from .asking import Asker, fields_of, judge, statuses
from .servers import APP, MEMBERS, OURS, PASSWORD, names, watched
from .wire import Exchange

OWN = "http://127.0.0.1"
#: Hashing takes 64 MiB, and two hash at a time.
GROWTH_MB = 2 * 67.2 + 40
FREE = 5
TEXTS: tuple[str | bytes, ...] = (
    "", " ", "\0", "ada\0", "ada ", " ada", "Ada", "\r\nSet-Cookie: a=b", "\x1b[31m",
    "\u202eada", "\u2028", "\ud800",
    b"\xff\xfe", b"\xc3\x28", "é" * 200, "a" * 256, "a" * 257, "a" * 5_000, "a" * 200_000,
    "' OR 1=1 --", "%00", "{{7*7}}",
    "<script>alert(1)</script>", "${jndi:ldap://x}", "../../etc/passwd",
    "$argon2id$v=19$m=65536", "😀" * 64, "0", "null", "ﬃ",
)  # fmt: skip
PLACES = (
    "/me", "/me?a=b#c", "//evil.example", "///evil.example", "/\\evil.example",
    "\\\\evil.example", "https://evil.example",
    "https:evil.example", "http:///evil.example", "javascript:alert(1)", "data:text/html,x",
    "/\t/evil.example", "\t//evil.example",
    "/%09/evil.example", "/%2f/evil.example", "/%5cevil.example", "/.//evil.example",
    "/..//evil.example", "/a/../..//evil.example",
    "@evil.example", ":80/x", "?x", "#x", "", "\u3000//evil.example", "/\u200b/evil.example",
    "//evil.example:80@127.0.0.1",
    "http://127.0.0.1@evil.example", "http://127.0.0.1.evil.example",
    "/\r\nLocation: //evil.example", "/\0//evil.example",
    "////evil.example/%2e%2e", "/" + "a" * 3_000, "/;//evil.example", "/evil.example\\@x",
    "http://[::1", "//[evil]",
)  # fmt: skip
ORIGINS = (
    ("null", ""), ("https://evil.example", ""), ("http://127.0.0.1.evil.example", ""),
    ("http://evil.example:80", "cross-site"),
    ("http://127.0.0.1:1", ""), ("http://[", ""), ("http://127.0.0.1@evil.example", ""),
    ("file://", ""), ("evil", ""),
    ("", "cross-site"), ("http://127.0.0.1", "cross-site"), ("", "same-site"),
    ("http://localhost", ""), ("", "Same-Origin "),
)  # fmt: skip
BROWSERS = str.maketrans({"\\": "/", "\t": None, "\r": None, "\n": None})


async def logins(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("logins", "a login page, and the cookies it gives")
    for name in names(soak):
        store = f"sqlite:///{soak.folder}/members-{name}.db"
        async with watched(soak, name, MEMBERS, HIPFLASK_DATABASE_URL=store) as server:
            # So long somebody waits for a place to hash a password.
            asker = Asker(soak, server.port, name, may=(503,), at_once=8)
            if name == "rsgi":  # each takes a hash
                await _texts(soak, asker)
            await _places(soak, asker)
            await _origins(soak, asker)
            await _planted(soak, asker)
        if name in OURS:
            await _guesses(soak, name)
    await _forged(soak)


async def _texts(soak: Soak, asker: Asker) -> None:
    cases = [
        (f"{field} {text[:20]!r}", {"name": "ada", "password": "wrong", field: text})
        for field in ("name", "password", "next")
        for text in TEXTS
    ]
    asked: list[Any] = [(what, asker.form(what, "/login", form)) for what, form in cases]
    for kind, body in (
        ("application/json", b'{"name":"ada","password":"correct horse battery staple"}'),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n--b--"),
        ("multipart/form-data", b""),
        ("text/plain", b"name=ada"),
        ("application/x-www-form-urlencoded", b"name=%ff&password=%00&" + b"a=b&" * 900),
    ):
        fields = [("Content-Type", kind)]
        asked.append((kind, asker.ask(kind, "POST /login", fields, body)))
    refused = (400, 401, 403, 413, 415, 503)
    await judge(soak, "names and passwords", asked, lambda found: found.status in refused)


async def _places(soak: Soak, asker: Asker) -> None:
    asked: list[Any] = []
    for place in PLACES:
        form = {"name": "ada", "password": PASSWORD, "next": place}
        asked.append((f"next {place!r}", asker.form(place, "/login", form)))
        target = f"/next?next={quote(place, safe='')}"
        asked.append((f"redirect_local {place!r}", asker.ask(place, f"GET {target}")))
    await judge(soak, "places to go next", asked, _is_here)


def _is_here(found: Exchange) -> bool:
    """Whether a redirect stays on this site, as browsers read it."""
    if found.status not in (302, 303):
        return found.status == 503
    place = fields_of(found)["location"].translate(BROWSERS).strip()
    whole = urlsplit(urljoin(f"{OWN}/login", place))
    return (whole.scheme, whole.netloc) == ("http", "127.0.0.1")


async def _origins(soak: Soak, asker: Asker) -> None:
    asked: list[Any] = []
    right = {"name": "ada", "password": PASSWORD}
    for target, form in (("/login", right), ("/login/out", {"everywhere": "1"}), ("/write", {})):
        for origin, site in ORIGINS:
            fields = [("Origin", origin), ("Sec-Fetch-Site", site)]
            what = f"{target} from {origin!r} {site}"
            sent = [one for one in fields if one[1]]
            asked.append((what, asker.form(what, target, form, sent)))
    await judge(soak, "forms of other sites", asked, lambda found: found.status in (400, 403))


async def _planted(soak: Soak, asker: Asker) -> None:
    """A cookie that a stranger has put into the browser opens nothing after the login."""
    planted = ["a" * 43, "é" * 43, "a" * 42, "", "\0" * 43, "'" * 43, "a" * 4_000, "a; session=b"]
    first = await asker.form("login", "/login", {"name": "ada", "password": PASSWORD})
    planted.append(_cookie(first))
    opened = []
    for value in planted:
        fields = [("Cookie", f"session={value}")]
        before = await asker.ask(f"planted {value[:20]!r}", "GET /me", fields)
        if value != planted[-1] and before.status == 200:
            opened.append(value)
        right = {"name": "ada", "password": PASSWORD}
        found = await asker.form(f"login with {value[:20]!r}", "/login", right, fields)
        given = _cookie(found)
        after = await asker.ask("planted again", "GET /me", fields)
        if found.status == 303 and (not given or given == value or after.status == 200):
            opened.append(value)
    soak.report.check("planted cookies that open something", len(opened), "=", 0)
    inside = await asker.ask("the own cookie", "GET /me", [("Cookie", f"session={given}")])
    soak.report.check("the own cookie opens", inside.status, "=", 200)


def _cookie(found: Exchange) -> str:
    return fields_of(found).get("set-cookie", "").partition(";")[0].partition("=")[2]


async def _guesses(soak: Soak, name: str) -> None:
    """Very many guesses at once: few are looked at, and others are answered meanwhile."""
    report: Any = soak.report
    number = soak.of(600, 200)
    environ = {
        "HIPFLASK_DATABASE_URL": f"sqlite:///{soak.folder}/guesses-{name}.db",
        "HOSTILE_FREE": str(FREE),
    }
    async with watched(soak, name, MEMBERS, **environ) as server:
        asker = Asker(soak, server.port, f"{name}, guesses", may=(503,))
        server.reset_peak()
        before = server.memory()
        load = Load(server.port, connections=4, pause_s=0.02)
        found = await asyncio.gather(
            *(
                asker.form("a guess", "/login", {"name": "ada", "password": f"guess {each}"})
                for each in range(number)
            )
        )
        tally = await load.stop()
        grown = server.peak() - before
        report.line(f"{name}: guesses were answered {dict(statuses(found))}")
        # The first that waited is let in after its second, the next after two, and so on.
        looked_at = statuses(found)[401]
        report.check(f"{name}: passwords looked at", looked_at, "<=", FREE + 6)
        untold = [one for one in found if one.status == 429 and "retry-after" not in fields_of(one)]
        report.check(f"{name}: 429 without Retry-After", len(untold), "=", 0)
        report.check(f"{name}: memory grown", grown, "<=", GROWTH_MB, " MB")
        report.load(f"{name}: others meanwhile", tally)
        report.check(f"{name}: others lost", tally.lost.total(), "=", 0)


async def _forged(soak: Soak) -> None:
    """Cookies that are signed by nobody, to an app whose sessions are in the cookie."""
    report: Any = soak.report
    number = soak.of(100_000, 3_000)
    async with watched(soak, "rsgi", APP) as server:
        given = (await _visit(Connection(server.port), "")).partition("=")[2]
        chance = random.Random(number)
        cookies = forgeries(given, chance)
        accepted: list[str] = []

        async def send(count: int) -> None:
            connection = Connection(server.port)
            for _ in range(count):
                forged = next(cookies)
                report.cases += 1
                # A known session is not given anew under the same visit.
                if (await _visit(connection, f"session={forged}")) == "known":
                    accepted.append(forged)
            connection.drop()

        server.reset_peak()
        before = server.memory()
        await asyncio.gather(*(send(number // 10) for _ in range(10)))
        report.check(f"accepted of {number} forged cookies", len(accepted), "=", 0)
        grown = server.peak() - before
        report.check("memory grown by forged cookies", grown, "<=", 32, " MB")
        known = await _visit(Connection(server.port), f"session={given}")
        report.check("the true one is accepted", known == "known", "=", True)


async def _visit(connection: Connection, cookie: str) -> str:
    fields = f"Cookie: {cookie}\r\n" if cookie else ""
    try:
        answer = await connection.request("/session", headers=fields)
    except NoAnswer as error:
        return f"lost: {error.kind}"
    if answer.body == b"known":
        return "known"
    return answer.headers.get("set-cookie", "").partition(";")[0]


def forgeries(given: str, chance: random.Random) -> Iterator[str]:
    """Cookies that differ from a true one, in payload, in time or in signature; without end."""
    payload, stamp, signature = given.rsplit(".", 2)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="
    bomb = base64.urlsafe_b64encode(zlib.compress(b'{"visits":"' + b"x" * 10_000_000 + b'"}'))
    others = ("eyJ2aXNpdHMiOjl9", "." + bomb.decode()[:6_000], "", ".", "e30", "bnVsbA", "W10")
    while True:
        how = chance.randrange(6)
        at = chance.randrange(len(given))
        other = chance.choice(others)
        if how == 0:
            # The last letter has bits to spare: another may be the same signature.
            at = min(at, len(given) - 2)
            letter = chance.choice(letters.replace(given[at], ""))
            forged = given[:at] + letter + given[at + 1 :]
        elif how == 1:
            forged = given[:at]
        elif how == 2:
            forged = f"{other}.{stamp}.{signature}"
        elif how == 3:
            forged = f"{payload}.{chance.choice(letters)}{stamp[1:]}x.{signature}"
        elif how == 4:
            made = base64.urlsafe_b64encode(chance.randbytes(20)).decode().rstrip("=")
            forged = f"{chance.choice((payload, other))}.{stamp}.{made}"
        else:
            forged = "".join(chance.choice(letters) for _ in range(chance.randrange(200)))
        yield forged
