"""An audit of answers' fields and cookies, as a scanner would make it: two levels of checks.

    python -m tests.guards.audit      # prints both levels for a bare application and a guarded one

Level 1 is what any service owes its visitors, level 2 what browsers offer beyond that. Each
check asks a client over one of the doors and looks at the fields alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hipflask import Flask, abort, redirect, render_template_string, request, session
from hipflask.guards import cors, protect
from hipflask.security import redirect_local

Check = tuple[str, Callable[[], bool]]
CSP = "Content-Security-Policy"
BAD_ORIGINS = ("https://evil.example", "null", "https://shop.example.evil.example")


def make_app(folder: str, guarded: bool) -> Flask:
    """A small application with each kind of answer; `guarded` in the production profile."""
    Path(folder, "a.txt").write_text("a file")
    app = Flask(__name__, static_folder=folder, static_url_path="/static")
    app.secret_key = secrets.token_hex(32)
    if guarded:
        app.config["TRUSTED_HOSTS"] = ["shop.example"]
        protect(app, https=True)
    page = "<script nonce='{{ csp_nonce() if csp_nonce is defined }}'>1</script>{{ name }}"
    app.add_url_rule(
        "/page", "page", lambda: render_template_string(page, name=request.args.get("name"))
    )
    app.add_url_rule("/", "index", lambda: "hello")
    app.add_url_rule("/json", "json", lambda: {"a": 1})
    app.add_url_rule("/broken", "broken", lambda: {}["secret detail"])
    app.add_url_rule("/gone", "gone", lambda: abort(410))
    app.add_url_rule("/write", "write", lambda: "written", methods=["POST"])
    app.add_url_rule("/in", "in", lambda: session.update(user=1) or "in")
    app.add_url_rule("/me", "me", lambda: str(session.get("user")))
    app.add_url_rule("/next", "next", lambda: redirect_local(request.args.get("to")))
    app.add_url_rule("/away", "away", lambda: redirect("/"))
    if guarded:
        cors(app, origins=["https://partner.example"])
    return app


PATHS = ("/", "/page", "/json", "/static/a.txt", "/nothing", "/gone", "/broken", "/away")


def level_1(client: Any) -> Iterator[Check]:
    """What any service owes its visitors."""

    def get(path: str, **headers: str) -> Any:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.get(path, headers=fields, base_url="https://shop.example", buffered=True)

    for path in PATHS:
        yield f"nosniff at {path}", lambda p=path: get(p).headers.get(
            "X-Content-Type-Options") == "nosniff"  # fmt: skip
        yield (
            f"no framing at {path}",
            lambda p=path: (
                get(p).headers.get("X-Frame-Options") in ("DENY", "SAMEORIGIN")
                or "frame-ancestors" in get(p).headers.get(CSP, "")
            ),
        )
        yield f"HSTS of half a year at {path}", lambda p=path: _age(get(p)) >= 15_768_000
        yield f"a type with a charset at {path}", lambda p=path: _has_type(get(p))
        yield f"no version at {path}", lambda p=path: not re.search(
            r"/\d", "".join(get(p).headers.get(n, "") for n in ("Server", "X-Powered-By"))
        )  # fmt: skip
    yield "no HSTS over HTTP", lambda: "Strict-Transport-Security" not in client.get(
        "/", base_url="http://shop.example").headers  # fmt: skip
    yield "an error without details", lambda: "secret detail" not in get("/broken").text
    yield "an error without a traceback", lambda: "Traceback" not in get("/broken").text
    yield "a name is escaped", lambda: "<b>" not in get("/page?name=<b>").text
    for flag in ("HttpOnly", "SameSite=Lax", "Secure", "Path=/"):
        yield f"a cookie with {flag}", lambda f=flag: f in get("/in").headers["Set-Cookie"]
    yield "a cookie without a domain", lambda: "Domain" not in get("/in").headers["Set-Cookie"]
    yield "a session's page varies by cookie", lambda: "Cookie" in get("/in").vary
    for origin in BAD_ORIGINS:
        yield f"{origin} is not reflected", lambda o=origin: "Access-Control-Allow-Origin" not in (
            get("/", Origin=o).headers)  # fmt: skip
        yield (
            f"a write from {origin}",
            lambda o=origin: (
                (
                    client.post("/write", headers={"Origin": o}, base_url="https://shop.example")
                ).status_code
                == 403
            ),
        )
    yield "a write from another site's page", lambda: (
        client.post("/write", headers={"Sec-Fetch-Site": "cross-site"},
                    base_url="https://shop.example").status_code == 403)  # fmt: skip
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"):
        yield (
            f"no redirect to {target}",
            lambda t=target: (
                (
                    client.get("/next", query_string={"to": t}, base_url="https://shop.example")
                ).headers["Location"]
                == "/"
            ),
        )
    yield "TRACE is not answered", lambda: client.open(
        "/", method="TRACE", base_url="https://shop.example").status_code == 405  # fmt: skip
    for host in ("evil.example", "shop.example.evil.example", "a b", "shop.example@evil.example"):
        yield f"Host {host!r} is refused", lambda h=host: client.get(
            "/", headers={"Host": h}).status_code == 400  # fmt: skip
    for path in ("/static/../audit.py", "/static/%2e%2e/audit.py", "/static/..%2faudit.py",
                 "/static//etc/passwd", "/static/a.txt%00.html", "/static/..\\audit.py",
                 ):  # fmt: skip
        yield f"no file at {path}", lambda p=path: get(p).status_code in (400, 404, 308)


def level_2(client: Any) -> Iterator[Check]:
    """What browsers offer beyond that."""

    def get(path: str) -> Any:
        return client.get(path, base_url="https://shop.example", buffered=True)

    for path in ("/", "/page", "/static/a.txt", "/nothing", "/broken"):
        for name, wanted in (
            (CSP, "default-src 'self'"),
            ("Referrer-Policy", "strict-origin-when-cross-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-"),
        ):
            yield (
                f"{name} at {path}",
                lambda p=path, n=name, w=wanted: w in get(p).headers.get(n, ""),
            )
    yield "no scripts but ours", lambda: "'unsafe" not in get("/page").headers.get(CSP, "'unsafe")
    yield "no plug-ins", lambda: "object-src 'none'" in get("/page").headers.get(CSP, "")
    yield "no base", lambda: "base-uri 'none'" in get("/page").headers.get(CSP, "")
    yield "a nonce that is new", lambda: _nonce(get("/page")) != _nonce(get("/page"))
    yield "a cookie no sibling can set", lambda: get("/in").headers["Set-Cookie"].startswith(
        "__Host-")  # fmt: skip
    yield "errors are not kept", lambda: "no-store" in get("/broken").headers.get(
        "Cache-Control", "")  # fmt: skip
    yield "features are switched off", lambda: "camera=()" in get("/").headers.get(
        "Permissions-Policy", "")  # fmt: skip


def _age(answer: Any) -> int:
    found = re.search(r"max-age=(\d+)", answer.headers.get("Strict-Transport-Security", ""))
    return int(found[1]) if found else 0


def _has_type(answer: Any) -> bool:
    kind = answer.headers.get("Content-Type", "")
    return kind == "application/json" or "charset=utf-8" in kind


def _nonce(answer: Any) -> str:
    found = re.search(r"'nonce-([^']+)'", answer.headers.get(CSP, ""))
    return found[1] if found else ""


def audit(guarded: bool, door: str = "wsgi") -> dict[str, tuple[int, int, list[str]]]:
    """By level: checks passed, checks made, the names of those that failed."""
    with TemporaryDirectory() as folder:
        client = make_app(folder, guarded).test_client(door=door, use_cookies=False)
        found = {}
        for name, level in (("level 1", level_1), ("level 2", level_2)):
            results = [(told, check()) for told, check in level(client)]
            failed = [told for told, passed in results if not passed]
            found[name] = len(results) - len(failed), len(results), failed
        return found


def hostile() -> tuple[int, int]:
    """Checks made and checks failed, over all doors: for `make hostile`."""
    made = failed = 0
    for door in ("wsgi", "asgi", "rsgi"):
        for passed, total, names in audit(True, door).values():
            made, failed = made + total, failed + total - passed
            for name in names:
                print(f"header audit, {door}: {name}")
    return made, failed


if __name__ == "__main__":
    for title, guarded in (("bare", False), ("protect(app, https=True)", True)):
        for name, (passed, total, names) in audit(guarded).items():
            print(f"{title}: {name}: {passed} of {total}")
            if guarded:
                print(*(f"  failed: {each}" for each in names), sep="\n")
