"""Workers inside serving processes, and `Hooks.work` where there are none."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hipflask import Flask
from hipflask.database import State
from hipflask.webhooks import Hooks, sign

from .stores import effects, make_tables
from .storm import ROOT, open_inbox
from .test_workers import wait_until

SECRET = "a secret for tests"
PROGRAM = """
import os
from sqlalchemy import text
from hipflask import Flask
from hipflask.webhooks import Hooks

app = Flask(__name__)
app.config["SECRET"] = "a secret for tests"
hooks = Hooks(app, inbox=os.environ["STORE_URL"], workers=2)

@hooks.receive("/orders", scheme="hookdeck", secrets="SECRET")
def take(event, tx, delivery):
    tx.execute(
        text("INSERT INTO effect (event_id, pid) VALUES (:id, :pid)"),
        {"id": delivery.id, "pid": os.getpid()},
    )

@app.get("/")
def index():
    return "here"
"""
SERVERS = {
    "serve": ["hipflask", "--app", "shop", "serve", "--bind", "127.0.0.1:{port}"],
    "serve-wsgi": [
        *["hipflask", "--app", "shop", "serve", "--bind", "127.0.0.1:{port}"],
        *["--interface", "wsgi"],
    ],
    "uvicorn": ["uvicorn", "shop:app", "--port", "{port}"],
    "gunicorn": ["gunicorn", "shop:app", "--bind", "127.0.0.1:{port}", "--preload"],
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


@contextmanager
def serving(command: list[str], folder: Path, url: str, port: int) -> Iterator[None]:
    path = os.pathsep.join([str(ROOT / "src"), str(folder)])
    words = [word.format(port=port) for word in command]
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "STORE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: process.poll() is not None or answers(port), "it serves")
        yield
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    try:
        return request(port, "GET", "/", b"", {}) == 200
    except OSError:
        return False


def request(port: int, method: str, path: str, body: bytes, fields: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, fields)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("server", SERVERS)
def test_a_serving_process_works_on_what_it_stored(tmp_path: Path, server: str) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    inbox = open_inbox(url)
    (tmp_path / "shop.py").write_text(PROGRAM, encoding="utf-8")
    port = free_port()
    with serving(SERVERS[server], tmp_path, url, port):
        for number in range(3):
            body = b'{"number": %d}' % number
            fields = dict(sign("hookdeck", body, SECRET))
            assert request(port, "POST", "/orders", body, fields) == 202
        wait_until(lambda: len(effects(inbox.database)) == 3, "all are done")
    assert {row.state for row in inbox.find(_all())} == {State.DONE}
    inbox.database.close()


def _all() -> Any:
    from hipflask.database import Query

    return Query()


@pytest.fixture
def hooks(store_url: str) -> Iterator[Hooks]:
    app = Flask("shop")
    app.testing = True
    app.config["SECRET"] = SECRET
    made = Hooks(app, inbox=store_url)
    make_tables(made.database)
    yield made
    made.stop()


def test_work_ends_all_that_is_due(hooks: Hooks) -> None:
    @hooks.receive("/orders", scheme="hookdeck", secrets="SECRET", key="number")
    def take(event: Any, tx: Any, delivery: Any) -> None:
        tx.execute(text("INSERT INTO effect (event_id) VALUES (:id)"), {"id": delivery.id})

    client = hooks.app.test_client()
    for number in (1, 1, 2):
        body = b'{"number": %d}' % number
        fields = sign("hookdeck", body, SECRET, id=f"evt_{number}")
        response = client.post("/orders", data=body, headers=fields)
        assert response.status_code == 202
    assert effects(hooks.database) == []
    assert hooks.work() == 2
    assert len(effects(hooks.database)) == 2
    assert hooks.work() == 0
    counts = hooks.inbox.figures()[0].counts
    assert (counts[State.DONE], sum(counts.values())) == (2, 2)


def test_no_thread_works_while_the_application_is_tested(hooks: Hooks) -> None:
    @hooks.receive("/orders", scheme="hookdeck", secrets="SECRET")
    def take(event: Any) -> None: ...

    body = b"{}"
    hooks.app.test_client().post("/orders", data=body, headers=sign("hookdeck", body, SECRET))
    names = {thread.name for thread in threading.enumerate()}
    assert not [name for name in names if name.startswith(("hipflask-work", "hipflask-claim"))]


def test_workers_start_once_the_store_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a server that tells nobody that it begins; a folder stands where the file is to be."""
    monkeypatch.setattr("hipflask.webhooks.hooks.START_AGAIN_S", 0.0)
    app = Flask("shop")
    app.config["SECRET"] = SECRET
    store = tmp_path / "store.db"
    hooks = Hooks(app, inbox=f"sqlite:///{store}", workers=1, retry_store_s=0.0)
    handled = threading.Event()

    @hooks.receive("/orders", scheme="hookdeck", secrets="SECRET")
    def take(event: Any) -> None:
        handled.set()

    def post() -> int:
        fields = sign("hookdeck", b"{}", SECRET)
        return app.test_client().post("/orders", data=b"{}", headers=fields).status_code

    store.mkdir()
    try:
        assert [post(), post()] == [503, 503]
        store.rmdir()
        assert post() == 202
        assert handled.wait(60)
    finally:
        hooks.stop()
