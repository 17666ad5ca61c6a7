"""The audit of tools: who did what to which rows, by which way in. Lines are only ever added.

The store's triggers refuse UPDATE and DELETE, on SQLite and on PostgreSQL. Each line is told to
the log `hipflask.tools.audit` as well, once it is committed, so that a copy leaves the machine
where logs do. There is no chain of hashes: who owns the database could compute it anew.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from ..database import Database
from ..database.schema import TOOL_AUDIT
from ..database.table import refuse_if_moved
from ..security import Identity

log = logging.getLogger("hipflask.tools.audit")

#: Lines of one page, and of one step of an export.
PAGE = 100
LONGEST_DETAIL = 20_000


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `at` is in seconds since 1970; `subject` is the id of who did it."""

    id: int
    at: float
    tool: str
    subject: str
    subject_name: str
    #: "page", "json", "cli", "schedule" or "worker".
    via: str
    #: What happened, in a word: "submit", "approve", "reject", "edit", "export", "read".
    event: str
    #: What it happened to: a table, an action.
    target: str
    run_id: int | None
    detail: Mapping[str, Any]


def name_of(identity: Identity) -> str:
    """What people call them: the claim `name`, else the identity's own name."""
    shown = identity.claims.get("name")
    return shown if isinstance(shown, str) and shown else identity.name


def write(
    database: Database,
    tool: str,
    event: str,
    target: str,
    *,
    by: Identity,
    via: str = "page",
    detail: Mapping[str, Any] | None = None,
    run_id: int | None = None,
    connection: Connection | None = None,
) -> None:
    """Add a line, in `connection`'s transaction or one of its own; then tell the log.

    `detail` is what else is to be known, as JSON takes it: never a secret. What JSON does not
    know is written as text. Raises StoreUnavailable, also where the store has been moved.

        audit.write(tool.store, "ops", "edit", "orders", by=identity,
                    detail={"key": "17", "changed": {"note": ["", "called"]}})
    """
    text = json.dumps(detail or {}, default=str, ensure_ascii=False)
    if len(text) > LONGEST_DETAIL:
        text = json.dumps({"cut": text[:LONGEST_DETAIL]}, ensure_ascii=False)
    values = {
        "at": database.clock.now(),
        "tool": tool,
        "subject": by.name,
        "subject_name": name_of(by),
        "via": via,
        "event": event,
        "target": target,
        "run_id": run_id,
        "detail": text,
    }
    with nullcontext(connection) if connection is not None else database.begin() as writing:
        if connection is None:
            # Its lines have been copied, or are being copied: this one would be lost.
            refuse_if_moved(database, writing)
        writing.execute(insert(TOOL_AUDIT).values(values))
        # A transaction of somebody else's store is not ours to wait for.
        database.after_commit(lambda: tell(values))


def tell(values: Mapping[str, Any]) -> None:
    """The line in the log: one line, whatever stands in it."""
    run = "" if values["run_id"] is None else f" run={values['run_id']}"
    log.info(
        "%s %s %s by=%r (%r) via=%s%s %s",
        values["tool"],
        _in_one_line(values["event"]),
        _in_one_line(values["target"]),
        values["subject"],
        values["subject_name"],
        values["via"],
        run,
        json.dumps(json.loads(values["detail"])),
    )


def _in_one_line(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def read(
    database: Database,
    tool: str,
    *,
    before: int | None = None,
    limit: int = PAGE,
    subject: str = "",
    event: str = "",
    target: str = "",
    run_id: int | None = None,
) -> list[Line]:
    """Lines of a tool, the newest first; `before` is the id of the last one of the page before."""
    found = select(TOOL_AUDIT).where(TOOL_AUDIT.c.tool == tool)
    for column, value in (("subject", subject), ("event", event), ("target", target)):
        if value:
            found = found.where(TOOL_AUDIT.c[column] == value)
    if run_id is not None:
        found = found.where(TOOL_AUDIT.c.run_id == run_id)
    if before is not None:
        found = found.where(TOOL_AUDIT.c.id < before)
    found = found.order_by(TOOL_AUDIT.c.id.desc()).limit(limit)
    with database.read() as connection:
        return [_line(record) for record in connection.execute(found).mappings()]


def count(database: Database, tool: str) -> int:
    """How many lines a tool has."""
    statement = select(func.count()).select_from(TOOL_AUDIT).where(TOOL_AUDIT.c.tool == tool)
    with database.read() as connection:
        return int(connection.scalar(statement) or 0)


def every(database: Database, tool: str, **wanted: Any) -> Iterator[Line]:
    """All lines, the newest first, read a page at a time."""
    before: int | None = None
    while lines := read(database, tool, before=before, limit=PAGE * 5, **wanted):
        yield from lines
        before = lines[-1].id


def _line(record: Any) -> Line:
    return Line(**{**record, "detail": json.loads(record["detail"])})


def dump_json(lines: Iterator[Line]) -> Iterator[str]:
    """A JSON array, an element a line."""
    yield "["
    for number, line in enumerate(lines):
        yield (",\n" if number else "\n") + msgspec.json.encode(line).decode()
    yield "\n]\n"


COLUMNS = ("id", "at", "tool", "subject", "subject_name", "via", "event", "target", "run_id")
# What a spreadsheet takes for a formula when a text begins with it.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def dump_csv(lines: Iterator[Line]) -> Iterator[str]:
    """CSV with a head; texts that a spreadsheet would calculate begin with an apostrophe."""
    yield _row([*COLUMNS, "detail"])
    for line in lines:
        detail = json.dumps(line.detail, ensure_ascii=False)
        yield _row([*(getattr(line, name) for name in COLUMNS), detail])


def _row(values: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(
        f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
        for value in values
    )
    return out.getvalue()
