"""What all operations on a queue's table share: moves with their audit, and order per key.

The rule of order: of one key in one lane, at most one row is received, running or waiting. The
next one is the row with the smallest number of those behind, unless a dead or held row with a
smaller number stands before it and the lane does not skip. Whoever ends a row calls `release`
in the same transaction; on PostgreSQL under an advisory lock on the key, which is always taken
before the lock of a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Connection, RowMapping, Text, TextClause, bindparam, text

from .engine import Database
from .errors import StoreUnavailable
from .rows import ReadyRow, Row
from .states import State, WhenDead

OnReady = Callable[[Connection, Sequence[ReadyRow]], None]

# Written in queries as in the partial indexes: SQLite uses those for the very same term, or for
# one of the comparisons in it.
IS_UNFINISHED = (
    "(state = 'received' OR state = 'queued' OR state = 'running' OR state = 'waiting' OR"
    " state = 'parked' OR state = 'held')"
)
IS_KEYED = (
    "key IS NOT NULL AND (state = 'dead' OR state = 'held' OR state = 'parked' OR"
    " state = 'queued' OR state = 'received' OR state = 'running' OR state = 'waiting')"
)
# How PARKED is written for rows that a person has set aside.
HELD = "held"
# Where the store has been moved to another; see `webhooks.inbox.moving`.
MOVED = "store:moved"
_COLUMNS = (
    "seq lane key state attempt kills run_at fence error created_at finished_at size is_purged"
)
# In the order of the alphabet, as the index has them: those that stand before all others first.
BLOCKING = ("dead", HELD)
_KEY_STATES = (*BLOCKING, "parked", "queued", "received", "running", "waiting")


class QueueTable:
    """A queue's table and those of its bodies; `Queue` has what users call."""

    name: ClassVar[str]
    row_type: ClassVar[type[Row]]
    # Columns beside those of every queue; which of them `Query.text` looks at.
    own_columns: ClassVar[tuple[str, ...]] = ()
    searched: ClassVar[tuple[str, ...]] = ("error",)
    # A row that has taken this many workers with it is given up.
    most_kills: ClassVar[int] = 3
    # What a replay sets besides, in SQL; tables whose rows go with one of ours, by their column.
    set_by_replay: ClassVar[str] = ""
    attached: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, database: Database, actor: str) -> None:
        self.database = database
        self.actor = actor
        self.when_dead: dict[str, WhenDead] = {}
        self.on_ready: OnReady | None = None
        self.wake: Callable[[], None] | None = None
        self.columns = (*_COLUMNS.split(), *self.own_columns)
        self._statements: dict[str, TextClause] = {}

    def sql(self, statement: str) -> TextClause:
        """The statement with {table}, {bodies} and the conditions filled in; made once."""
        made = self._statements.get(statement)
        if made is None:
            table = f"hipflask_{self.name}"
            filled = statement.format(
                table=table,
                bodies=f"{table}_body",
                columns=", ".join(self.columns),
                unfinished=IS_UNFINISHED,
                keyed=IS_KEYED,
            )
            # With their types, so that PostgreSQL also knows that of an empty list.
            lists = [
                bindparam(name, expanding=True, type_=BigInteger if name == "seqs" else Text)
                for name in re.findall(r"IN :(\w+)", filled)
            ]
            made = self._statements[statement] = text(filled).bindparams(*lists)
        return made

    @contextmanager
    def writing(
        self, connection: Connection | None = None, *, is_ending: bool = False
    ) -> Iterator[Connection]:
        """The caller's transaction, or one of our own, refused where the store has been moved.

        `is_ending`: what is under way may still end while the store waits to be moved.
        """
        if connection is not None:
            yield connection
            return
        with self.database.begin() as own:
            refuse_if_moved(self.database, own, is_ending)
            yield own

    def make_row(self, record: RowMapping, headers: bytes | None, body: bytes | None) -> Any:
        """A row of `row_type` from what was read."""
        fields: dict[str, Any] = dict(record)
        fields.pop("headers", None)
        fields.pop("body", None)
        is_held = fields["state"] == HELD
        fields["state"] = State.PARKED if is_held else State(fields["state"])
        fields["is_purged"] = bool(fields["is_purged"])
        fields.update(self.own_fields(fields, headers, body))
        return self.row_type(**fields, is_held=is_held)

    def own_fields(
        self, fields: dict[str, Any], headers: bytes | None, body: bytes | None
    ) -> dict[str, Any]:
        """What of a row's own fields is not as in the table."""
        return {}

    def move(
        self,
        connection: Connection,
        where: str,
        values: Mapping[str, Any],
        new: str,
        *,
        actor: str | None = None,
        note: str = "",
        also: str = "",
        attempt: str = "attempt",
    ) -> int:
        """Put rows into the state `new`, each with its line of audit; returns how many.

        `where`, `also` (more to set) and `attempt` are SQL, with `values` for their names.
        """
        # Locked before it is told: on PostgreSQL somebody may be moving the row right now.
        lock = "" if self.database.is_sqlite else " FOR UPDATE"
        connection.execute(
            self.sql(
                "INSERT INTO hipflask_audit (queue, seq, at, actor, old, new, attempt, note)"
                " SELECT :queue, seq, :at, :actor, state, :new, "
                + attempt
                + ", :note FROM {table} WHERE "
                + where
                + lock
            ),
            {
                **values,
                "queue": self.name,
                "at": self.database.clock.now(),
                "actor": actor or self.actor,
                "new": new,
                "note": note[:2000],
            },
        )
        changed = connection.execute(
            self.sql("UPDATE {table} SET state = :new" + also + " WHERE " + where),
            {**values, "new": new},
        )
        return changed.rowcount

    def lock_keys(
        self, connection: Connection, keys: Iterable[tuple[str, str | None]]
    ) -> list[tuple[str, str]]:
        """Keep others from the keys until the transaction ends; returns them, each once.

        SQLite has one writer already. Always in one order, so that two never wait for another.
        """
        found = sorted({(lane, key) for lane, key in keys if key is not None})
        if found and not self.database.is_sqlite:
            numbers = sorted({self.key_number(lane, key) for lane, key in found})
            connection.execute(_LOCK_KEYS, {"numbers": numbers})
        return found

    def key_number(self, lane: str, key: str) -> int:
        """The number of the advisory lock of a key."""
        digest = blake2b(f"{self.name}\0{lane}\0{key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    def release(
        self, connection: Connection, lane: str, key: str, actor: str | None = None
    ) -> list[ReadyRow]:
        """Let the next row of the key go, if none is under way and nothing stands before it.

        The key is locked by the caller. Rows behind a dead one become parked or queued, as the
        lane wants it.
        """
        first: dict[str, int | None] = dict(
            connection.execute(self.sql(_FIRST_OF_KEY), {"lane": lane, "key": key}).mappings().one()
        )
        policy = self.when_dead.get(lane, "park")
        blockers = [seq for state in ("dead", HELD) if (seq := first[state]) is not None]
        blocker = min(blockers, default=None) if policy != "skip" else None
        self._park_behind(connection, lane, key, first, blocker, policy, actor)
        if any(first[state] is not None for state in ("received", "running", "waiting")):
            return []
        behind = [seq for state in ("queued", "parked") if (seq := first[state]) is not None]
        head = min(behind, default=None)
        if head is None or (blocker is not None and blocker < head):
            return []
        self.move(
            connection,
            "seq = :seq AND state IN ('queued', 'parked')",
            {"seq": head},
            State.RECEIVED,
            actor=actor,
            note="the next of its key",
            also=", run_at = 0",
        )
        return [ReadyRow(self.name, head, lane, key, 0.0)]

    def _park_behind(
        self,
        connection: Connection,
        lane: str,
        key: str,
        first: dict[str, int | None],
        blocker: int | None,
        policy: WhenDead,
        actor: str | None,
    ) -> None:
        of_key = "lane = :lane AND key = :key AND state = "
        values = {"lane": lane, "key": key, "blocker": blocker}
        if first["parked"] is not None:
            free = "" if blocker is None or policy != "park" else " AND seq < :blocker"
            where, note = f"{of_key}'parked'{free}", "nothing dead stands before it"
            self.move(connection, where, values, State.QUEUED, actor=actor, note=note)
        if first["queued"] is not None and blocker is not None and policy == "park":
            where, note = f"{of_key}'queued' AND seq > :blocker", f"behind {blocker}"
            self.move(connection, where, values, State.PARKED, actor=actor, note=note)

    def newcomer(self, connection: Connection, lane: str, key: str | None) -> State:
        """The state of a row that comes behind all others of its key, which is locked."""
        if key is None:
            return State.RECEIVED
        policy = self.when_dead.get(lane, "park")
        values = {"lane": lane, "key": key, "above": floor(policy)}
        return newcomer(connection.scalar(self.sql(_STANDING), values), policy)

    def announce(self, connection: Connection, ready: Sequence[ReadyRow]) -> None:
        """Tell the scheduler in this transaction, and the workers of this process after it."""
        if not ready:
            return
        if self.on_ready is not None:
            self.on_ready(connection, ready)
        if self.wake is not None:
            self.database.after_commit(self.wake)


