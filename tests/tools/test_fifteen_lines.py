"""A team's own file of 1,200 rows: fifteen lines, one command, and it is a tool."""

from __future__ import annotations

import http.client
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]
LINES = """\
from hipflask import Flask
from hipflask.security import Identity, add_login, hash_password, hashed_passwords
from hipflask.tools import Run, Tool
app = Flask(__name__)
app.secret_key = "of this test; yours comes from the environment"
ada = Identity("ada", roles={"support"})
add_login(app, hashed_passwords({"ada": (hash_password("correct horse"), ada)}), after="/ops/")
ops = Tool(app, "ops", data="sqlite:///shop.db")
orders = ops.table("orders", search=["customer"], filters=["status"], read="support")
def mark(id, status):
    with ops.data.begin() as shop:
        shop.exec_driver_sql("UPDATE orders SET status = ? WHERE id = ?", (status, id))
@orders.action(roles="support", undo_for="24h")
def pay(run: Run, row):
    run.do(f"mark {row.id} as paid", mark, row.id, "paid", undo=(mark, row.id, row.status))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The file as it was before there was a tool."""
    shop = sqlite3.connect(tmp_path / "shop.db")
    shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, status TEXT)")
    rows = [(f"customer {n}", "new" if n % 3 else "paid") for n in range(1200)]
    shop.executemany("INSERT INTO orders (customer, status) VALUES (?, ?)", rows)
    shop.commit()
    shop.close()
    (tmp_path / "desk.py").write_text(LINES)
    return tmp_path


class Visitor:
    """A browser without a window: it keeps its cookie and says where its forms come from."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookie = ""

    def ask(self, path: str, **data: str) -> tuple[int, str, str]:
        """Status, where it leads, and the page."""
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        headers = {"Cookie": self._cookie, "Sec-Fetch-Site": "same-origin"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            wire.request("POST" if data else "GET", path, urlencode(data) or None, headers)
            answer = wire.getresponse()
            if given := answer.headers["Set-Cookie"]:
                self._cookie = given.partition(";")[0]
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()
        finally:
            wire.close()

    def press(self, page: str, what: str, **data: str) -> str:
        """Send the form of a run that has this button; where it leads."""
        found = re.search(r'name="digest" value="([0-9a-f]+)"', self.ask(page)[2])
        status, location, text = self.ask(f"{page}/{what}", digest=found[1] if found else "-")
        assert status == 303, text
        return location

    def wait(self, page: str, state: str) -> str:
        """The page, once the run is in that state."""
        ends = time.monotonic() + PATIENCE_S
        shown = re.compile(rf'id="state"[^>]*>\s*<span class="badge[^"]*\b{state}"')
        while not shown.search(text := self.ask(page)[2]):
            assert time.monotonic() < ends, text
            time.sleep(0.1)
        return text


@pytest.fixture
def server(folder: Path) -> Iterator[tuple[int, float]]:
    """The port, and when its process was started."""
    log = folder / "log"
    words = ["-m", "hipflask", "--app", "desk", "serve", "--bind", "127.0.0.1:0", "--workers", "1"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    environ.pop("HIPFLASK_DATABASE_URL", None)
    flags = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {}
    began = time.monotonic()
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, *words], stdout=out, stderr=out, cwd=folder, env=environ, **flags
        ) as process,
    ):
        try:
            while not (found := re.search(r"127\.0\.0\.1:([1-9]\d*)", log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < began + PATIENCE_S, log.read_text()
                time.sleep(0.05)
            yield int(found[1]), began
        finally:
            process.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else signal.SIGINT)
            process.wait(PATIENCE_S)


def test_a_table_and_a_safe_action(folder: Path, server: tuple[int, float]) -> None:
    assert len(LINES.splitlines()) == 15
    port, began = server
    ada = Visitor(port)
    assert ada.ask("/ops/tables/orders")[0] in (302, 303, 401), "nothing is seen by nobody"
    assert ada.ask("/login", name="ada", password="correct horse")[0] == 303
    status, _, page = ada.ask("/ops/tables/orders?q=customer+7&status.has=new")
    assert time.monotonic() - began < 60, "the page is up within a minute"
    assert status == 200
    assert page.count('name="key"') == 50
    # The whole way of an action: planned, done, audited, undone.
    assert ada.ask("/ops/tables/orders/rows/2")[0] == 200
    status, run, text = ada.ask("/ops/actions/orders.pay", key="2")
    assert status == 303, text
    assert "mark 2 as paid" in ada.ask(run)[2]
    assert _status(folder, 2) == "new", "planned is not done"
    ada.press(run, "submit")
    ada.wait(run, "done")
    assert _status(folder, 2) == "paid"
    undo = ada.press(run, "undo")
    assert "undo: mark 2 as paid" in ada.ask(undo)[2]
    ada.press(undo, "submit")
    ada.wait(undo, "done")
    ada.wait(run, "undone")
    assert _status(folder, 2) == "new"


def _status(folder: Path, id: int) -> str:
    shop = sqlite3.connect(folder / "shop.db")
    try:
        found: str = shop.execute("SELECT status FROM orders WHERE id = ?", (id,)).fetchone()[0]
        return found
    finally:
        shop.close()
