"""T02 with real tools: what an action does while it is only planned, and what it may."""

from __future__ import annotations

import sqlite3

import pytest

from .projects import look_at

pytest.importorskip("sqlalchemy")

HEAD = """\
import os, socket
from types import SimpleNamespace
from sqlalchemy import create_engine, text
from hipflask import Flask
from hipflask.checks import example
from hipflask.security import ApiKey, hashed_keys
from hipflask.tools import Tool
from hipflask.tools.actions import Run

data = create_engine("sqlite:///shop.db")
app = Flask(__name__)
app.identities = [ApiKey(hashed_keys({}))]
ops = Tool(app, "ops", data=data)
orders = ops.table("orders", read="clerk")
ROW = SimpleNamespace(id=17)

def write():
    with data.begin() as connection:
        connection.execute(text("UPDATE orders SET refunded = refunded + 1"))

def reach():
    try:
        socket.create_connection(("192.0.2.1", 80), 1)
    except OSError:
        pass

"""
ACTION = """
@orders.action(roles="clerk"{more})
@example(rows=[ROW])
def {name}(run: Run, row):
    {before}
    run.do(f"refund #{{row.id}}", write{undo})
"""
READ = """with data.connect() as connection:
        at = connection.execute(text("SELECT refunded FROM {}")).scalar_one()
        connection.execute(text("PRAGMA query_only"))"""
#: Of each action what it does before `run.do`, and what is found: a level, and a part of the fact.
ACTIONS = {
    "plain": ("pass", None),
    "reads": (READ.format("orders"), None),
    "writes": ("write()", ("E", "writes to the database while it is only planned")),
    "reaches": ("reach()", ("E", "has an effect: connect: 192.0.2.1:80")),
    # The second of two that try the same is found, too.
    "reaches_too": ("reach()", ("E", "has an effect: connect: 192.0.2.1:80")),
    "files": ("open('report.txt', 'w').close()", ("E", "has an effect: write: report.txt")),
    "deletes": ("os.remove('shop.db')", ("E", "has an effect: change: shop.db")),
    # Not by the action: what it reads is not on the machine that checks.
    "absent": (READ.format("elsewhere"), ("W", "no such table: elsewhere")),
    "refuses": ("raise ValueError('not this one')", ("W", "its plan failed: not this one")),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("planned")
    database = sqlite3.connect(folder / "shop.db")
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, refunded INTEGER)")
    database.execute("INSERT INTO orders VALUES (17, 0)")
    database.commit()
    database.close()
    made = [ACTION.format(name=name, before=before, more="", undo="")
            for name, (before, _) in ACTIONS.items()]  # fmt: skip
    made.append(ACTION.format(name="lasting", before="pass", more=', undo_for="1h"', undo=""))
    made.append("\n@ops.action(roles='clerk')\ndef untold(run: Run):\n    run.do('x', write)\n")
    (folder / "app.py").write_text(HEAD + "".join(made), encoding="utf-8")
    kept = (folder / "shop.db").read_bytes()
    report = look_at(folder, app="app", probe=True, only=("T02", "T03"), stage="pilot")
    assert report.skipped == {}
    assert (folder / "shop.db").read_bytes() == kept
    assert sorted(path.name for path in folder.iterdir()) == ["app.py", "shop.db"]
    # Names of actions end what they are named in.
    return {one.where.rpartition(".")[2]: (one.level, one.fact) for one in report.findings}


@pytest.mark.parametrize("name", ACTIONS)
def test_what_a_plan_does(name: str, found: dict[str, tuple[str, str]]) -> None:
    _, expected = ACTIONS[name]
    if expected is None:
        assert name not in found
    else:
        level, part = expected
        assert found[name][0] == level and part in found[name][1]
        assert "\n" not in found[name][1]


def test_an_undo_that_was_promised_has_to_be_given(found: dict[str, tuple[str, str]]) -> None:
    level, fact = found["lasting"]
    assert level == "E" and "does not say how it is undone" in fact


def test_without_an_example_nothing_is_planned(found: dict[str, tuple[str, str]]) -> None:
    assert found["action ops/untold"] == ("W", "has no example to plan with")
