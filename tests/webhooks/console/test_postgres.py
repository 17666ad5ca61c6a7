"""What people see and do is the same where the store is PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from hipflask.ops import metrics as registry
from hipflask.security import public
from hipflask.webhooks import metrics
from hipflask.webhooks.reconcile import Found, find_ids, shelf_of
from tests.database.stores import new_database

from ..shop import Shop


@pytest.fixture
def shop(tmp_path, postgres) -> Iterator[Shop]:
    made = Shop(tmp_path, new_database(postgres))
    made.hooks.console(access=public)
    yield made
    made.close()


def words(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_the_console_shows_and_moves(shop):
    shop.deliver("a", repository={"id": 1}, do="permanent")
    shop.deliver("b", repository={"id": 1})
    shop.deliver("c", repository={"id": 2}, text="to the room")
    shop.hooks.work()
    first, second, third = shop.rows()
    assert shop.states() == ["dead", "parked", "done"]

    def get(path):
        answer = shop.client.get(f"/_hooks{path}")
        assert answer.status_code == 200, answer.text
        return words(answer.text)

    overview = get("/")
    assert "Dead 1" in overview and "Parked 1" in overview
    assert f"#{first.seq}" in get("/events?state=dead&text=no+such&since=1h&lane=github&key=1")
    assert "POST /room" in get(f"/events/{third.seq}")
    assert "no answer after" in get(f"/outgoing/{shop.rows('outbox')[0].seq}")
    assert "Replay 1 event" in get("/events/bulk?action=replay&state=dead")
    form = {"action": "replay", "seqs": str(first.seq)}
    answer = shop.client.post("/_hooks/events/bulk", data=form)
    assert "1 replayed" in words(answer.text)
    assert shop.states()[0] == "received"
    assert shop.hooks.inbox.audit(first.seq)[-1].actor == "console"
    form = {"lane": "github", "action": "pause"}
    assert shop.client.post("/_hooks/events/lane", data=form).status_code == 303
    assert "paused" in get("/")


def test_ids_are_found_and_what_is_missing_is_stored(shop):
    shop.deliver("a")
    source = shop.hooks.sources["github"]
    ids = ["a", *(f"id{number}" for number in range(1200))]
    assert find_ids(shop.hooks.inbox, "github", ids) == {"a": shop.rows()[0].seq}
    shelf = shelf_of(shop.hooks, source, now=lambda: 1000.0)
    found = [Found(id, "push", 1.0, (("X-GitHub-Event", "push"),), b"{}") for id in ("a", "b")]
    assert shelf.known(["a", "b"]) == {"a"}
    assert shelf.take(found) == 1 and shelf.take(found) == 0
    assert [row.scheme for row in shop.rows()] == ["github", "reconciled"]


def test_figures_are_asked(shop):
    shop.deliver("a")
    metrics.watch(shop.hooks, monotonic=lambda: 0.0)
    samples = {
        tuple(value for _, value in sample.labels): sample.value
        for metric, found in registry.collect()
        for sample in found
        if sample.name == "hipflask_webhooks_rows"
    }
    assert samples["inbox", "github", "received"] == 1
