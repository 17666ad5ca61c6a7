"""Workers' side of a queue: take rows on a lease, keep them, say how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from . import failpoints
from .errors import Fenced
from .rows import Claimed, Limits, R, ReadyRow
from .states import Dead, Done, Ending, Filtered, Retry, State
from .table import QueueTable

# A lease that seems to last longer than this is of another clock.
LONGEST_LEASE_S = 3600.0
# Conditions on a lease: that it is over, and that it is that of a claim.
IS_OVER = (
    "state = 'running' AND (lease_boot <> :boot OR lease_until <= :boot_s"
    " OR lease_until > :longest)"
)
IS_OURS = "seq = :seq AND fence = :fence AND state = 'running'"
NO_LEASE = ", lease_until = NULL, lease_boot = NULL"
# Who had the row cannot even commit what it has open: see `webhooks.inbox.transaction`.
_LOST = ", fence = fence + 1" + NO_LEASE


class Turn:
    """One claim in the making: the time it is, and what each lane allows."""

    def __init__(self, queue: QueueTable, connection: Connection) -> None:
        self.queue = queue
        self.connection = connection
        self.now = queue.database.clock.now()
        self.boot, self.boot_s = queue.database.lease_now(connection)

    def values(self) -> dict[str, Any]:
        """What conditions about time need."""
        return {
            "now": self.now,
            "boot": self.boot,
            "boot_s": self.boot_s,
            "longest": self.boot_s + LONGEST_LEASE_S,
        }

    def open_lanes(self, lanes: Iterable[str]) -> list[str]:
        """Those that are not paused and have something due, without locking anything."""
        names = list(lanes)
        if not names:
            return []
        paused = self.connection.execute(
            self.queue.sql(
                "SELECT name FROM hipflask_lane WHERE name IN :names AND paused_until > :now"
            ),
            {"names": [lane_name(self.queue, lane) for lane in names], "now": self.now},
        ).scalars()
        shut = set(paused)
        names = [lane for lane in names if lane_name(self.queue, lane) not in shut]
        if not names:
            return []
        parts = [_HAS_WORK.replace(":lane", f":lane{n}") for n in range(len(names))]
        values = {f"lane{n}": lane for n, lane in enumerate(names)}
        found = self.connection.execute(
            self.queue.sql(" UNION ALL ".join(parts)), {**values, **self.values()}
        )
        return list(found.scalars())


_HAS_WORK = (
    "SELECT CAST(:lane AS TEXT) WHERE EXISTS (SELECT 1 FROM {table} WHERE lane = :lane AND"
    " state = 'received') OR EXISTS (SELECT 1 FROM {table} WHERE lane = :lane"
    " AND state = 'waiting' AND run_at <= :now) OR EXISTS (SELECT 1 FROM"
    " {table} WHERE lane = :lane AND " + IS_OVER + ")"
)


def lane_name(queue: QueueTable, lane: str) -> str:
    """A lane's name in the table of lanes, where both queues keep theirs."""
    return f"{queue.name}:{lane}"


def claim(
    queue: QueueTable,
    limit: int,
    lease_s: float,
    lanes: Mapping[str, Limits],
    seq: int | None,
    turn_no: int,
) -> list[Claimed[Any]]:
    """See `Queue.claim`; `turn_no` counts claims, so that each lane is first in its turn."""
    if not 0 < lease_s <= LONGEST_LEASE_S:
        raise ValueError(f"lease_s={lease_s!r}: more than 0, at most {LONGEST_LEASE_S:g}.")
    with queue.database.read() as connection:
        names = Turn(queue, connection).open_lanes(lanes)
    if not names or limit < 1:
        return []
    with queue.writing() as connection:
        turn = Turn(queue, connection)
        expire(turn, names)
        first = turn_no % len(names)
        picked = _pick(
            turn, {name: lanes[name] for name in names[first:] + names[:first]}, limit, seq
        )
        if not picked:
            return []
        until = turn.boot_s + lease_s
        queue.move(
            connection,
            "seq IN :seqs",
            {"seqs": picked, "until": until, "boot": turn.boot},
            State.RUNNING,
            also=", fence = fence + 1, lease_until = :until, lease_boot = :boot",
        )
        records = connection.execute(queue.sql(_WHOLE), {"seqs": picked}).mappings().all()
    return [_claimed(queue, record, until) for record in records]


_WHOLE = (
    "SELECT {columns}, headers, body FROM {table} JOIN {bodies} USING (seq)"
    " WHERE seq IN :seqs ORDER BY seq"
)


def _claimed(queue: QueueTable, record: RowMapping, until: float) -> Claimed[Any]:
    row = queue.make_row(record, record["headers"], record["body"])
    return Claimed(queue=queue.name, row=row, fence=row.fence, lease_until=until)


