"""The adapter and its board, as two services over TCP."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the inbox needs hipflask[webhooks]")
pytest.importorskip("httpx2", reason="sending on needs hipflask[forward]")

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from examples.adapter.app import OPERATOR_KEY, SECRETS  # noqa: E402
from examples.adapter.board import create_app as create_board  # noqa: E402
from examples.adapter.shapes import InvoiceEvent, IssueChanged, Push  # noqa: E402
from hipflask.webhooks import sign  # noqa: E402

PATIENCE_S = 60
FOLDER = ROOT / "examples" / "adapter"
PUSH = (FOLDER / "push.json").read_bytes()
INVOICE = (FOLDER / "invoice.json").read_bytes()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Service:
    """`hipflask serve` in a process of its own."""

    def __init__(self, app, folder, environ):
        self.app, self.port = app, free_port()
        self.log = folder / f"{app}.log"
        self.environ = {**os.environ, **environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        self.process = None

    @property
    def words(self):
        return [sys.executable, "-m", "hipflask", "--app", self.app]

    def start(self):
        words = [*self.words, "serve", "--bind", f"127.0.0.1:{self.port}", "--drain-wait", "0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                words, cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )
        wait_for(lambda: self.ask("GET", "/livez")[0] == 200, self)
        return self

    def ask(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            assert self.process.poll() is None, self.log.read_text()
            return 0, b""
        finally:
            connection.close()

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)


def wait_for(find, *services):
    """What `find` returns as soon as it is something."""
    over = time.monotonic() + PATIENCE_S
    while not (found := find()):
        if time.monotonic() > over:
            raise AssertionError("\n".join(one.log.read_text()[-3000:] for one in services))
        time.sleep(0.05)
    return found


@pytest.fixture
def services(tmp_path):
    """The adapter and the board; neither is started."""
    board = Service(
        "examples.adapter.board", tmp_path, {"BOARD_DATABASE": str(tmp_path / "board.db")}
    )
    adapter = Service(
        "examples.adapter",
        tmp_path,
        {
            "NOTICES_URL": f"http://127.0.0.1:{board.port}",
            "ADAPTER_INBOX": f"sqlite:///{tmp_path / 'inbox.db'}",
        },
    )
    with contextlib.ExitStack() as stack:
        stack.callback(board.stop)
        stack.callback(adapter.stop)
        yield adapter, board


def github(body=PUSH, *, event="push", id="72d3162e-cc78-11e3-81ab-4c9367dc0958"):
    headers = sign("github", body, SECRETS["GITHUB_SECRET"], id=id)
    return body, [*headers, ("X-GitHub-Event", event)]


def notices(board):
    status, body = board.ask("GET", "/notices")
    return json.loads(body) if status == 200 else []


def test_both_senders_events_become_notices(services):
    adapter, board = (one.start() for one in services)
    body, headers = github()
    assert adapter.ask("POST", "/github", body, headers)[0] == 202
    assert adapter.ask("POST", "/github", body, headers)[0] == 202
    headers = sign("stripe", INVOICE, SECRETS["STRIPE_WHSEC"])
    assert adapter.ask("POST", "/stripe", INVOICE, headers)[0] in (200, 202)
    assert adapter.ask("POST", "/github", body, [("X-Hub-Signature-256", "sha256=00")])[0] == 401
    found = wait_for(lambda: len(got := notices(board)) >= 2 and got, adapter, board)
    found.sort(key=lambda one: one["origin"])
    assert found == [
        {
            "origin": "github",
            "id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "kind": "push",
            "title": "1 commit to main: show the price with tax",
            "who": "ada",
            "url": "https://github.com/octo-org/shop/compare/9049f1265b7d...0d1a26e67d8f",
            "copies": 1,
        },
        {
            "origin": "stripe",
            "id": "evt_1PaidInvoice0001",
            "kind": "payment",
            "title": "invoice in_1Invoice0001 paid",
            "who": "ada@example.com",
            "url": "https://invoice.example.com/i/in_1Invoice0001",
            "cents": 4900,
            "currency": "eur",
            "copies": 1,
        },
    ]


def test_a_notice_waits_for_a_board_that_is_away(services):
    adapter, board = services
    adapter.start()
    body, headers = github()
    assert adapter.ask("POST", "/github", body, headers)[0] == 202
    wait_for(lambda: "Connect" in adapter.log.read_text() or list_attempts(adapter), adapter)
    board.start()
    found = wait_for(lambda: notices(board), adapter, board)
    assert [one["copies"] for one in found] == [1]


def list_attempts(adapter):
    import sqlite3

    path = adapter.environ["ADAPTER_INBOX"].removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT count(*) FROM hipflask_attempt").fetchone()[0]


def test_the_command_line_sends_what_the_adapter_takes(services):
    adapter, board = (one.start() for one in services)
    words = [*adapter.words, "hooks", "send", "github", "--secret", SECRETS["GITHUB_SECRET"]]
    words += ["--event", "push", "--file", str(FOLDER / "push.json")]
    words += ["--url", f"http://127.0.0.1:{adapter.port}/github"]
    done = subprocess.run(words, cwd=ROOT, env=adapter.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert wait_for(lambda: notices(board), adapter, board)[0]["origin"] == "github"


def test_operators_see_the_console(services):
    adapter = services[0].start()
    body, headers = github()
    assert adapter.ask("POST", "/github", body, headers)[0] == 202

    def look(*passwords):
        words = [base64.b64encode(f"me:{one}".encode()).decode() for one in passwords]
        return adapter.ask(
            "GET", "/_hooks/", headers=[("Authorization", f"Basic {w}") for w in words]
        )

    assert look()[0] == look("wrong")[0] == 401
    status, page = look(OPERATOR_KEY)
    assert status == 200 and b"github" in page


# The board by itself.


def test_the_board_puts_a_notice_up_once(tmp_path):
    client = create_board({"BOARD_DATABASE": str(tmp_path / "board.db")}).test_client()
    body = b'{"origin":"x","id":"1","kind":"k","title":"t","who":"w"}'
    headers = [*sign("standard", body, SECRETS["NOTICES_SECRET"]), ("Idempotency-Key", "one")]
    for _ in range(2):
        assert client.post("/notices", data=body, headers=headers).status_code == 201
    # The key is in a field that nobody signed; who sends the notice again cannot make it another.
    headers[-1] = ("Idempotency-Key", "two")
    assert client.post("/notices", data=body, headers=headers).status_code == 201
    assert [one["copies"] for one in client.get("/notices").json] == [3]


def test_the_board_refuses_what_the_adapter_has_not_signed(tmp_path):
    client = create_board({"BOARD_DATABASE": str(tmp_path / "board.db")}).test_client()
    headers = sign("standard", b"{}", SECRETS["GITHUB_SECRET"].encode() * 2)
    assert client.post("/notices", data=b"{}", headers=headers).status_code == 401
    headers = sign("standard", b"{}", SECRETS["NOTICES_SECRET"])
    assert client.post("/notices", data=b"{}", headers=headers).status_code == 422
    assert client.get("/notices").json == []


# What is made of an event.


def test_a_push_without_commits_has_a_title():
    import msgspec

    push = msgspec.json.decode(PUSH, type=Push)
    push.commits = []
    assert push.notice("1").title == "0 commits to main: nothing"


def test_an_issue_has_its_number_in_the_title():
    import msgspec

    body = {
        "action": "opened",
        "issue": {"number": 7, "title": "no tax"},
        "repository": {"id": 1, "full_name": "octo-org/shop"},
        "sender": {"login": "ada"},
    }
    notice = msgspec.convert(body, IssueChanged).notice("1")
    assert (notice.title, notice.who, notice.kind) == ("issue 7 opened: no tax", "ada", "issue")


def test_an_invoice_that_was_not_paid_says_so():
    import msgspec

    event = msgspec.json.decode(INVOICE, type=InvoiceEvent)
    event.type, event.data.object.customer_email = "invoice.payment_failed", None
    notice = event.notice()
    assert (notice.title, notice.who) == ("invoice in_1Invoice0001 not paid", "cus_Ada0001")
