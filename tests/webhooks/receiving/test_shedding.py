"""Senders are turned away before their body is read, and taken again when that is over."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import threading
import time

import pytest

from hipflask import Flask
from hipflask.database.errors import StoreUnavailable
from hipflask.webhooks import Hooks
from hipflask.webhooks.inbox import Backlog, Inbox

from ..senders import SENDERS
from .serving import head_of, running, status_of
from .test_receiving import fresh, signed


@pytest.fixture
def made(tmp_path):
    with contextlib.ExitStack() as stack:

        def make(**options):
            app = Flask(__name__)
            app.config["GITHUB"] = SENDERS["github"].secret
            hooks = Hooks(app, f"sqlite:///{tmp_path}/inbox.db", workers=0, **options)
            hooks.source("/github", scheme="github", secrets="GITHUB")
            stack.callback(hooks.stop)
            return app, hooks

        yield make


def post(app, body=None):
    delivery = signed(fresh() if body is None else body)
    return app.test_client().post("/github", data=delivery.body, headers=dict(as_text(delivery)))


def as_text(delivery):
    return [(name.decode(), value.decode()) for name, value in delivery.headers]


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_a_store_that_is_away_is_a_503_and_heals(made, monkeypatch, caplog):
    app, hooks = made(retry_store_s=0.05)
    assert post(app).status_code == 202
    append = Inbox.append

    def away(self, arrivals):
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(Inbox, "append", away)
    answer = post(app)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert post(app).status_code == 503
    monkeypatch.setattr(Inbox, "append", append)
    until(lambda: post(app).status_code == 202)
    assert caplog.text.count("The inbox takes no events") == 1
    until(lambda: "The inbox takes events again" in caplog.text)


def test_an_inbox_that_is_over_its_limit_sheds_until_it_is_below(made, monkeypatch):
    app, hooks = made(most_rows=10)
    found = [Backlog(10, 0, 0.0)]
    monkeypatch.setattr(Inbox, "backlog", lambda self: found[0])
    until(lambda: post(app).status_code == 503)
    found[0] = Backlog(9, 0, 0.0)
    until(lambda: post(app).status_code == 202)


def test_a_writer_that_follows_another_looks_for_itself(made, monkeypatch):
    app, hooks = made(most_rows=10)
    found = [Backlog(10, 0, 0.0)]
    monkeypatch.setattr(Inbox, "backlog", lambda self: found[0])
    until(lambda: post(app).status_code == 503)
    hooks.stop()
    found[0] = Backlog(9, 0, 0.0)
    assert post(app).status_code == 202


def test_who_waits_for_a_stuck_store_is_answered(made, monkeypatch):
    app, hooks = made()
    source = hooks.sources["github"]
    hooks._receivers["github"]._patience_s = 0.01
    go = threading.Event()
    append = Inbox.append

    def stuck(self, arrivals):
        go.wait(30)
        return append(self, arrivals)

    monkeypatch.setattr(Inbox, "append", stuck)
    assert source.answer_s == 10
    assert post(app).status_code == 503
    go.set()
    until(lambda: post(app).status_code == 202)


def test_a_full_queue_sheds_before_the_body_is_read(tmp_path):
    """The store is locked by somebody else: what waits is bounded, the rest is told at once."""
    with running("rsgi", tmp_path, MOST_WAITING="3") as server:
        assert server.deliver("/github", signed(fresh()))[0] == 202
        lock = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        statuses = []

        def send():
            statuses.append(server.deliver("/github", signed(fresh()))[0])

        def is_shed():
            """Only the head is sent, and the answer is there."""
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(head_of("/github", "Content-Length: 1000"))
                connection.settimeout(0.5)
                with contextlib.suppress(TimeoutError):
                    answer = connection.recv(65536)
                    assert status_of(answer) == 503 and b"retry-after: 1" in answer.lower()
                    return True
            return False

        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(is_shed)
        for thread in threads:
            thread.join()
        assert statuses == [503] * 3, server.said
        lock.execute("ROLLBACK")
        lock.close()
        until(lambda: server.deliver("/github", signed(fresh()))[0] == 202)
        assert "Traceback" not in server.said


def test_a_graceful_stop_answers_what_is_in_work(tmp_path):
    with running("rsgi", tmp_path) as server:
        assert server.deliver("/github", signed(fresh()))[0] == 202
        answered = []
        is_over = threading.Event()

        def send():
            while not is_over.is_set():
                try:
                    answered.append(server.deliver("/github", signed(fresh()))[0])
                except OSError:
                    return

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: len(answered) > 20)
        code = server.stop()
        is_over.set()
        for thread in threads:
            thread.join()
        assert code == 0, server.said
        assert set(answered) <= {202, 503}
        assert server.count() >= 1 + answered.count(202)
        assert "Traceback" not in server.said
