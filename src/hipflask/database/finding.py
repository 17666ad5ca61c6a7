"""Looking at a queue: rows, their audit, figures of lanes. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from .claiming import lane_name
from .operating import FOREVER
from .rows import Bucket, LaneFigures, Move, Query
from .states import FINISHED, UNFINISHED, State
from .sweeping import LANES
from .table import HELD, QueueTable

# Most rows end so: to go back from the newest finds a page of them at once, where SQLite would
# sort them all (0.9 s of a million, and 80 ms to look through a million for few others).
_MANY = frozenset({State.DONE, State.FILTERED})


def find(queue: QueueTable, query: Query) -> list[Any]:
    """See `Queue.find`."""
    with queue.database.read() as connection:
        where, values = _conditions(queue, connection, query)
        statement = "SELECT {columns} FROM {table}"
        if queue.database.is_sqlite and query.key is None and not _are_few(query):
            statement += " NOT INDEXED"
        if where:
            statement += " WHERE " + " AND ".join(where)
        statement += " ORDER BY seq DESC LIMIT :limit"
        found = connection.execute(queue.sql(statement), {**values, "limit": query.limit})
        return [queue.make_row(record, None, None) for record in found.mappings()]


def _conditions(
    queue: QueueTable, connection: Connection, query: Query
) -> tuple[list[str], dict[str, Any]]:
    where: list[str] = []
    values: dict[str, Any] = {}
    for name in ("lane", "key"):
        value = getattr(query, name)
        if value is not None:
            where.append(f"{name} = :{name}")
            values[name] = value
    if query.states is not None:
        states = [str(state) for state in query.states]
        where.append("state IN :states")
        values["states"] = [*states, HELD] if State.PARKED in query.states else states
        # What the partial indexes are for, if the states are all of one kind.
        lanes = ""
        if FINISHED.issuperset(query.states):
            where.append("finished_at IS NOT NULL")
            lanes = LANES
        elif UNFINISHED.issuperset(query.states):
            where.append("{unfinished}")
            lanes = _OPEN_LANES
        if lanes and query.lane is None and query.key is None and _are_few(query):
            # The indexes begin with it.
            where.append("lane IN :lanes")
            values["lanes"] = list(connection.execute(queue.sql(lanes)).scalars())
    if query.text:
        escaped = query.text.lower().replace("\\", "\\\\")
        escaped = escaped.replace("%", "\\%").replace("_", "\\_")
        values["text"] = f"%{escaped}%"
        looks = [f"lower({column}) LIKE :text ESCAPE '\\'" for column in queue.searched]
        where.append("(" + " OR ".join(looks) + ")")
    if query.since is not None:
        where.append("created_at >= :since AND seq >= :first")
        values.update(since=query.since, first=_first_since(queue, connection, query.since))
    if query.until is not None:
        where.append("created_at < :until")
        values["until"] = query.until
    if query.before_seq is not None:
        where.append("seq < :before_seq")
        values["before_seq"] = query.before_seq
    return where, values


def _are_few(query: Query) -> bool:
    return query.states is not None and _MANY.isdisjoint(query.states)


def _first_since(queue: QueueTable, connection: Connection, since: float) -> int:
    """About the first row that arrived since then: numbers rise with time, but for clock jumps.

    Found by halving, as there is no index on the time; a minute of jumps is allowed for.
    """
    statement = queue.sql("SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM {table}")
    low, high = connection.execute(statement).one()
    nearest = queue.sql(
        "SELECT seq, created_at FROM {table} WHERE seq >= :seq ORDER BY seq LIMIT 1"
    )
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(nearest, {"seq": middle}).one_or_none()
        if found is not None and found.created_at < since - 60:
            low = found.seq + 1
        else:
            high = middle
    return int(low)


def read(queue: QueueTable, seq: int) -> Any:
    """See `Queue.read`."""
    statement = (
        "SELECT {columns}, headers, body FROM {table} LEFT JOIN {bodies} USING (seq)"
        " WHERE seq = :seq"
    )
    with queue.database.read() as connection:
        found = connection.execute(queue.sql(statement), {"seq": seq}).mappings().one_or_none()
    if found is None:
        return None
    return queue.make_row(found, found["headers"], found["body"])


def audit(queue: QueueTable, seq: int) -> list[Move]:
    """See `Queue.audit`."""
    statement = (
        "SELECT id, queue, seq, at, actor, old, new, attempt, note FROM hipflask_audit"
        " WHERE queue = :queue AND seq = :seq ORDER BY id"
    )
    with queue.database.read() as connection:
        found = connection.execute(queue.sql(statement), {"queue": queue.name, "seq": seq})
        return [Move(*row) for row in found]


def lanes(queue: QueueTable) -> list[str]:
    """See `Queue.lanes`."""
    with queue.database.read() as connection:
        found = (connection.execute(queue.sql(each)).scalars() for each in (LANES, _OPEN_LANES))
        return sorted({lane for some in found for lane in some})


_OPEN_LANES = LANES.replace("finished_at IS NOT NULL", "{unfinished}")


def figures(queue: QueueTable) -> list[LaneFigures]:
    """See `Queue.figures`."""
    now = queue.database.clock.now()
    lanes: dict[str, _Sum] = {}
    with queue.database.read() as connection:
        prefix = f"{queue.name}:"
        statement = (
            "SELECT name, paused_until FROM hipflask_lane WHERE paused_until > :now AND"
            " substr(name, 1, :length) = :prefix"
        )
        values = {"now": now, "prefix": prefix, "length": len(prefix)}
        for name, until in connection.execute(queue.sql(statement), values):
            found = lanes.setdefault(name.removeprefix(prefix), _Sum())
            found.paused_until = float("inf") if until >= FOREVER else until
        for row in connection.execute(queue.sql(_OPEN)):
            lanes.setdefault(row.lane, _Sum()).add(row.state, row.rows, row.bytes, row.first)
        for row in connection.execute(queue.sql(_ENDED)):
            lanes.setdefault(row.lane, _Sum()).add(row.state, row.rows)
        for lane, count in connection.execute(queue.sql(_PARKED_KEYS)):
            lanes[lane].parked_keys = count
        if "dup_count" in queue.columns:
            for lane, count in connection.execute(queue.sql(_DUPLICATES)):
                lanes.setdefault(lane, _Sum()).duplicates = count
        for found in lanes.values():
            found.oldest_at = _created_at(queue, connection, found.first)
    return [lanes[lane].figures(lane, now) for lane in sorted(lanes)]


_OPEN = (
    "SELECT lane, state, count(*) AS rows, sum(size) AS bytes, min(seq) AS first FROM {table}"
    " WHERE {unfinished} GROUP BY lane, state"
)
_ENDED = (
    "SELECT lane, state, count(*) AS rows FROM {table} WHERE finished_at IS NOT NULL"
    " GROUP BY lane, state"
)
_PARKED_KEYS = (
    "SELECT lane, count(DISTINCT key) FROM {table} WHERE {keyed} AND state IN ('parked', 'held')"
    " GROUP BY lane"
)
_DUPLICATES = "SELECT lane, sum(dup_count) FROM {table} WHERE dup_count > 0 GROUP BY lane"


class _Sum:
    """A lane's figures while they are gathered."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(State, 0)
        self.bytes = self.parked_keys = self.duplicates = 0
        self.first: int | None = None
        self.oldest_at: float | None = None
        self.paused_until: float | None = None

    def add(self, state: str, count: int, size: int = 0, first: int | None = None) -> None:
        self.counts[State.PARKED if state == HELD else State(state)] += count
        self.bytes += int(size)
        if first is not None:
            self.first = first if self.first is None else min(self.first, first)

    def figures(self, lane: str, now: float) -> LaneFigures:
        age = None if self.oldest_at is None else max(0.0, now - self.oldest_at)
        return LaneFigures(
            lane=lane,
            counts=self.counts,
            oldest_age_s=age,
            parked_keys=self.parked_keys,
            duplicates=int(self.duplicates),
            backlog_bytes=self.bytes,
            paused_until=self.paused_until,
        )


