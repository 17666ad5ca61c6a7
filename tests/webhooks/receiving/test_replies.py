"""A reply is sent once the event is stored, and within its deadline; else the plain answer."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from hipflask import Flask
from hipflask.database import Query
from hipflask.scaffold import SetupError
from hipflask.webhooks import Hooks, sign

from ..senders import SENDERS

SECRET = SENDERS["slack"].secret


@pytest.fixture
def made(tmp_path):
    app = Flask(__name__)
    app.config["SLACK"] = SECRET
    hooks = Hooks(app, f"sqlite:///{tmp_path}/inbox.db", workers=0)
    source = hooks.source("/slack", scheme="slack", secrets="SLACK")
    yield app, hooks, source
    hooks.stop()


def post(app, n=1, **more):
    body = json.dumps({"event_id": f"E{n}", "event": {"type": "message"}, **more}).encode()
    headers = dict(sign("slack", body, SECRET))
    return app.test_client().post("/slack", data=body, headers=headers)


def test_the_event_is_stored_before_the_reply_is_made(made):
    app, hooks, source = made
    found = []

    @source.reply()
    def answer(event, delivery):
        found.extend(hooks.inbox.find(Query(limit=10)))
        assert found[0].seq == delivery.seq and delivery.id == event["event_id"]
        return {"text": "on it"}, 201

    got = post(app)
    assert (got.status_code, got.json) == (201, {"text": "on it"})
    assert [row.event_id for row in found] == ["E1"]


def test_async_and_for_a_repetition_too(made):
    app, hooks, source = made

    @source.reply(deadline_s=30)
    async def answer(event):
        await asyncio.sleep(0)
        return event["event_id"]

    assert [post(app).text for _ in range(2)] == ["E1", "E1"]
    assert hooks.inbox.find(Query(limit=10))[0].dup_count == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_a_late_one_is_left_behind(made, caplog, is_async):
    app, hooks, source = made
    go = threading.Event()

    if is_async:

        @source.reply(deadline_s=0.01)
        async def answer(event):
            await asyncio.sleep(60)
    else:

        @source.reply(deadline_s=0.01)
        def answer(event):
            go.wait(30)
            return "late"

    got = post(app)
    go.set()
    assert (got.status_code, got.data) == (200, b"")
    assert "took more than 0.01 s" in caplog.text
    assert len(hooks.inbox.find(Query(limit=10))) == 1


@pytest.mark.parametrize("error", [ValueError("no"), TimeoutError("of its own")])
def test_one_that_fails(made, caplog, error):
    app, hooks, source = made

    @source.reply()
    def answer(event):
        raise error

    got = post(app)
    assert (got.status_code, got.data) == (200, b"")
    assert f"{type(error).__name__}: {error}" in caplog.text


def test_none_is_the_plain_answer_and_a_conflict_gets_it_too(made):
    app, hooks, source = made
    asked = []

    @source.reply()
    def answer(event):
        asked.append(event)
        return None

    assert post(app).data == b""
    assert post(app, other=1).status_code == 200
    assert len(asked) == 1


def test_what_is_refused_at_setup(made):
    app, hooks, source = made
    source.reply()(lambda event: "")
    with pytest.raises(SetupError, match="two functions that reply"):
        source.reply()(lambda event: "")
    other = hooks.source("/other", scheme="slack", secrets="SLACK")
    with pytest.raises(SetupError, match="takes a tx"):
        other.reply()(lambda event, tx: "")
    with pytest.raises(SetupError, match="more than 0"):
        other.reply(deadline_s=0)(lambda event: "")
