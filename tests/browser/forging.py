"""Writes in somebody's name that no page of ours made: every way a browser might send one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from typing import Any, NamedTuple

from .serving import Served

PATH = "/ops/actions/count"
BODIES = {
    "form": ("application/x-www-form-urlencoded", ""),
    "text": ("text/plain", "v.x=1"),
    "json": ("application/json", "{}"),
    "multipart": ("multipart/form-data; boundary=x", "--x--\r\n"),
}


class Tried(NamedTuple):
    """What was sent, and what came of it."""

    count: int
    forged: list[str]
    refused: list[str]


def forge(served: Served, paths: tuple[str, ...]) -> Tried:
    """Scheme and host x Sec-Fetch-Site x Origin x body, with a session's cookie.

    `forged` are those that wrote and should not have, `refused` those of our own that did not.
    """
    found = Tried(0, [], [])
    count = 0
    for path in paths:
        for words, headers, is_ours in _requests(served):
            for kind, (media, body) in BODIES.items():
                count += 1
                status, _, _ = served.ask(
                    "POST", path, body, Content_Type=media, Cookie=served.cookies["sue"], **headers
                )
                where = f"{path} {words} {kind}: {status}"
                if not is_ours and status < 400:
                    found.forged.append(where)
                if is_ours and kind == "form" and status >= 400:
                    found.refused.append(where)
    return found._replace(count=count)


def _requests(served: Served) -> Iterator[tuple[str, dict[str, str], bool]]:
    """Header fields, and whether a page of ours could have sent them."""
    hosts = {
        "name": f"127.0.0.1:{served.port}",
        "localhost": f"localhost:{served.port}",
    }
    # Not `none`: that is a person's own doing, which no page can cause.
    sites = ("same-origin", "same-site", "cross-site", None)
    origins = ("same", "https", "sibling", "other", "null", None)
    for (name, host), site, origin in product(hosts.items(), sites, origins):
        headers = {"Host": host}
        if site is not None:
            headers["Sec_Fetch_Site"] = site
        if origin is not None:
            headers["Origin"] = {
                "same": f"http://{host}",
                "https": f"https://{host}",
                "sibling": f"http://evil.{host}",
                "other": "https://evil.example",
                "null": "null",
            }[origin]
        # A proxy ends TLS before us, so that https is the same host to us.
        is_own_origin = origin in ("same", "https")
        is_ours = site == "same-origin" or (site is None and is_own_origin)
        # Contradictory: no browser says same-origin with another's Origin. Either answer is right.
        if site == "same-origin" and not is_own_origin and origin is not None:
            continue
        yield f"{name} site={site} origin={origin}", headers, is_ours


class Sibling(BaseHTTPRequestHandler):
    """Another site, on another port: a page that sends a form to ours by itself."""

    target = ""

    def do_GET(self) -> None:
        kind = self.path.rpartition("=")[2] or "application/x-www-form-urlencoded"
        text = (
            f'<form method=post enctype="{kind}" action="{self.target}"><input name=a value=b>'
            "<button>go</button></form><script>document.forms[0].submit()</script>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def forge_in_browser(browser: Any, served: Served, path: str) -> Tried:
    """The same by pages of a sibling (another port) and of a stranger (another name)."""
    handler = type("Handler", (Sibling,), {"target": served.origin + path})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    forged = []
    count = 0
    try:
        for host, kind in product(
            ("127.0.0.1", "localhost"),
            ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"),
        ):
            context = browser.new_context()
            name, _, value = served.cookies["sue"].partition("=")
            context.add_cookies([{"name": name, "value": value, "url": served.origin}])
            page = context.new_page()
            with page.expect_response(lambda answer: answer.request.method == "POST") as found:
                page.goto(f"http://{host}:{server.server_port}/?kind={kind}")
            count += 1
            if found.value.status < 400 and "/login" not in found.value.headers.get("location", ""):
                forged.append(f"page of {host}, {kind}: {found.value.status}")
            context.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    return Tried(count, forged, [])
