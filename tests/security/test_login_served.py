"""Logins under `hipflask serve`, in several processes that know no more than the store."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from urllib.parse import urlencode

import pytest

from ..server.process import DRIVER, PATIENCE_S, Server, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

APP = """
import os
from hipflask import Flask
from hipflask.security import (
    Identity, add_login, authenticated, current_identity, hashed_passwords, public,
)

app = Flask(__name__)
app.secret_key = "a key of the tests, of some length"
app.access = authenticated
HASHED = os.environ["HASHED"]
users = {name: (HASHED, Identity(name)) for name in ("ada", "bob")}
add_login(app, hashed_passwords(users, remember_s=0))

@app.get("/")
async def index():
    return f"{current_identity().name} {os.getpid()}"

@app.get("/pid", access=public)
def pid():
    return str(os.getpid())
"""
WORKERS = 3


@pytest.fixture
def server(tmp_path):
    from hipflask.security import hash_password

    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "app.py").write_text(APP)
    options = {
        "bind": ["127.0.0.1:0"],
        "workers": WORKERS,
        "threads": 8,
        "drain_wait_s": 0,
        "interface": "rsgi",
    }
    environ = {
        "HIPFLASK_DATABASE_URL": f"sqlite:///{tmp_path}/store.db",
        "HASHED": hash_password("right"),
    }
    started = Server(tmp_path, ("driver.py", "serve", json.dumps(options)), environ)
    pids = set()

    def all_answer():
        pids.add(started.worker_pid())
        return len(pids) == WORKERS

    until(all_answer, "an answer from each worker")
    yield started
    started.clean_up()


def ask(server, method, path, cookie="", **fields):
    """Each on a connection of its own, and so by any of the workers."""
    # Forty passwords are hashed in one of the tests: on a busy machine the last one waits long.
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=6 * PATIENCE_S)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
        if cookie:
            headers["Cookie"] = cookie
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        return answer.status, body, (answer.headers["Set-Cookie"] or "").partition(";")[0]
    finally:
        connection.close()


def test_all_workers_know_who_logged_in_and_who_logged_out(server):
    status, _, cookie = ask(server, "POST", "/login", name="ada", password="right")
    assert status == 303 and cookie.startswith("session=")
    _, _, phone = ask(server, "POST", "/login", name="ada", password="right")
    seen = set()

    def everywhere():
        status, body, _ = ask(server, "GET", "/", cookie)
        assert (status, body.split()[0]) == (200, "ada")
        seen.add(body.split()[1])
        return len(seen) == WORKERS

    until(everywhere, "each worker to know who logged in")
    assert ask(server, "POST", "/login/out", cookie, everywhere="1")[0] == 303

    def nowhere():
        return all(ask(server, "GET", "/", phone)[0] == 401 for _ in range(8 * WORKERS))

    until(nowhere, "each worker to know who logged out")


def test_guesses_are_counted_in_all_workers_together(server):
    statuses = [
        ask(server, "POST", "/login", name="bob", password=f"guess {number}")[0]
        for number in range(14)
    ]
    # Ten are free, and the eleventh makes the next one wait; that may be over meanwhile.
    assert statuses[:11] == [401] * 11 and 429 in statuses[11:]


def test_a_flood_of_logins_leaves_the_others_alone(server):
    statuses = []
    gate = threading.Barrier(41)

    def guess(number):
        gate.wait(PATIENCE_S)
        for turn in range(3):
            name = f"name {number} {turn}"
            statuses.append(ask(server, "POST", "/login", name=name, password="guess")[0])

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    gate.wait(PATIENCE_S)
    for _ in range(20):
        assert ask(server, "GET", "/pid")[0] == 200
    for thread in threads:
        thread.join(18 * PATIENCE_S)
    assert len(statuses) == 120 and set(statuses) <= {401, 429, 503}
    # From one address: thirty are free, and what had to wait its turn in vain is not counted.
    assert statuses.count(401) <= 31 + 8
    assert server.process.poll() is None


@pytest.mark.parametrize("command", ["serve", "run"])
def test_what_is_wrong_with_the_setup_is_told_before_anybody_comes(tmp_path, command):
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "app.py").write_text(APP + "\napp.access = None\n")
    options = {
        "serve": {"bind": ["127.0.0.1:0"], "workers": 1, "threads": 2},
        "run": {
            "host": "127.0.0.1",
            "port": 0,
            "reload": False,
            "debugger": False,
            "threads": True,
        },
    }[command]
    words = ("driver.py", command, json.dumps(options))
    started = Server(tmp_path, words, {"HASHED": "$argon2id$"})
    try:
        assert started.wait() != 0
        assert "do not say who may call them" in started.said
        assert "GET /: index" in started.said and "/pid" not in started.said
    finally:
        started.clean_up()
