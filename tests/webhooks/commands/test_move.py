"""`hipflask hooks move`: from a file to PostgreSQL, at a terminal."""

from __future__ import annotations

import json

from click.testing import CliRunner

from hipflask.cli import cli
from hipflask.database import Database, Query
from hipflask.webhooks.inbox import Inbox
from tests.database.stores import new_database


def run(*words, code=0, given=None):
    found = CliRunner().invoke(cli, ["hooks", "move", *words], input=given)
    assert found.exit_code == code, found.output
    return found


def test_everything_is_moved_and_the_old_store_refuses(shop, tmp_path, postgres):
    for number in range(3):
        shop.deliver(f"id{number}", do="permanent" if number else "")
    shop.hooks.work()
    old, new = f"sqlite:///{tmp_path}/inbox.db", new_database(postgres)
    said = run(old, new, "--json", "--yes")
    counts = json.loads(said.stdout)
    assert counts["hipflask_inbox"] == 3 and counts["hipflask_outbox"] == 1
    database = Database(new)
    states = [str(row.state) for row in Inbox(database).find(Query())]
    database.close()
    assert states == ["dead", "dead", "done"]
    assert shop.deliver("late") == 503


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    old, new = f"sqlite:///{tmp_path}/typo.db", "postgresql://shop@db.internal/shop"
    said = run(old, new, "--yes", code=2)
    assert f"There is no file {tmp_path}/typo.db" in said.stderr
    assert not (tmp_path / "typo.db").exists()


def test_it_asks_first_and_shows_no_password(tmp_path):
    old, new = f"sqlite:///{tmp_path}/old.db", "postgresql://shop:hunter2@db.internal/shop"
    (tmp_path / "old.db").touch()
    said = run(old, new, given="n\n", code=1)
    assert "Move it to postgresql://db.internal/shop?" in said.stderr
    assert "hunter2" not in said.output and "will refuse arrivals" in said.stderr
    assert (tmp_path / "old.db").read_bytes() == b""
    assert "hunter2" not in run(new, old, given="n\n", code=1).output


def test_stores_of_other_kinds_are_a_line(tmp_path):
    (tmp_path / "a.db").touch()
    said = run(f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db", "--yes", code=2)
    assert "only from SQLite to PostgreSQL" in said.stderr.splitlines()[-1]