_LOCK_KEYS = text(
    "SELECT pg_advisory_xact_lock(number) FROM unnest(CAST(:numbers AS bigint[])) AS number"
)
_FIRST_OF_KEY = "SELECT " + ", ".join(
    "(SELECT min(seq) FROM {table} WHERE lane = :lane AND key = :key"
    f" AND state = '{state}') AS {state}"
    for state in _KEY_STATES
)
_STANDING = (
    "SELECT state FROM {table} WHERE lane = :lane AND key = :key AND {keyed} AND state > :above"
    " ORDER BY state LIMIT 1"
)


def floor(policy: WhenDead) -> str:
    """States that sort after this one matter to a newcomer of its key."""
    return HELD if policy == "skip" else ""


def newcomer(standing: str | None, policy: WhenDead) -> State:
    """The state of a row that comes last of its key; `standing`: the first state above `floor`."""
    if standing is None:
        return State.RECEIVED
    return State.PARKED if standing in BLOCKING and policy == "park" else State.QUEUED


def refuse_if_moved(database: Database, connection: Connection, is_ending: bool = False) -> None:
    """StoreUnavailable where the rows of this SQLite store live in PostgreSQL by now."""
    if not database.is_sqlite:
        return
    driver: Any = connection.connection.driver_connection
    found = driver.execute("SELECT settings FROM hipflask_lane WHERE name = ?", (MOVED,)).fetchone()
    if found is not None and not (is_ending and '"draining"' in found[0]):
        raise StoreUnavailable(
            f"{database.name} has been moved to PostgreSQL, or is being moved: open that one."
        )
