"""Writes a row into each kit as its own page does, and then as a page of another site would."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from typing import Any, NamedTuple

from . import rows
from .catalogue import Served, dump_fields

FORM = "application/x-www-form-urlencoded"
MEDIA = (FORM, "multipart/form-data; boundary=kits", "text/plain")
STRANGER = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
_HIDDEN = re.compile(r"<input[^>]*type=[\"']?hidden[^>]*>")


class Forged(NamedTuple):
    """Forged writes that were tried, and those that changed the table; 0 of 0 without writes."""

    tried: int
    done: tuple[str, ...]


def forge(served: Served, browser: Any, also: tuple[str, ...] = ()) -> Forged:
    """Write in another's name in every way a form can; `also` are further addresses.

    Raises RuntimeError where the kit's own form does not write either, as a refusal then would
    tell nothing.
    """
    if not served.kit.write:
        return Forged(0, ())
    _write_as_own(served)
    tried = 0
    done = []
    for path, media in product((served.kit.write, *also), MEDIA):
        before = rows.digest(served.file)
        body = dump_fields(served.kit.fields, media)
        served.ask(path, body, {"Content-Type": media, **STRANGER})
        tried += 1
        if rows.digest(served.file) != before:
            done.append(f"POST {path} {media.partition(';')[0]}")
    with _stranger(served) as port:
        for host, path in product(("127.0.0.1", "localhost"), (served.kit.write, *also)):
            before = rows.digest(served.file)
            context = browser.new_context()
            context.add_cookies(served.cookies())
            page = context.new_page()
            with page.expect_response(lambda answer: answer.request.method == "POST"):
                page.goto(f"http://{host}:{port}{path}")
            page.wait_for_load_state()
            context.close()
            tried += 1
            if rows.digest(served.file) != before:
                done.append(f"a page of http://{host}:{port}, to {path}")
    return Forged(tried, tuple(done))


def _write_as_own(served: Served) -> None:
    """As a person does: the form is got, what is hidden in it is sent along."""
    _, text = served.ask(served.kit.write)
    fields = {}
    for found in _HIDDEN.findall(text):
        name, value = (re.search(rf'\b{each}="([^"]*)"', found) for each in ("name", "value"))
        if name and value:
            fields[name[1]] = html.unescape(value[1])
    fields |= served.kit.fields
    before = rows.digest(served.file)
    own = {"Origin": served.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": FORM}
    status, text = served.ask(served.kit.write, dump_fields(fields, FORM), own)
    if rows.digest(served.file) == before:
        raise RuntimeError(f"{served.kit.name}: its own form does not write: {status} {text}")


@contextmanager
def _stranger(served: Served) -> Iterator[int]:
    """Another site: each of its pages sends a form to the kit, to the page's own path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            inputs = "".join(
                f'<input name="{name}" value="{html.escape(text)}">'
                for name, text in served.kit.fields.items()
            )
            body = (
                f'<form method=post action="{served.origin}{self.path}">{inputs}</form>'
                "<script>document.forms[0].submit()</script>"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