def _created_at(queue: QueueTable, connection: Connection, seq: int | None) -> float | None:
    if seq is None:
        return None
    statement = queue.sql("SELECT created_at FROM {table} WHERE seq = :seq")
    found: float | None = connection.scalar(statement, {"seq": seq})
    return found


def open_sums(queue: QueueTable) -> tuple[int, int, float | None]:
    """Rows and bytes that are unfinished, and when the oldest of them arrived."""
    with queue.database.read() as connection:
        statement = (
            "SELECT count(*), coalesce(sum(size), 0), min(seq) FROM {table} WHERE {unfinished}"
        )
        count, size, first = connection.execute(queue.sql(statement)).one()
        return int(count), int(size), _created_at(queue, connection, first)


def history(queue: QueueTable, since: float, step_s: float) -> list[Bucket]:
    """See `Queue.history`."""
    counts: dict[tuple[str, float], dict[str, int]] = {}
    with queue.database.read() as connection:
        first = _first_since(queue, connection, since)
        lanes = list(connection.execute(queue.sql(LANES)).scalars())
        values = {"since": since, "step": step_s}
        # SQLite's cast cuts off, PostgreSQL's rounds.
        number = "CAST(({at} - :since) / :step AS INTEGER)"
        if not queue.database.is_sqlite:
            number = "CAST(floor(({at} - :since) / :step) AS INTEGER)"
        arrivals, endings = (
            queue.sql(statement.replace("{number}", number.replace("{at}", at)))
            for statement, at in ((_RECEIVED, "created_at"), (_ENDINGS, "finished_at"))
        )
        received = connection.execute(arrivals, {**values, "first": first})
        ended = connection.execute(endings, {**values, "lanes": lanes})
        for lane, step, state, count in [*received, *ended]:
            start = since + step * step_s
            counts.setdefault((lane, start), {})[state] = count
    return [
        Bucket(lane=lane, start=start, **found) for (lane, start), found in sorted(counts.items())
    ]


_RECEIVED = (
    "SELECT lane, {number} AS number, 'received',"
    " count(*) FROM {table} WHERE seq >= :first AND created_at >= :since GROUP BY lane, number"
)
# Each lane and state is a short range of the index; together they would be all of it.
_ENDINGS = (
    "SELECT lane, {number} AS number, state,"
    " count(*) FROM {table} WHERE lane IN :lanes AND state IN ('done', 'filtered', 'dead') AND"
    " is_purged IN (0, 1) AND finished_at IS NOT NULL AND finished_at >= :since"
    " GROUP BY lane, number, state"
)


def paused_until(queue: QueueTable, lane: str) -> float | None:
    """See `Queue.paused_until`."""
    statement = queue.sql("SELECT paused_until FROM hipflask_lane WHERE name = :name")
    with queue.database.read() as connection:
        found: float | None = connection.scalar(statement, {"name": lane_name(queue, lane)})
    if found is None or found <= queue.database.clock.now():
        return None
    return float("inf") if found >= FOREVER else found


def next_due(queue: QueueTable, lanes: Iterable[str]) -> float | None:
    """See `Queue.next_due`."""
    statement = (
        "SELECT min(run_at) FROM {table} WHERE lane IN :lanes AND state IN"
        " ('received', 'waiting') AND {unfinished}"
    )
    with queue.database.read() as connection:
        found: float | None = connection.scalar(queue.sql(statement), {"lanes": list(lanes)})
    return found
