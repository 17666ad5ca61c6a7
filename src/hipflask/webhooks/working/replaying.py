"""What would the handlers of today make of the events of yesterday? Tried, and nothing kept.

Each stored event is given to its handlers once more: what they write through `tx` is rolled
back, what they post is only noted, and a fence refuses connections and programs. What came of
it is compared with what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, event

from ...bridge import async_to_sync
from ...database import Query, State
from ...forward.fencing import Fence, fenced_off
from ..failures import Permanent
from ..inbox import InboxRow, OutboxRow, Outgoing
from .posting import Handling, handling
from .processing import describe, received_of
from .unopened import UnopenedConnection

#: States in which an event's story is over, so that there is something to compare with.
COMPARED = frozenset({State.DONE, State.FILTERED, State.DEAD})
_READS = ("SELECT", "WITH", "PRAGMA", "SAVEPOINT", "RELEASE", "ROLLBACK TO", "SHOW", "EXPLAIN")
_PAGE = 200


@dataclass(frozen=True)
class Sent:
    """A request that an event leads to, as far as two of them are compared."""

    destination: str
    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    idempotency_key: str


@dataclass(frozen=True)
class Change:
    """A request that would be new, missing or other than the one recorded."""

    kind: str
    old: Sent | None
    new: Sent | None


@dataclass
class Trial:
    """One event, tried: what is recorded of it and what would become of it.

    `new_state` is `waiting` where a handler fails in a way that is tried again. `writes` are the
    statements that its handlers would have changed tables with, `reached` what they tried to
    reach and were refused.
    """

    seq: int
    source: str
    event_id: str
    old_state: State
    new_state: State
    old_error: str | None = None
    new_error: str | None = None
    changes: list[Change] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    reached: list[tuple[str, str]] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether it would end otherwise, or send something else."""
        return self.old_state is not self.new_state or bool(self.changes)


@dataclass
class ReplayDiff:
    """The trials that differ, and how many were made."""

    tried: int = 0
    same: int = 0
    different: list[Trial] = field(default_factory=list)
    #: Events whose body is gone, or whose source is not declared any more.
    skipped: int = 0


class _Undone(Exception):
    """Ends a transaction that must not be committed."""


def replay_diff(
    hooks: Any,
    *,
    last: int = 1000,
    source: str | None = None,
    seqs: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    whole_process: bool = True,
) -> ReplayDiff:
    """Try the `last` finished events of all sources, or of one, or those of `seqs`; keep nothing.

    In this thread, the newest first. `progress(tried, of)` is called after each. While it runs,
    no thread of the process can connect anywhere, unless `whole_process` is false: give that
    where requests are served beside it. What is written to files, or to databases otherwise than
    through `tx`, is not undone.
    """
    found = ReplayDiff()
    rows = _seqs(hooks, last, source) if seqs is None else list(seqs)
    for number, seq in enumerate(rows, start=1):
        row = hooks.inbox.read(seq)
        if row is None or row.body is None or row.source not in hooks.sources:
            found.skipped += 1
        else:
            trial = _try(hooks, row, whole_process)
            found.tried += 1
            if trial.differs:
                found.different.append(trial)
            else:
                found.same += 1
        if progress is not None:
            progress(number, len(rows))
    return found


def _seqs(hooks: Any, last: int, source: str | None) -> list[int]:
    seqs: list[int] = []
    before: int | None = None
    while len(seqs) < last:
        limit = min(_PAGE, last - len(seqs))
        rows = hooks.inbox.find(Query(lane=source, states=COMPARED, before_seq=before, limit=limit))
        seqs += [row.seq for row in rows if not row.is_purged]
        if len(rows) < limit:
            break
        before = rows[-1].seq
    return seqs


def _try(hooks: Any, row: InboxRow, whole_process: bool) -> Trial:
    trial = Trial(row.seq, row.source, row.event_id, row.state, State.FILTERED, row.error)
    posts: list[Outgoing] = []
    errors: list[str] = []
    for handler in hooks.sources[row.source].handlers:
        received = received_of(row, handler.name)
        noted = Handling(row.source, row.event_id, row.seq, row.key, handler.name)
        try:
            with (
                hooks.app.app_context(),
                handling(noted),
                _undone(hooks.database, trial.writes) as tx,
                _fenced(trial.reached, whole_process),
            ):
                if not handler.wants(received):
                    continue
                call = async_to_sync(handler.call) if handler.is_async else handler.call
                call(received, lambda: tx)
        except Exception as error:
            errors.append(describe(handler, error))
            is_last = isinstance(error, Permanent)
            if trial.new_state is not State.WAITING:
                trial.new_state = State.DEAD if is_last else State.WAITING
            continue
        posts += noted.posts
        if trial.new_state is State.FILTERED:
            trial.new_state = State.DONE
    trial.new_error = "\n".join(errors) or None
    trial.changes = _compare(_recorded(hooks, row), [_sent(post) for post in posts])
    return trial


@contextmanager
def _fenced(reached: list[tuple[str, str]], whole_process: bool) -> Iterator[Fence]:
    with fenced_off(whole_process) as fence:
        try:
            yield fence
        finally:
            reached += fence.attempts


@contextmanager
def _undone(database: Any, writes: list[str]) -> Iterator[UnopenedConnection]:
    """A connection that notes what it would write, and whose transaction is rolled back."""
    with ExitStack() as stack:

        def open() -> Connection:
            connection: Connection = stack.enter_context(_rolled_back(database))

            @event.listens_for(connection, "before_cursor_execute")
            def note(c: Any, cursor: Any, statement: str, *rest: Any) -> None:
                if not statement.lstrip().upper().startswith(_READS):
                    writes.append(" ".join(statement.split()))

            return connection

        yield UnopenedConnection(open)


@contextmanager
def _rolled_back(database: Any) -> Iterator[Connection]:
    try:
        with database.begin() as connection:
            yield connection
            raise _Undone
    except _Undone:
        pass


def _recorded(hooks: Any, row: InboxRow) -> list[Sent]:
    found = [hooks.outbox.read(one.seq) for one in hooks.outbox.sent_for(row.seq)]
    return [_sent(one) for one in found if one is not None]


def _sent(one: Outgoing | OutboxRow) -> Sent:
    return Sent(
        one.destination,
        one.method,
        one.path,
        tuple((bytes(name), bytes(value)) for name, value in one.headers or ()),
        one.body or b"",
        one.idempotency_key,
    )


def _compare(old: Sequence[Sent], new: Sequence[Sent]) -> list[Change]:
    """What differs, told apart by Idempotency-Key: the nth post of a handler to a destination."""
    before = {one.idempotency_key: one for one in old}
    after = {one.idempotency_key: one for one in new}
    changes = []
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key), after.get(key)
        if was != now:
            kind = "new" if was is None else "gone" if now is None else "other"
            changes.append(Change(kind, was, now))
    return changes
