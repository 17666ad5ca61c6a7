"""The audit grows, and does nothing else."""

from __future__ import annotations

import csv
import io
import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from hipflask.database import Database
from hipflask.security import Identity
from hipflask.tools import audit

ANN = Identity("u1", roles={"lead"}, claims={"name": "Ann"})
CHANGES = (
    "UPDATE hipflask_tool_audit SET subject = 'another'",
    "DELETE FROM hipflask_tool_audit",
    "DELETE FROM hipflask_tool_audit WHERE id = 1",
)


def refuses(database: Database, statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as connection:
        connection.execute(text(statement))


def test_lines_are_neither_changed_nor_removed(database: Database) -> None:
    audit.write(database, "ops", "edit", "orders", by=ANN, detail={"key": "1"})
    others = (
        ("INSERT OR REPLACE INTO hipflask_tool_audit SELECT * FROM hipflask_tool_audit",)
        if database.is_sqlite
        else ("TRUNCATE hipflask_tool_audit",)
    )
    for statement in (*CHANGES, *others):
        refuses(database, statement)
    (line,) = audit.read(database, "ops")
    assert (line.subject, line.subject_name, line.detail) == ("u1", "Ann", {"key": "1"})


def test_a_line_is_in_the_log_once_it_is_committed(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hipflask.tools.audit")
    with pytest.raises(RuntimeError), database.begin() as connection:
        audit.write(database, "ops", "edit", "orders", by=ANN, connection=connection)
        raise RuntimeError
    assert caplog.messages == []
    audit.write(database, "ops", "edit", "or\nders", by=ANN, detail={"to": "a\nb"}, run_id=7)
    (told,) = caplog.messages
    assert told.startswith("ops edit or") and "run=7" in told and '{"to": "a\\nb"}' in told
    assert "\n" not in told


def test_it_is_read_in_pages_and_exported_whole(database: Database) -> None:
    with database.begin() as connection:
        for number in range(7):
            audit.write(database, "ops", "edit", f"=table{number}", by=ANN, connection=connection)
    audit.write(database, "other", "edit", "orders", by=ANN)
    first = audit.read(database, "ops", limit=3)
    second = audit.read(database, "ops", limit=3, before=first[-1].id)
    names = [line.target for line in (*first, *second)]
    assert names == [f"=table{number}" for number in (6, 5, 4, 3, 2, 1)]
    assert [line.target for line in audit.read(database, "ops", target="=table3")] == ["=table3"]
    assert audit.count(database, "ops") == 7
    rows = list(csv.DictReader(io.StringIO("".join(audit.dump_csv(audit.every(database, "ops"))))))
    assert [row["target"] for row in rows][:2] == ["'=table6", "'=table5"]
    found = json.loads("".join(audit.dump_json(audit.every(database, "ops"))))
    assert [line["target"] for line in found] == [row["target"][1:] for row in rows]


def test_what_is_long_is_cut_and_what_json_does_not_know_is_text(database: Database) -> None:
    audit.write(database, "ops", "edit", "orders", by=ANN, detail={"a": "x" * 50_000})
    audit.write(database, "ops", "edit", "orders", by=ANN, detail={"a": {1, 1}})
    short, cut = audit.read(database, "ops")
    assert short.detail == {"a": "{1}"}
    assert len(cut.detail["cut"]) == audit.LONGEST_DETAIL