def _pick(turn: Turn, lanes: Mapping[str, Limits], limit: int, seq: int | None) -> list[int]:
    """Numbers of rows to take: the oldest of each lane, lanes in turn."""
    due: list[tuple[str, list[int]]] = []
    allowances, next_at = _allowances(turn, lanes, limit)
    for lane, allowance in allowances.items():
        if allowance > 0:
            due.append((lane, _due(turn, lane, allowance, seq)))
    picked: list[int] = []
    taken = dict.fromkeys(lanes, 0)
    for place in range(max((len(seqs) for _, seqs in due), default=0)):
        for lane, seqs in due:
            if place < len(seqs) and len(picked) < limit:
                picked.append(seqs[place])
                taken[lane] += 1
    for lane, count in taken.items():
        rate = lanes[lane].rate_per_s
        if rate and count:
            spent = _spent_until(turn.now, next_at[lane], rate) + count / rate
            statement = "UPDATE hipflask_lane SET next_at = :at WHERE name = :name"
            values = {"at": spent, "name": lane_name(turn.queue, lane)}
            turn.connection.execute(turn.queue.sql(statement), values)
    return picked


def _due(turn: Turn, lane: str, limit: int, seq: int | None) -> list[int]:
    lock = "" if turn.queue.database.is_sqlite else " FOR UPDATE SKIP LOCKED"
    values = {"lane": lane, "now": turn.now, "limit": limit}
    one = ""
    if seq is not None:
        one, values = " AND seq = :seq", {**values, "seq": seq}
    found: list[int] = []
    for state, condition in (("received", ""), ("waiting", " AND run_at <= :now")):
        statement = (
            f"SELECT seq FROM {{table}} WHERE lane = :lane AND state = '{state}'"
            f"{condition}{one} ORDER BY run_at, seq LIMIT :limit{lock}"
        )
        found += turn.connection.execute(turn.queue.sql(statement), values).scalars()
    return sorted(found)[:limit]


def _allowances(
    turn: Turn, lanes: Mapping[str, Limits], limit: int
) -> tuple[dict[str, int], dict[str, float | None]]:
    """How many rows each lane may give now, and until when the rates of the limited are used up.

    On PostgreSQL limited lanes are locked for it.
    """
    queue, connection = turn.queue, turn.connection
    limited = sorted(lane for lane, of in lanes.items() if of.concurrency or of.rate_per_s)
    names = {lane_name(queue, lane): lane for lane in limited}
    for name in names:
        connection.execute(queue.sql(_ADD_LANE), {"name": name})
    lock = "" if queue.database.is_sqlite else " ORDER BY name FOR UPDATE"
    next_at: dict[str, float | None] = {}
    if names:
        statement = "SELECT name, next_at FROM hipflask_lane WHERE name IN :names" + lock
        found = connection.execute(queue.sql(statement), {"names": list(names)})
        next_at = {names[name]: at for name, at in found}
    allowances = dict.fromkeys(lanes, limit)
    for lane in limited:
        of = lanes[lane]
        if of.concurrency:
            running: int = connection.scalar(queue.sql(_RUNNING), {"lane": lane}) or 0
            allowances[lane] = min(allowances[lane], of.concurrency - running)
        if of.rate_per_s:
            earned = _earned(turn.now, next_at.get(lane), of.rate_per_s)
            allowances[lane] = min(allowances[lane], earned)
    return allowances, next_at


_ADD_LANE = (
    "INSERT INTO hipflask_lane (name, settings, version) VALUES (:name, '{{}}', 0)"
    " ON CONFLICT (name) DO NOTHING"
)
_RUNNING = "SELECT count(*) FROM {table} WHERE lane = :lane AND state = 'running'"


def _burst_s(rate_per_s: float) -> float:
    """For how long a lane may save up what its rate allows: a second, or one row."""
    return max(1.0, 1 / rate_per_s)


def _spent_until(now: float, next_at: float | None, rate_per_s: float) -> float:
    """Up to which time the rate is used up; never further back than may be saved up."""
    floor = now - _burst_s(rate_per_s)
    # We never write a time ahead of now: the wall clock has been set back since.
    if next_at is None or next_at > now + _burst_s(rate_per_s):
        return floor
    return max(next_at, floor)


def _earned(now: float, next_at: float | None, rate_per_s: float) -> int:
    """How many rows the rate allows now."""
    # A hair above, so that ten tenths of a second earn ten.
    return max(0, int((now - _spent_until(now, next_at, rate_per_s)) * rate_per_s + 1e-6))


