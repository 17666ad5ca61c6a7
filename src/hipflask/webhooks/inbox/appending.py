"""Storing arrivals: insert first, ask afterwards.

Nearly every arrival is new. So a batch is inserted as if all were, and the unique indexes drop
what is known by its id, or by its bytes where nobody signed the id. Only for those is anything
looked up. This is the one hot path of the store, so it speaks to the drivers directly. On
PostgreSQL the keys are locked, in the same round trip that asks for what there is of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, islice
from sqlite3 import sqlite_version_info
from typing import Any, Protocol

from sqlalchemy import Connection

from ...database.rows import ReadyRow
from ...database.states import State
from ...database.table import IS_KEYED, QueueTable, floor, newcomer
from .rows import Arrival, Kind, Receipt

# Another connection stores the same id at the same moment, and takes it back: how often at most.
_MOST_RACES = 5

Values = tuple[Any, ...]
Key = tuple[str, str]


class Stored:
    """What became of a batch: a receipt for each arrival, and whose repetitions are uncounted."""

    def __init__(self, receipts: list[Receipt], uncounted: Mapping[int, int]) -> None:
        self.receipts = receipts
        # On PostgreSQL, rows that somebody had locked: see `count_again`.
        self.uncounted = uncounted


class _Store(Protocol):
    """A driver, as far as appending needs it."""

    def begin(self, arrivals: Sequence[Arrival]) -> list[int]:
        """Lock the keys; return a new number for each arrival, in rising order."""
        ...

    def standing(self, key: Key) -> str | None:
        """The first state of the key's rows, above what its lane's policy leaves out."""
        ...

    def insert(self, rows: list[Values], bodies: list[Values]) -> set[int]:
        """Insert what is not known; return the numbers of the others."""
        ...

    def find(self, source: str, event_id: str) -> tuple[int, bytes] | None:
        """The number and digest under an id."""
        ...

    def count(self, again: Mapping[int, int]) -> Mapping[int, int]:
        """Count repetitions; return those of rows that are locked."""
        ...


def append(queue: QueueTable, connection: Connection, arrivals: Sequence[Arrival]) -> Stored:
    """Write the arrivals in this transaction."""
    driver: Any = connection.connection.driver_connection
    store: _Store = _Sqlite(queue, driver) if queue.database.is_sqlite else _Postgres(queue, driver)
    numbers = store.begin(arrivals)
    rows, states = _plan(queue, store, arrivals, numbers)
    bodies = [
        (number, arrival.headers, arrival.body)
        for number, arrival in zip(numbers, arrivals, strict=True)
    ]
    known = store.insert(rows, bodies)
    claimable = (
        ReadyRow(queue.name, number, arrival.source, arrival.key, 0.0)
        for number, arrival, state in zip(numbers, arrivals, states, strict=True)
        if state is State.RECEIVED and number not in known
    )
    # A scheduler is told of each; to wake the workers of this process one is enough.
    ready = list(claimable if queue.on_ready is not None else islice(claimable, 1))
    receipts = [Receipt(number, Kind.STORED) for number in numbers]
    again: Counter[int] = Counter()
    if known:
        keys = set()
        for place, number in enumerate(numbers):
            if number in known:
                arrival = arrivals[place]
                receipts[place] = receipt = _add_known(store, arrival, number)
                if receipt.seq != number:
                    again[receipt.seq] += 1
                if arrival.key is not None:
                    keys.add((arrival.source, arrival.key))
        # Later arrivals of this batch may have been put behind rows that are not there.
        for lane, key in sorted(keys):
            ready += queue.release(connection, lane, key)
    queue.announce(connection, ready)
    return Stored(receipts, store.count(again) if again else {})


def _plan(
    queue: QueueTable, store: _Store, arrivals: Sequence[Arrival], numbers: Sequence[int]
) -> tuple[list[Values], list[State]]:
    """The rows as they are inserted if all are new, with their states."""
    rows, states = [], []
    following: dict[Key, State] = {}
    for number, arrival in zip(numbers, arrivals, strict=True):
        state = State.RECEIVED
        if arrival.key is not None:
            key = (arrival.source, arrival.key)
            found = following.get(key)
            if found is None:
                policy = queue.when_dead.get(arrival.source, "park")
                state = newcomer(store.standing(key), policy)
                following[key] = State.PARKED if state is State.PARKED else State.QUEUED
            else:
                state = found
        states.append(state)
        rows.append(_values(number, arrival, arrival.event_id, _TEXT_OF[state], None, 0))
    return rows, states


def alias_of(event_id: str, digest: bytes) -> str:
    """What an arrival is stored under whose id is known with other bytes."""
    return f"{event_id}#{digest.hex()[:16]}"


def _add_known(store: _Store, arrival: Arrival, number: int) -> Receipt:
    """An arrival that was dropped: its id is known, or its bytes are."""
    alias = alias_of(arrival.event_id, arrival.digest)
    for _ in range(_MOST_RACES):
        found = store.find(arrival.source, arrival.event_id)
        if found is not None and found[1] == arrival.digest:
            return Receipt(found[0], Kind.DUPLICATE)
        beside = store.find(arrival.source, alias) if found is not None else None
        if beside is not None:
            return Receipt(beside[0], Kind.CONFLICT)
        event_id = arrival.event_id if found is None else alias
        row = _values(number, arrival, event_id, State.CONFLICT.value, arrival.received_at, 1)
        if not store.insert([row], [(number, arrival.headers, arrival.body)]):
            return Receipt(number, Kind.CONFLICT)
    raise RuntimeError(f"{arrival.source} {arrival.event_id}: neither stored nor found.")


# Asking a state for its `value` takes longer than all the rest of a row.
_TEXT_OF = {state: state.value for state in State}
_COLUMNS = (
    *("seq", "lane", "key", "state", "run_at", "created_at", "finished_at", "size", "event_id"),
    *("event_type", "scheme", "secret_no", "is_id_signed", "method", "query", "digest"),
    *("is_twin", "done_by"),
)


def _values(
    number: int, arrival: Arrival, event_id: str, state: str, ended: float | None, is_twin: int
) -> Values:
    """A row in the order of _COLUMNS."""
    return (
        number,
        arrival.source,
        arrival.key,
        state,
        0.0,
        arrival.received_at,
        ended,
        len(arrival.body),
        event_id,
        arrival.event_type,
        arrival.scheme,
        arrival.secret_no,
        1 if arrival.is_id_signed else 0,
        arrival.method,
        arrival.query,
        arrival.digest,
        is_twin,
        "[]",
    )


class _Sqlite:
    """Under the one writer, what was looked up stays true until COMMIT."""

    def __init__(self, queue: QueueTable, driver: Any) -> None:
        self._queue = queue
        self._cursor = driver.cursor()

    def begin(self, arrivals: Sequence[Arrival]) -> list[int]:
        statement = "SELECT seq FROM sqlite_sequence WHERE name = 'hipflask_inbox'"
        last = self._cursor.execute(statement).fetchone()
        first = 1 if last is None else last[0] + 1
        return list(range(first, first + len(arrivals)))

    def standing(self, key: Key) -> str | None:
        above = floor(self._queue.when_dead.get(key[0], "park"))
        found = self._cursor.execute(_STANDING, (*key, above)).fetchone()
        return None if found is None else str(found[0])

    def insert(self, rows: list[Values], bodies: list[Values]) -> set[int]:
        known = set()
        if self._execute_many(_INSERT, _ROW, rows) != len(rows):
            statement = "SELECT seq FROM hipflask_inbox WHERE seq BETWEEN ? AND ?"
            stored = set(self._cursor.execute(statement, (rows[0][0], rows[-1][0])))
            known = {row[0] for row in rows if (row[0],) not in stored}
            bodies = [body for body in bodies if body[0] not in known]
        self._execute_many(_INSERT_BODY, _BODY_ROW, bodies)
        return known

    def _execute_many(self, statement: str, row: str, rows: Sequence[Values]) -> int:
        """Insert the rows; return how many were.

        The driver lets go of the interpreter for each statement, and has to get it back from a
        loop that is busy: a row each took three times as long under load as many at once.
        """
        count = place = 0
        while place < len(rows):
            size = min(_MOST_IN_ONE, 1 << (len(rows) - place).bit_length() - 1)
            some = rows[place : place + size]
            made = _many(statement, row, size)
            count += self._cursor.execute(made, list(chain.from_iterable(some))).rowcount
            place += size
        return count

    def find(self, source: str, event_id: str) -> tuple[int, bytes] | None:
        found: tuple[int, bytes] | None = self._cursor.execute(_ID, (source, event_id)).fetchone()
        return found

    def count(self, again: Mapping[int, int]) -> Mapping[int, int]:
        self._cursor.executemany(_AGAIN, [(times, seq) for seq, times in again.items()])
        return {}


_ID = "SELECT seq, digest FROM hipflask_inbox WHERE lane = ? AND event_id = ?"
_STANDING = (
    f"SELECT state FROM hipflask_inbox WHERE lane = ? AND key = ? AND {IS_KEYED} AND state > ?"
    " ORDER BY state LIMIT 1"
)
_INSERT = f"INSERT INTO hipflask_inbox ({', '.join(_COLUMNS)}) VALUES {{}} ON CONFLICT DO NOTHING"
_ROW = f"({', '.join('?' * len(_COLUMNS))})"
_INSERT_BODY = "INSERT INTO hipflask_inbox_body (seq, headers, body) VALUES {}"
_BODY_ROW = "(?, ?, ?)"
# In powers of two, so that few statements are prepared. SQLite before 3.32 takes 999 values.
_MOST_IN_ONE = 128 if sqlite_version_info >= (3, 32) else 32


@cache
def _many(statement: str, row: str, size: int) -> str:
    return statement.format(", ".join([row] * size))


_AGAIN = "UPDATE hipflask_inbox SET dup_count = dup_count + ? WHERE seq = ?"


class _Postgres:
    """Few round trips, however many arrivals."""

    def __init__(self, queue: QueueTable, driver: Any) -> None:
        self._queue = queue
        self._driver = driver
        self._standings: dict[Key, str | None] = {}

    def begin(self, arrivals: Sequence[Arrival]) -> list[int]:
        keys = {(one.source, one.key) for one in arrivals if one.key is not None}
        locks = sorted({self._queue.key_number(*key) for key in keys})
        # One after the other on the server, each seeing what was committed before it.
        with self._driver.pipeline():
            if keys:
                self._driver.execute(_PG_LOCK, (locks,))
                above = [floor(self._queue.when_dead.get(lane, "park")) for lane, _ in keys]
                asked = (*_columns(keys), above)
                standings = self._driver.execute(_PG_STANDINGS, asked)
            numbers = self._driver.execute(_PG_NUMBERS, (len(arrivals),))
        if keys:
            self._standings = {(lane, key): state for lane, key, state in standings}
        return sorted(row[0] for row in numbers)

    def standing(self, key: Key) -> str | None:
        return self._standings[key]

    def insert(self, rows: list[Values], bodies: list[Values]) -> set[int]:
        # In the order of ids, as everybody: two batches with the same ids in them never wait for
        # one another. The numbers are in the order of arrival all the same.
        ordered = sorted(rows, key=_by_id)
        answers = self._driver.execute(_PG_INSERT, (*_columns(ordered), *_columns(bodies)))
        stored = {row[0] for row in answers}
        return {row[0] for row in rows} - stored

    def find(self, source: str, event_id: str) -> tuple[int, bytes] | None:
        statement = _ID.replace("?", "%s")
        found: tuple[int, bytes] | None = self._driver.execute(
            statement, (source, event_id)
        ).fetchone()
        return found

    def count(self, again: Mapping[int, int]) -> Mapping[int, int]:
        seqs = sorted(again)
        asked = (seqs, [again[seq] for seq in seqs], seqs)
        counted = {row[0] for row in self._driver.execute(_PG_AGAIN, asked)}
        return {seq: again[seq] for seq in seqs if seq not in counted}


def _by_id(row: Values) -> tuple[str, str]:
    return row[1], row[8]


def _columns(rows: Iterable[Values]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


_PG_LOCK = "SELECT pg_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number"
_PG_STANDINGS = (
    "SELECT lane, key, (SELECT state FROM hipflask_inbox AS row WHERE row.lane = asked.lane AND"
    f" row.key = asked.key AND {IS_KEYED} AND state > asked.above ORDER BY state LIMIT 1)"
    " FROM unnest(%s::text[], %s::text[], %s::text[]) AS asked(lane, key, above)"
)
_PG_NUMBERS = (
    "SELECT nextval(pg_get_serial_sequence('hipflask_inbox', 'seq')) FROM generate_series(1, %s)"
)
_TYPES = (
    *("bigint", "text", "text", "text", "float8", "float8", "float8", "int", "text"),
    *("text", "text", "int", "int", "text", "text", "bytea"),
    *("int", "text"),
)
_PG_INSERT = (
    f"WITH stored AS (INSERT INTO hipflask_inbox ({', '.join(_COLUMNS)}) SELECT * FROM"
    f" unnest({', '.join(f'%s::{kind}[]' for kind in _TYPES)})"
    " ON CONFLICT DO NOTHING RETURNING seq)"
    " INSERT INTO hipflask_inbox_body (seq, headers, body) SELECT seq, headers, body FROM"
    " unnest(%s::bigint[], %s::bytea[], %s::bytea[]) AS given(seq, headers, body)"
    " JOIN stored USING (seq) RETURNING seq"
)
_PG_AGAIN = (
    "UPDATE hipflask_inbox AS row SET dup_count = row.dup_count + asked.times FROM"
    " unnest(%s::bigint[], %s::int[]) AS asked(seq, times) WHERE row.seq = asked.seq AND"
    " row.seq IN (SELECT seq FROM hipflask_inbox WHERE seq = ANY(%s) FOR UPDATE SKIP LOCKED)"
    " RETURNING row.seq"
)


def count_again(queue: QueueTable, uncounted: Mapping[int, int]) -> None:
    """Count repetitions of rows that were locked, in a transaction that holds no key."""
    statement = queue.sql("UPDATE {table} SET dup_count = dup_count + :times WHERE seq = :seq")
    with queue.writing() as connection:
        rows = [{"seq": seq, "times": times} for seq, times in sorted(uncounted.items())]
        connection.execute(statement, rows)
