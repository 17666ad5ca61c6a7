"""Whatever is done to a queue, in whatever order: nothing is lost, keys keep their order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from hipflask.database import (
    Claimed,
    Database,
    Dead,
    Done,
    Fenced,
    ManualClock,
    Query,
    Retry,
    State,
)
from hipflask.webhooks.inbox import Inbox, InboxRow, Kind

from .stores import ANY, arrival, new_database

ACTIVE = {State.RECEIVED, State.RUNNING, State.WAITING}
LANES = {"a": "park", "b": "block", "c": "skip"}
LIMITS = {**ANY, "c": ANY["a"]}
SHM = Path("/dev/shm")


class QueueMachine(RuleBasedStateMachine):
    """Three lanes, one for each policy, with few keys, so that rows meet."""

    claims = Bundle("claims")
    make: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.database: Database = self.make(self.clock)
        self.inbox = Inbox(self.database)
        self.inbox.when_dead.update(LANES)  # type: ignore[arg-type]  # literals above
        self.sent = 0
        self.stored: set[int] = set()
        self.replayed: set[tuple[str, str | None]] = set()
        self.audited: dict[int, int] = {}

    def teardown(self) -> None:
        self.database.close()

    def seqs(self) -> list[int]:
        return sorted(self.stored)

    @rule(
        sources=st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from([None, "k", "l"])),
            min_size=1,
            max_size=5,
        )
    )
    def append(self, sources: list[tuple[str, str | None]]) -> None:
        batch = []
        for source, key in sources:
            self.sent += 1
            batch.append(arrival(self.sent, key, source=source))
        receipts = self.inbox.append(batch)
        assert {one.kind for one in receipts} == {Kind.STORED}
        numbers = [one.seq for one in receipts]
        assert numbers == sorted(numbers) and min(numbers) > max(self.stored, default=0)
        self.stored.update(numbers)

    @rule(number=st.integers(1, 50), source=st.sampled_from("abc"))
    def append_again(self, number: int, source: str) -> None:
        rows = {row.event_id: row for row in self.inbox.find(Query(limit=9999))}
        row = rows.get(str(number))
        if row is not None:
            [receipt] = self.inbox.append([arrival(number, row.key, source=row.source)])
            assert (receipt.seq, receipt.kind) == (row.seq, Kind.DUPLICATE)

    @rule(target=claims, limit=st.integers(1, 4), lease_s=st.sampled_from([10, 100]))
    def claim(self, limit: int, lease_s: int) -> Any:
        before = {row.seq: row for row in self.inbox.find(Query(limit=9999))}
        found = self.inbox.claim(limit=limit, lease_s=lease_s, lanes=LIMITS)
        assert len(found) <= limit
        for one in found:
            old = before[one.seq]
            assert old.state in ACTIVE and one.fence > old.fence
            assert old.state is not State.WAITING or old.run_at <= self.clock.now()
        return multiple(*found)

    @rule(
        claimed=consumes(claims),
        ending=st.sampled_from(["done", "dead", "retry", "free retry", "give back"]),
    )
    def end(self, claimed: Claimed[InboxRow], ending: str) -> None:
        row = self.inbox.read(claimed.seq)
        assert row is not None
        is_ours = row.state is State.RUNNING and row.fence == claimed.fence
        if ending == "give back":
            self.inbox.give_back([claimed])
            return
        endings = {
            "done": Done(),
            "dead": Dead("no"),
            "retry": Retry(self.clock.now() + 5, "busy"),
            "free retry": Retry(self.clock.now() + 5, "open", counts=False),
        }
        try:
            self.inbox.finish(claimed, endings[ending])
        except Fenced:
            assert not is_ours
        else:
            assert is_ours
            after = self.inbox.read(claimed.seq)
            assert after is not None
            assert after.attempt == row.attempt + (ending != "free retry")

    @rule(claimed=claims)
    def renew(self, claimed: Claimed[InboxRow]) -> None:
        row = self.inbox.read(claimed.seq)
        assert row is not None
        is_ours = row.state is State.RUNNING and row.fence == claimed.fence
        assert self.inbox.renew([claimed], 20) == ([] if is_ours else [claimed])

    @rule(seconds=st.sampled_from([1, 6, 11, 101]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-3600, 3600]))
    def jump(self, seconds: int) -> None:
        self.clock.jump(seconds)

    @rule()
    def restart(self) -> None:
        self.clock.restart()

    @rule()
    def sweep(self) -> None:
        self.inbox.sweep()

    @rule(
        what=st.sampled_from(["replay", "kill", "park", "resolve"]),
        picks=st.lists(st.integers(0, 200), min_size=1, max_size=4),
    )
    def operate(self, what: str, picks: list[int]) -> None:
        known = self.seqs()
        if not known:
            return
        chosen = {known[pick % len(known)] for pick in picks}
        if what == "replay":
            for seq in chosen:
                row = self.inbox.read(seq)
                assert row is not None
                self.replayed.add((row.lane, row.key))
        assert 0 <= getattr(self.inbox, what)(chosen, actor="me") <= len(chosen)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert {row.seq for row in self.inbox.find(Query(limit=9999))} == self.stored

    @invariant()
    def keys_keep_their_order(self) -> None:
        keys: dict[tuple[str, str], list[InboxRow]] = {}
        for row in self.inbox.find(Query(limit=9999)):
            assert row.kills <= 3
            if row.key is not None:
                keys.setdefault((row.lane, row.key), []).insert(0, row)
        for (lane, key), rows in keys.items():
            check_key(LANES[lane], rows, (lane, key) in self.replayed)

    @invariant()
    def each_move_has_one_line_of_audit(self) -> None:
        """The lines of a row make a chain from `received` or later to where it is."""
        with self.database.read() as connection:
            lines = connection.execute(
                text("SELECT seq, old, new FROM hipflask_audit ORDER BY id")
            ).all()
        last: dict[int, str] = {}
        for seq, old, new in lines:
            assert last.get(seq, old) == old
            last[seq] = new
        for row in self.inbox.find(Query(limit=9999)):
            physical = "held" if row.is_held else row.state.value
            assert last.get(row.seq, physical) == physical


def check_key(policy: str, rows: list[InboxRow], is_replayed: bool) -> None:
    """The rows of one key, the oldest first."""
    active = [row for row in rows if row.state in ACTIVE]
    assert len(active) <= 1, "two at once"
    blockers = [row.seq for row in rows if row.state is State.DEAD or row.is_held]
    blocker = min(blockers, default=None) if policy != "skip" else None
    behind = [row for row in rows if row.state in (State.QUEUED, State.PARKED) and not row.is_held]
    for row in behind:
        is_blocked = blocker is not None and blocker < row.seq
        if policy == "park":
            assert (row.state is State.PARKED) == is_blocked
        else:
            assert row.state is State.QUEUED
        assert active or is_blocked, "nobody would ever let it go"
    if active and not is_replayed:
        assert all(row.seq > active[0].seq for row in behind), "overtaken"


def run(make: Any, examples: int, steps: int) -> None:
    machine = type("Machine", (QueueMachine,), {"make": staticmethod(make)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_sqlite(prepared_file: Path) -> None:
    # In memory where there is such a folder: what is tested here is not the disk.
    home = SHM if SHM.is_dir() else None
    with tempfile.TemporaryDirectory(dir=home) as folder:
        numbers = iter(range(10**6))

        def make(clock: ManualClock) -> Database:
            path = Path(folder) / f"{next(numbers)}.db"
            shutil.copyfile(prepared_file, path)
            return Database(f"sqlite:///{path}", clock=clock)

        run(make, 30, 40)


def test_postgres(postgres: Any) -> None:
    url = new_database(postgres, "prepared")

    def make(clock: ManualClock) -> Database:
        database = Database(url, clock=clock, pool_size=2)
        with database.begin() as connection:
            connection.execute(text("TRUNCATE hipflask_inbox, hipflask_inbox_body, hipflask_audit"))
        return database

    run(make, 10, 30)


@pytest.mark.parametrize("state", ["queued", "received"])
def test_the_check_would_notice(prepared_file: Path, tmp_path: Path, state: str) -> None:
    """Rows moved by hand: one that nobody lets go, or a second active one."""
    shutil.copyfile(prepared_file, tmp_path / "store.db")
    database = Database(f"sqlite:///{tmp_path}/store.db", clock=ManualClock())
    inbox = Inbox(database)
    inbox.append([arrival(1, "k"), arrival(2, "k")])
    with database.begin() as connection:
        connection.execute(text(f"UPDATE hipflask_inbox SET state = '{state}'"))
    with pytest.raises(AssertionError):
        check_key("park", inbox.find(Query())[::-1], False)
    database.close()