def expire(turn: Turn, lanes: Sequence[str] | None) -> tuple[int, int]:
    """Take back leases that are over; returns how many rows may be claimed again, and died."""
    queue, connection = turn.queue, turn.connection
    of_lanes = "" if lanes is None else "lane IN :lanes AND "
    values = turn.values() if lanes is None else {**turn.values(), "lanes": list(lanes)}
    values.pop("now")
    over = connection.execute(
        queue.sql(
            "SELECT seq, fence, kills, lane, key, lease_until FROM {table} WHERE "
            + of_lanes
            + IS_OVER
            + " ORDER BY seq LIMIT 500"
        ),
        values,
    ).all()
    doomed = [row for row in over if row.kills + 1 >= queue.most_kills]
    queue.lock_keys(connection, [(row.lane, row.key) for row in doomed])
    # The lease is compared once more: its owner may have renewed it in this very moment.
    still = IS_OURS + " AND lease_until = :lease_until"
    expired = died = 0
    ready: list[ReadyRow] = []
    for row in over:
        ours = {"seq": row.seq, "fence": row.fence, "lease_until": row.lease_until}
        if row in doomed:
            note = "its worker died, or stopped for longer than the lease"
            if queue.most_kills > 1:
                note = f"{note}, {queue.most_kills} times"
            also = f", kills = kills + 1, error = :error, finished_at = :ended{_LOST}"
            values = {**ours, "error": note, "ended": turn.now}
            moved = queue.move(connection, still, values, State.DEAD, note=note, also=also)
            died += moved
            if moved and row.key is not None:
                ready += queue.release(connection, row.lane, row.key)
        else:
            also = f", kills = kills + 1, run_at = 0{_LOST}"
            note = "its worker died, or stopped for longer than the lease"
            moved = queue.move(connection, still, ours, State.RECEIVED, note=note, also=also)
            expired += moved
            if moved:
                ready.append(ReadyRow(queue.name, row.seq, row.lane, row.key, 0.0))
    queue.announce(connection, ready)
    return expired, died


def renew(queue: QueueTable, claimed: Sequence[Claimed[R]], lease_s: float) -> list[Claimed[R]]:
    """See `Queue.renew`."""
    if not claimed:
        return []
    lost = []
    with queue.writing(is_ending=True) as connection:
        boot, boot_s = queue.database.lease_now(connection)
        # In the order of numbers, as whoever else locks several rows.
        for one in sorted(claimed, key=_seq):
            changed = connection.execute(
                queue.sql(
                    "UPDATE {table} SET lease_until = :until, lease_boot = :boot WHERE " + IS_OURS
                ),
                {"until": boot_s + lease_s, "boot": boot, "seq": one.seq, "fence": one.fence},
            )
            if changed.rowcount == 0:
                lost.append(one)
    return lost


def _seq(claimed: Claimed[Any]) -> int:
    return claimed.seq


def give_back(queue: QueueTable, claimed: Iterable[Claimed[Any]]) -> None:
    """See `Queue.give_back`."""
    rows = sorted(claimed, key=_seq)
    if not rows:
        return
    with queue.writing(is_ending=True) as connection:
        ready = []
        for one in rows:
            also = f", run_at = 0{_LOST}"
            values = {"seq": one.seq, "fence": one.fence}
            note = "given back"
            if queue.move(connection, IS_OURS, values, State.RECEIVED, note=note, also=also):
                ready.append(ReadyRow(queue.name, one.seq, one.lane, one.key, 0.0))
        queue.announce(connection, ready)


def finish(
    queue: QueueTable, claimed: Claimed[Any], ending: Ending, connection: Connection | None
) -> None:
    """See `Queue.finish`."""
    with queue.writing(connection, is_ending=True) as writing:
        if not isinstance(ending, Retry):
            queue.lock_keys(writing, [(claimed.lane, claimed.key)])
        ready = _end(queue, writing, claimed, ending)
        queue.announce(writing, ready)


def _end(
    queue: QueueTable, connection: Connection, claimed: Claimed[Any], ending: Ending
) -> list[ReadyRow]:
    counts = not isinstance(ending, Retry) or ending.counts
    attempt = "attempt + 1" if counts else "attempt"
    also = f", attempt = {attempt}, error = :error, finished_at = :ended, run_at = :run_at"
    run_at = 0.0
    error: str | None = None
    ended: float | None = queue.database.clock.now()
    note = ""
    match ending:
        case Done():
            new = State.DONE
        case Filtered(note):
            new = State.FILTERED
        case Dead(error):
            new, note = State.DEAD, error
        case Retry(run_at, error):
            new, note, ended = State.WAITING, error, None
    moved = queue.move(
        connection,
        IS_OURS,
        {
            "seq": claimed.seq,
            "fence": claimed.fence,
            "error": error,
            "ended": ended,
            "run_at": run_at,
        },
        new,
        note=note,
        also=also + NO_LEASE,
        attempt=attempt,
    )
    if not moved:
        raise Fenced(queue.name, claimed.seq)
    if new is State.WAITING:
        failpoints.hit("P13")
        return [ReadyRow(queue.name, claimed.seq, claimed.lane, claimed.key, run_at)]
    if new is State.DEAD:
        failpoints.hit("P14")
    if claimed.key is None:
        return []
    return queue.release(connection, claimed.lane, claimed.key)
