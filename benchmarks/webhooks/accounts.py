"""What is in the store after the storm, beside what the senders and the receiver saw."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, create_engine, text

from .events import is_sent_on
from .receiver import Receiver
from .senders import Told

EFFECTS = (
    "CREATE TABLE IF NOT EXISTS storm_effect (no {serial}, source TEXT NOT NULL,"
    " event_id TEXT NOT NULL, key TEXT)"
)
SERIAL = {
    "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "postgresql": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
}
UNFINISHED = ("received", "queued", "running", "waiting", "parked", "held")
ROWS = (
    "SELECT seq, lane, event_id, digest, body, state FROM hipflask_inbox"
    " LEFT JOIN hipflask_inbox_body USING (seq)"
)


@dataclass
class Accounts:
    """Every figure should be 0 but the first four."""

    stored: int = 0
    effects: int = 0
    sent_on: int = 0
    #: Stored although the sender was never told so: it sends again, and that is a duplicate.
    unacked: int = 0
    lost: int = 0
    changed: int = 0
    conflicts: int = 0
    unfinished: int = 0
    no_effect: int = 0
    double_effects: int = 0
    out_of_order: int = 0
    not_sent_on: int = 0
    sent_on_twice: int = 0
    several_keys: int = 0
    integrity: str = "ok"
    examples: list[str] = field(default_factory=list)


class Books:
    """Looks into the store by SQL alone, as none of the code under test is to be believed."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def make_effects(self) -> None:
        """Make the table that the handlers write to."""
        with self.engine.begin() as db:
            db.execute(text(EFFECTS.format(serial=SERIAL[self.engine.dialect.name])))

    def counts(self) -> Counter[str]:
        """Rows by `queue state`, as in `inbox done`; and `effects`."""
        found: Counter[str] = Counter()
        with self.engine.connect() as db:
            for name in ("inbox", "outbox"):
                sql = f"SELECT state, count(*) FROM hipflask_{name} GROUP BY state"
                for state, number in db.execute(text(sql)):
                    found[f"{name} {state}"] = number
            found["effects"] = db.execute(text("SELECT count(*) FROM storm_effect")).scalar_one()
        return found

    def dead(self) -> int:
        found = self.counts()
        return found["inbox dead"] + found["outbox dead"]

    def unfinished(self) -> int:
        """Rows that somebody still has to work on."""
        found = self.counts()
        return sum(found[f"{name} {word}"] for name in ("inbox", "outbox") for word in UNFINISHED)

    def close_accounts(self, told: Told, receiver: Receiver) -> Accounts:
        """Compare all with all."""
        made = Accounts()
        with self.engine.connect() as db:
            stored = self._rows(db, told, made)
            self._effects(db, stored, made)
            self._sendings(db, stored, made, receiver)
            if self.engine.dialect.name == "sqlite":
                made.integrity = db.execute(text("PRAGMA integrity_check")).scalar_one()
        made.unfinished = self.unfinished()
        return made

    def close_moved(self, told: Told) -> Accounts:
        """Compare what was moved here from another store; effects stay where they were."""
        made = Accounts()
        with self.engine.connect() as db:
            self._rows(db, told, made)
        return made

    def _rows(self, db: Connection, told: Told, made: Accounts) -> dict[str, int]:
        """The inbox's numbers by id."""
        stored: dict[str, int] = {}
        rows = db.execution_options(stream_results=True).execute(text(ROWS))
        for seq, source, number, digest, body, state in rows:
            if state == "conflict":
                made.conflicts += 1
                continue
            stored[number] = seq
            acked = told.acked.get(number)
            if acked is None:
                made.unacked += 1
            elif acked != (source, bytes(digest)) or _digest(body) != acked[1]:
                made.changed += 1
                made.examples.append(f"changed: {source} {number}")
        lost = told.acked.keys() - stored.keys()
        made.stored, made.lost = len(stored), len(lost)
        made.examples += [f"lost: {number}" for number in sorted(lost)[:5]]
        return stored

    def _effects(self, db: Connection, stored: dict[str, int], made: Accounts) -> None:
        seen: Counter[str] = Counter()
        newest: dict[tuple[str, str], int] = {}
        sql = "SELECT source, event_id, key FROM storm_effect ORDER BY no"
        for source, number, key in db.execute(text(sql)):
            seen[number] += 1
            seq = stored.get(number, 0)
            made.out_of_order += seq < newest.get((source, key), 0)
            newest[source, key] = max(seq, newest.get((source, key), 0))
        made.effects = len(seen)
        made.double_effects = sum(count - 1 for count in seen.values())
        made.no_effect = len(stored.keys() - seen.keys())
        twice = [number for number, count in seen.items() if count > 1]
        made.examples += [f"effect more than once: {number}" for number in twice[:5]]
        made.examples += [
            f"no effect: {number}" for number in sorted(stored.keys() - seen.keys())[:5]
        ]

    def _sendings(
        self, db: Connection, stored: dict[str, int], made: Accounts, receiver: Receiver
    ) -> None:
        wanted = {number for number in stored if is_sent_on(number)}
        made.sent_on = len(wanted)
        made.not_sent_on = sum(not receiver.taken[number] for number in wanted)
        made.several_keys = sum(len(keys) > 1 for keys in receiver.keys.values())
        sql = "SELECT count(*) - count(DISTINCT idempotency_key) FROM hipflask_outbox"
        made.sent_on_twice = db.execute(text(sql)).scalar_one()
        made.sent_on_twice += sum(number not in wanted for number in receiver.keys)


def _digest(body: bytes | memoryview | None) -> bytes:
    return hashlib.sha256(bytes(body or b"")).digest()
