"""The kits: how each is started, where its list is, and how a row is written there."""

from __future__ import annotations

import http.cookiejar
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlencode

from . import rows

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 90
ROW = {
    "customer": "Zoe Zorn",
    "email": "zoe@shop.example",
    "country": "AT",
    "status": "new",
    "amount": "12.5",
    "created": "2026-01-02 03:15:00",
}


@dataclass(frozen=True)
class Kit:
    """One of them. `command` has {port} and {file}; `write` is where its form goes to."""

    name: str
    package: str
    command: tuple[str, ...]
    page: str
    write: str = ""
    fields: dict[str, str] = field(default_factory=lambda: dict(ROW))
    login: tuple[str, dict[str, str]] | None = None

    @property
    def version(self) -> str:
        """As installed."""
        return version(self.package).partition("+")[0]


def _module(words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *words.split())


# Ours takes a moment as a browser's own control sends it.
_OUR_ROW = {f"v.{name}": text for name, text in ROW.items()}
_OUR_ROW["v.created"] = ROW["created"].replace(" ", "T")
_UVICORN = "--host 127.0.0.1 --port {port} --log-level warning"
OURS = Kit(
    "hipflask.tools",
    "hipflask",
    _module("hipflask --app benchmarks.kits.ours:app serve --workers 1 --bind 127.0.0.1:{port}"),
    "/ops/tables/orders",
    "/ops/tables/orders/new",
    _OUR_ROW,
    ("/login", {"name": "ada", "password": "right"}),
)
KITS = (
    OURS,
    Kit(
        "starlette-admin",
        "starlette-admin",
        _module(f"uvicorn benchmarks.kits.starlette_admin:app {_UVICORN}"),
        "/admin/order/list",
        "/admin/order/create",
    ),
    Kit(
        "sqladmin",
        "sqladmin",
        _module(f"uvicorn benchmarks.kits.sqladmin:app {_UVICORN}"),
        "/admin/order/list",
        "/admin/order/create",
    ),
    Kit(
        "Flask-Admin",
        "flask-admin",
        _module(
            "granian --interface wsgi --host 127.0.0.1 --port {port} --log-level warning"
            " benchmarks.kits.flask_admin:app"
        ),
        "/admin/orders/",
        "/admin/orders/new/",
    ),
    Kit(
        "Datasette",
        "datasette",
        _module(
            "datasette serve {file} -h 127.0.0.1 -p {port}"
            f" --setting default_page_size {rows.PAGE}"
        ),
        "/shop/orders",
    ),
    Kit(
        "Streamlit",
        "streamlit",
        _module(
            "streamlit run benchmarks/kits/streamlit_page.py --server.address 127.0.0.1"
            " --server.port {port} --server.headless true --browser.gatherUsageStats false"
        ),
        "/",
    ),
)


class Served:
    """A kit that answers at `origin`, over a file of its own."""

    def __init__(self, kit: Kit, origin: str, file: Path) -> None:
        self.kit = kit
        self.origin = origin
        self.file = file
        self.jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def ask(
        self, path: str, data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and text of an answer, with the cookies so far; redirects are followed."""
        request = urllib.request.Request(self.origin + path, data, headers or {})
        try:
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode("utf-8", "replace")

    def log_in(self) -> None:
        """Get a session, where the kit's app has a login."""
        if self.kit.login is not None:
            path, data = self.kit.login
            self.ask(path, urlencode(data).encode(), {"Sec-Fetch-Site": "same-origin"})
        status, text = self.ask(self.kit.page)
        if status != 200:
            raise RuntimeError(f"{self.kit.name}: its list answers {status}: {text[:1000]}")

    def cookies(self) -> list[dict[str, str]]:
        """The session, as a browser takes it."""
        return [
            {"name": each.name, "value": each.value or "", "url": self.origin} for each in self.jar
        ]


@contextmanager
def serving(kit: Kit, folder: Path, has_fault: bool) -> Iterator[Served]:
    """A kit, served until the end of the block."""
    folder.mkdir()
    file = folder / "shop.db"
    rows.make(file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [word.format(port=port, file=file) for word in kit.command]
    environ = {
        **os.environ,
        "KITS_FILE": str(file),
        "KITS_FOLDER": str(folder),
        "HOME": str(folder),
    }
    environ.pop("KITS_FAULT", None)
    if has_fault and kit is OURS:
        environ["KITS_FAULT"] = "1"
    log = folder / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ
        ) as process,
    ):
        served = Served(kit, f"http://127.0.0.1:{port}", file)
        try:
            _wait(served, process, log)
            served.log_in()
            yield served
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(served: Served, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            served.ask(served.kit.page)
            return
        except OSError:
            time.sleep(0.1)
    told = log.read_text("utf-8", "replace")[-3000:]
    raise RuntimeError(f"{served.kit.name} does not come up: {told}")


def dump_fields(fields: dict[str, str], media: str) -> bytes:
    """A form's body in a media type that forms can have, or as JSON in text/plain."""
    if media == "text/plain":
        return json.dumps(fields).encode()
    if media == "application/x-www-form-urlencoded":
        return urlencode(fields).encode()
    parts = [
        f'--kits\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    ]
    return ("".join(parts) + "--kits--\r\n").encode()
