"""Runs the site as people do, in a process of its own, and speaks to it without a browser."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from . import site

PATIENCE_S = 60


class Served:
    """The site at `origin`; `cookies` are a session of each person."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.port = int(origin.rpartition(":")[2])
        self.cookies = {name: self._log_in(name) for name in site.PEOPLE}
        for number in range(6):
            data, headers = site.delivery(number)
            request = urllib.request.Request(f"{origin}/github", data, dict(headers))
            urllib.request.urlopen(request, timeout=PATIENCE_S).close()

    def ask(
        self, method: str, path: str, body: str | bytes = "", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, header fields and text of an answer; nothing is followed or added."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            wire.request(method, path, body or None, fields)
            answer = wire.getresponse()
            return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
        finally:
            wire.close()

    def post(self, who: str, path: str, **data: str) -> str:
        """Send a form as one of our own pages does; where it leads."""
        status, headers, text = self.ask(
            "POST",
            path,
            urlencode({name.replace("__", "."): value for name, value in data.items()}),
            Content_Type="application/x-www-form-urlencoded",
            Cookie=self.cookies[who],
            Sec_Fetch_Site="same-origin",
        )
        if status != 303:
            raise AssertionError(f"POST {path} answers {status}: {text[:2000]}")
        return headers["Location"]

    def digest(self, who: str, run: str) -> str:
        """What a run's forms are bound to."""
        text = self.ask("GET", run, Cookie=self.cookies[who])[2]
        found = re.search(r'name="digest" value="([0-9a-f]+)"', text)
        if found is None:
            raise AssertionError(f"{run} has no form")
        return found[1]

    def submit(self, who: str, run: str) -> str:
        """Ask for a run."""
        return self.post(who, f"{run}/submit", digest=self.digest(who, run))

    def _log_in(self, name: str) -> str:
        _, headers, _ = self.ask(
            "POST",
            "/login",
            urlencode({"name": name, "password": "right"}),
            Content_Type="application/x-www-form-urlencoded",
            Sec_Fetch_Site="same-origin",
        )
        return headers["Set-Cookie"].partition(";")[0]


@contextmanager
def serving(has_fault: bool) -> Iterator[Served]:
    """The site, served until the end of the block."""
    command = [sys.executable, "-m", "hipflask", "--app", "tests.browser.site:create_app"]
    command += ["serve", "--bind", "127.0.0.1:0", "--workers", "1"]
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:
        log = Path(folder) / "served.log"
        environ = {**os.environ, "BROWSER_FOLDER": folder, "PYTHONUNBUFFERED": "1"}
        if has_fault:
            environ["BROWSER_FAULT"] = "1"
        with (
            log.open("wb") as out,
            subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environ) as process,
        ):
            try:
                yield Served(_origin(process, log))
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
        text = log.read_text("utf-8", "replace")
        if '"status":500' in text:
            at = text.index('"status":500')
            raise AssertionError(f"the site has failed: {text[max(0, at - 6000) : at + 200]}")


def _origin(process: subprocess.Popen[bytes], log: Path) -> str:
    import time

    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", log.read_text("utf-8", "replace")):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"the site does not come up: {log.read_text('utf-8', 'replace')[-3000:]}")
