"""SIGKILL at the named points: what was confirmed is there, nothing is there by half."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from hipflask.database import Done, Limits, ManualClock, Query, State
from hipflask.webhooks.inbox import Inbox
from tests.database.stores import ANY, Stores, run_child

APPENDING = """
import sys
from hipflask.database import Database, ManualClock
from hipflask.webhooks.inbox import Inbox
from tests.database.stores import arrival
database = Database(sys.argv[1], clock=ManualClock())
inbox = Inbox(database)
for n in range(12):
    batch = [arrival(f"{n}-{m}", f"k{m}", body=b"x" * 3000 + bytes([m])) for m in range(8)]
    inbox.append(batch)
    print(n, flush=True)
    if n % 3 == 2:
        database.checkpoint()
"""


def batches_of(inbox: Inbox) -> dict[int, int]:
    found: dict[int, int] = {}
    for row in inbox.find(Query(limit=1000)):
        number = int(row.event_id.partition("-")[0])
        found[number] = found.get(number, 0) + 1
    return found


@pytest.mark.parametrize("point", ["P3:7", "P4:5", "P4:11", "P16:1", "P16:3"])
def test_confirmed_batches_are_whole(stores: Stores, point: str) -> None:
    inbox = Inbox(stores.open())
    done = run_child(APPENDING, stores.url, HIPFLASK_FAILPOINT=point)
    if point.startswith("P16") and not stores.is_sqlite:
        assert done.returncode == 0, "only SQLite has a log to write back"
        return
    assert done.returncode == -signal.SIGKILL, done.stderr
    acked = {int(line) for line in done.stdout.split()}
    there = batches_of(inbox)
    assert acked <= there.keys() and set(there.values()) <= {8}
    # P3 is before COMMIT; in P4 it may have come to its end.
    beyond = there.keys() - acked
    assert len(beyond) <= (0 if point.startswith(("P3", "P16")) else 1)
    if stores.is_sqlite:
        connection = sqlite3.connect(Path(inbox.database.url.partition("///")[2]))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
    # The sender comes again with what nobody confirmed, and all of it is there once.
    again = run_child(APPENDING, stores.url)
    assert again.returncode == 0, again.stderr
    assert batches_of(inbox) == dict.fromkeys(range(12), 8)


WORKING = """
import sys
from sqlalchemy import text
from hipflask.database import *
from hipflask.webhooks.inbox import Inbox, Outgoing
database = Database(sys.argv[1], clock=ManualClock())
inbox = Inbox(database)
lanes = {"a": Limits()}
ending = sys.argv[2]
[claimed] = inbox.claim(limit=1, lease_s=30, lanes=lanes)
if ending == "effect":
    with inbox.transaction(claimed) as tx:
        tx.connection.execute(text("INSERT INTO effect VALUES ('paid')"))
        tx.post(Outgoing(destination="d", method="POST", path="/", headers=(), body=b"",
            idempotency_key="i"))
        tx.handled("h")
        inbox.finish(claimed, Done(), tx.connection)
elif ending == "retry":
    inbox.finish(claimed, Retry(5.0, "busy"))
elif ending == "dead":
    inbox.finish(claimed, Dead("no"))
elif ending == "replay":
    inbox.finish(claimed, Dead("no"))
    inbox.replay([claimed.seq], actor="me")
"""


@pytest.mark.parametrize(
    ("point", "ending", "state"),
    [
        ("P10", "effect", State.RUNNING),
        ("P13", "retry", State.RUNNING),
        ("P14", "dead", State.RUNNING),
        ("P15", "replay", State.DEAD),
    ],
)
def test_a_worker_killed_before_its_commit_has_done_nothing(
    stores: Stores, clock: ManualClock, point: str, ending: str, state: State
) -> None:
    from tests.database.stores import arrival

    inbox = Inbox(stores.open())
    with inbox.database.begin() as connection:
        connection.execute(text("CREATE TABLE effect (name TEXT)"))
    first, second = (one.seq for one in inbox.append([arrival(1, "k"), arrival(2, "k")]))
    done = run_child(WORKING, stores.url, ending, HIPFLASK_FAILPOINT=point)
    assert done.returncode == -signal.SIGKILL, done.stderr
    row = inbox.read(first)
    assert row is not None and row.state is state
    assert inbox.outbox.find(Query()) == []
    if state is State.DEAD:
        inbox.replay([first], actor="me")
    clock.advance(31)
    for expected in (first, second):
        [claimed] = inbox.claim(limit=1, lease_s=30, lanes={"a": Limits()})
        assert claimed.seq == expected
        with inbox.transaction(claimed) as tx:
            tx.connection.execute(text("INSERT INTO effect VALUES ('paid')"))
            inbox.finish(claimed, Done(), tx.connection)
    with inbox.database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM effect")) == 2
    assert inbox.claim(limit=9, lease_s=30, lanes=ANY) == []
