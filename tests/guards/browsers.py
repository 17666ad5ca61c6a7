"""Writes that pages of other sites make in a visitor's name, in a real Chromium.

    python tests/guards/browsers.py         # needs playwright and Debian's chromium

Prints how many of the hostile writes and of the friendly ones have succeeded, and ends with 1
unless none and all did. Names under .localhost are trustworthy for the browser, which then
sends Sec-Fetch-Site; under .test it sends Origin alone. HIPFLASK_PYTHON is the interpreter that
serves, if another one has playwright.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

HERE = Path(__file__).parent
PATIENCE_S = 10.0


def form(encoding: str, target: str = "") -> str:
    return (
        "const f = document.createElement('form'); f.method = 'POST'; f.action = URL_;"
        f" f.enctype = '{encoding}'; f.target = '{target}';"
        " const i = document.createElement('input');"
        " i.name = 'a'; i.value = 'b'; f.append(i); document.body.append(f); f.submit();"
    )


# What a page of another site may try. URL_ stands for the place that is written to.
ATTACKS = {
    "form": form("application/x-www-form-urlencoded"),
    "multipart": form("multipart/form-data"),
    "text": form("text/plain"),
    "blank": form("text/plain", "_blank"),
    "fetch": "fetch(URL_, {method: 'POST', mode: 'no-cors', credentials: 'include', body: 'a=b'});",
    "cors": "fetch(URL_, {method: 'POST', credentials: 'include', body: 'a=b'}).catch(() => 0);",
    "json": "fetch(URL_, {method: 'POST', credentials: 'include', body: '{}',"
    " headers: {'Content-Type': 'application/json'}}).catch(() => 0);",
    "put": "fetch(URL_, {method: 'PUT', credentials: 'include'}).catch(() => 0);",
    "delete": "fetch(URL_, {method: 'DELETE', credentials: 'include'}).catch(() => 0);",
    "keepalive": "fetch(URL_, {method: 'POST', mode: 'no-cors', keepalive: true, body: 'x'});",
    "beacon": "navigator.sendBeacon(URL_, 'a=b');",
    "xhr": "const x = new XMLHttpRequest(); x.open('POST', URL_); x.withCredentials = true;"
    " x.send('a=b');",
    "image": "const i = new Image(); i.src = URL_; document.body.append(i);",
    "ping": "const a = document.createElement('a'); a.ping = URL_; a.href = '#x';"
    " document.body.append(a); a.click();",
}
# Only others have these: a frame without an origin, a page that hides it, a redirect.
HOSTILE_ONLY = {
    "sandbox": "const f = document.createElement('iframe');"
    " f.sandbox = 'allow-forms allow-scripts';"
    ' f.srcdoc = `<form method=post action="${URL_}"></form><script>document.forms[0].submit()'
    "<\\/script>`; document.body.append(f);",
    "sandbox-fetch": "const f = document.createElement('iframe'); f.sandbox = 'allow-scripts';"
    " f.srcdoc = `<script>fetch(\"${URL_}\", {method: 'POST', mode: 'no-cors'})<\\/script>`;"
    " document.body.append(f);",
    "data": "const f = document.createElement('iframe'); f.src = 'data:text/html,' +"
    ' encodeURIComponent(`<form method=post action="${URL_}"></form><script>'
    "document.forms[0].submit()<\\/script>`); document.body.append(f);",
    "hidden": "const m = document.createElement('meta'); m.name = 'referrer';"
    " m.content = 'no-referrer'; document.head.append(m);" + form("text/plain"),
    "redirect": "const f = document.createElement('form'); f.method = 'POST';"
    " f.action = '/away?to=' + encodeURIComponent(URL_); document.body.append(f); f.submit();",
}


class Evil(BaseHTTPRequestHandler):
    """Serves the pages of other sites: the script of the query, and redirects."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        script = asked.get("script", [""])[0]
        body = f"<!doctype html><title>evil</title><body><script>{script}</script>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.send_response(307)
        self.send_header("Location", parse_qs(urlsplit(self.path).query)["to"][0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Browsing:
    """A browser, the application and the other sites' server."""

    def __init__(self, browser: Any, port: int, evil_port: int) -> None:
        self._browser = browser
        self._port = port
        self._evil_port = evil_port
        self._number = 0

    def seen(self) -> list[list[str]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/seen", timeout=10) as answer:
            found: list[list[str]] = json.load(answer)
        return found

    def wrote(self, start: str, kind: str, script: str, site: str) -> bool:
        """Whether the script, on the page at `start`, has written to `site`."""
        self._number += 1
        name = f"{kind}-{self._number}"
        url = f"http://{site}:{self._port}/write/{name}"
        text = f"const URL_ = {json.dumps(url)}; {script}"
        context = self._browser.new_context()
        page = context.new_page()
        try:
            page.goto(f"{start}?script={quote(text)}", wait_until="commit")
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until:
                mine = [each for each in self.seen() if each[0] == name]
                # A preflight alone says that the write itself was never sent.
                if any(method != "OPTIONS" for _, method, _ in mine):
                    break
                if mine and kind in ("json", "put", "delete"):
                    page.wait_for_timeout(300)
                    break
                page.wait_for_timeout(50)
            mine = [each for each in self.seen() if each[0] == name]
            if not mine:
                raise AssertionError(f"{kind} from {start} was never tried")
            return any(what == "written" for _, _, what in mine)
        finally:
            context.close()

    def run(self) -> tuple[list[str], int, list[str], int]:
        """The hostile writes that succeeded, of how many; the friendly ones that did not."""
        succeeded, refused, hostile, friendly = [], [], 0, 0
        for end in ("localhost", "test"):
            site = f"shop.{end}"
            for other in (f"evil.{end}", f"blog.shop.{end}", site):  # the last by another port
                start = f"http://{other}:{self._evil_port}/"
                for kind, script in {**ATTACKS, **HOSTILE_ONLY}.items():
                    hostile += 1
                    if self.wrote(start, kind, script, site):
                        succeeded.append(f"{kind} from {start} to {site}")
            for kind, script in ATTACKS.items():
                if kind == "image":
                    continue
                friendly += 1
                if not self.wrote(f"http://{site}:{self._port}/page", kind, script, site):
                    refused.append(f"{kind} at {site}")
        return succeeded, hostile, refused, friendly


def main() -> int:
    from playwright.sync_api import sync_playwright

    port = free_port()
    evil = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=evil.serve_forever, daemon=True).start()
    python = os.environ.get("HIPFLASK_PYTHON") or sys.executable
    command = [python, "-m", "hipflask", "--app", "browsed", "serve", "--drain-wait", "0"]
    server = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}"], cwd=HERE)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until or server.poll() is not None:
                    raise
                time.sleep(0.05)
        rules = "--host-resolver-rules=MAP * 127.0.0.1"
        with sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--disable-gpu", rules],
            )
            browsing = Browsing(browser, port, evil.server_port)
            succeeded, hostile, refused, friendly = browsing.run()
            browser.close()
    finally:
        server.terminate()
        server.wait(30)
        evil.shutdown()
    for line in (*succeeded, *refused):
        print("WRONG", line)
    print(f"hostile writes that succeeded: {len(succeeded)} of {hostile}")
    print(f"friendly writes that succeeded: {friendly - len(refused)} of {friendly}")
    return 1 if succeeded or refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
