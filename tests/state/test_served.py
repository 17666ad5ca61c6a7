"""Sessions and keys under `hipflask serve` with two workers, asked by several at a time."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hipflask.database import open_database
from tests.database.stores import KINDS, environment, new_database

APP = """
import os
from typing import Annotated
from sqlalchemy import Connection, text
from hipflask import Flask, session
from hipflask.api import Provide
from hipflask.database import open_database
from hipflask.state import Idempotent, StoredSessions, transaction

app = Flask(__name__)
database = open_database()
app.session_interface = StoredSessions(database)

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/put/<name>")
def put(name):
    session[name] = 1
    return dict(session)

@app.get("/put-async/<name>")
async def put_async(name):
    session[name] = 1
    return dict(session)

@app.post("/buy", idempotent=Idempotent(database=database))
def buy(tx: Annotated[Connection, Provide(transaction)]) -> dict:
    tx.execute(text("INSERT INTO bought VALUES ('x')"))
    return {"bought": 1}

@app.get("/bought")
def bought():
    with database.read() as connection:
        return str(connection.scalar(text("SELECT count(*) FROM bought")))
"""


def ask(port: int, method: str, path: str, **headers: str) -> tuple[int, Any, bytes]:
    """Ask on a connection of its own, which any worker may take."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.fixture(params=KINDS)
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """The port of a service with two workers on each kind of store."""
    url = f"sqlite:///{tmp_path}/store.db"
    if request.param == "postgres":
        url = new_database(request.getfixturevalue("postgres"))
    database = open_database(url)
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE bought (name TEXT)"))
    database.close()
    (tmp_path / "site_app.py").write_text(APP)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    variables = environment(HIPFLASK_DATABASE_URL=url)
    variables["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    words = ["--app", "site_app", "serve", "--bind", f"127.0.0.1:{number}", "--workers", "2"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hipflask", *words],
            cwd=tmp_path,
            env=variables,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(number, process, tmp_path / "log")
            yield number
        finally:
            process.terminate()
            process.wait(30)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if ask(port, "GET", "/pid")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def together(calls: list[Any]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


def test_one_session_written_from_both_workers(port: int) -> None:
    first = ask(port, "GET", "/put/first")
    cookie = first[1]["Set-Cookie"].partition(";")[0]
    statuses: list[int] = []

    def put(word: str, kind: str) -> None:
        for number in range(10):
            path = f"/put{kind}/{word}{number}"
            statuses.append(ask(port, "GET", path, Cookie=cookie)[0])

    together([lambda w=w, k=k: put(w, k) for w, k in zip("abcd", ("", "-async") * 2, strict=True)])
    assert statuses == [200] * 40
    items = json.loads(ask(port, "GET", "/put/last", Cookie=cookie)[2])
    assert items.keys() == {"first", "last", *(f"{w}{n}" for w in "abcd" for n in range(10))}


def test_one_key_is_done_once_however_many_send_it(port: int) -> None:
    answers: list[tuple[int, bytes]] = []

    def buy() -> None:
        for _ in range(200):
            status, _, body = ask(port, "POST", "/buy", **{"Idempotency-Key": "k"})
            if status != 409:
                answers.append((status, body))
                return

    together([buy] * 8)
    assert len(answers) == 8
    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1
    assert ask(port, "GET", "/bought")[2] == b"1"
