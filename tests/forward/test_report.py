from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hipflask import Flask
from hipflask.forward import (
    Destination,
    MemoryShared,
    Rollout,
    add_reports,
    dump_report,
    report_of,
    strangle,
)
from hipflask.scaffold import SetupError
from hipflask.security import ApiKey, hashed_keys, public, roles

from .clocks import ToldClock


def told(shared: Any = None) -> Rollout:
    """A rollout with a story: a shadow, a canary that was taken back."""
    clock = ToldClock(1_700_000_000.0)
    rollout = Rollout(
        "orders", shadow=10, shared=shared or MemoryShared(), clock=clock, refresh_s=None
    )
    rollout.refresh()
    for number in range(200):
        rollout.answered("old", 0.020, number == 0)
        rollout.shadowed(0.010, False)
        raw = {"now": (1, 2), **({"price": (10, 11)} if number % 10 == 0 else {})}
        samples = {"price": {"request": "GET /orders/1", "old": "10", "new": "11"}}
        rollout.differed(raw, {"now": (1, 2)}, samples)
    rollout.skipped("busy")
    clock.pass_s(60)
    rollout.set(canary=5, actor="ada", note="looks well")
    for number in range(100):
        rollout.answered("new", 0.010, number < 50)
    rollout.flush()
    return rollout


TEXT = """\
orders: canary 0 %, shadow 10 %
HALTED: 50 of 100 answers of the new side were errors (50.0%; old 0.0%; limit +5.0%)

stage  side    requests  errors   ratio  p50 ms  p95 ms
0 %    old          200       1   0.50%    19.8    19.8
       shadow       200       0   0.00%    10.2    10.2
5 %    new          100      50  50.00%    10.2    10.2
total  old          200       1   0.50%    19.8    19.8
       new          100      50  50.00%    10.2    10.2
       shadow       200       0   0.00%    10.2    10.2

compared: 200 answers
  not compared, busy: 1
  differ by themselves: now (100%)
beyond noise: 1
  price: 10.00%
    GET /orders/1: 10 -> 11
    GET /orders/1: 10 -> 11
    GET /orders/1: 10 -> 11

changes:
  2023-11-14 22:14:20 UTC ada: canary 5 %, shadow 10 %: looks well
  2023-11-14 22:14:20 UTC auto-halt: canary 0 %, shadow 10 %: 50 of 100 answers of the new side \
were errors (50.0%; old 0.0%; limit +5.0%)
"""


def test_a_report_tells_the_story() -> None:
    assert dump_report(report_of(told())) == TEXT


def test_a_report_is_json_as_well() -> None:
    found = json.loads(report_of(told()).to_json())
    assert (found["name"], found["canary"]) == ("orders", 0)
    assert [stage["canary"] for stage in found["stages"]] == [0, 5]
    assert found["stages"][1]["new"] == {
        "requests": 100, "errors": 50, "error_ratio": 0.5, "p50_ms": 10.18, "p95_ms": 10.18,
    }  # fmt: skip
    assert found["total"]["differences"][0]["place"] == "price"


def test_a_report_of_nothing() -> None:
    rollout = Rollout("orders", shared=MemoryShared(), refresh_s=None)
    assert "orders: canary 0 %, shadow 0 %" in dump_report(report_of(rollout))
    assert "beyond noise: nothing" in dump_report(report_of(rollout))


def test_a_page_shows_them() -> None:
    app = Flask(__name__)
    add_reports(app, access=public)
    assert app.test_client().get("/_forward").text == "No rollouts.\n"
    app = Flask(__name__)
    add_reports(app, "/rollouts", access=public)
    side = Destination("a", url="http://a.example")
    strangle(app, "/orders", old=side, new=side, shared=MemoryShared(), refresh_s=None)
    client = app.test_client()
    assert client.get("/rollouts").text.startswith("orders: canary 0 %")
    found = client.get("/rollouts", headers={"Accept": "application/json"})
    assert found.json[0]["name"] == "orders"
    assert found.headers["Cache-Control"] == "no-store"


def test_who_may_see_it_must_be_said() -> None:
    app = Flask(__name__)
    with pytest.raises(SetupError, match="say who may see"):
        add_reports(app)
    app.identities = [ApiKey(hashed_keys({}))]
    add_reports(app, access=roles("operator"))
    assert app.test_client().get("/_forward").status_code == 401


APP = """
from hipflask import Flask
from hipflask.forward import Destination, strangle

app = Flask(__name__)
side = Destination("a", url="http://a.example")
strangle(app, "/orders/<path:rest>", old=side, new=side, canary=5)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIPFLASK_DATABASE_URL", f"sqlite:///{tmp_path}/shop.db")
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    from click.testing import CliRunner

    from hipflask.cli import cli

    sys.modules.pop("shop", None)  # each command is a process of its own
    result = CliRunner().invoke(cli, ["--app", "shop", "forward", *words])
    return result.exit_code, result.output


def test_the_command_moves_a_rollout(folder: Path) -> None:
    assert run("show")[1].startswith("orders: canary 5 %, shadow 0 %")
    code, text = run("set", "orders", "--canary", "25", "--shadow", "10", "--note", "go")
    assert (code, text) == (0, "orders: canary 25 %, shadow 10 %\n")
    assert run("set", "orders", "--canary", "100") == (0, "orders: canary 100 %, shadow 10 %\n")
    # Another process that shares the database sees it.
    from hipflask.database import open_database

    other = Rollout("orders", shared=open_database().shared, refresh_s=None)
    assert (other.refresh().canary, other.refresh().shadow) == (100, 10)
    for number in range(5):
        other.answered("new", 0.01, number == 0)
    assert other.stages()[-1].sides["new"].requests == 5
    assert run("halt", "orders", "--note", "users complain") == (0, "orders: canary 0 %\n")
    assert other.refresh().halted == "users complain"
    found = json.loads(run("show", "orders", "--json")[1])
    assert [change["note"] for change in found[0]["changes"]] == ["go", "", "users complain"]
    assert found[0]["total"]["new"]["requests"] == 5
    assert run("forget", "orders")[0] == 0
    assert json.loads(run("show", "--json")[1])[0]["total"]["new"]["requests"] == 0


def test_the_command_says_what_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no rollout 'invoices'; there are: orders" in run("show", "invoices")[1]
    assert "Say what to set" in run("set", "orders")[1]
    assert run("set", "orders", "--canary", "101")[0] == 2
    monkeypatch.delenv("HIPFLASK_DATABASE_URL")
    code, text = run("set", "orders", "--canary", "5")
    assert code == 1 and "Set HIPFLASK_DATABASE_URL" in text
    code, text = run("show")
    assert code == 0 and "This is what the code says, and not what serves." in text


def test_a_record_that_is_away_is_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Damaged before anybody opened it: who has it open would write it anew when it closes.
    (folder / "shop.db").write_bytes(b"no database" * 1000)
    for words in (("show",), ("set", "orders", "--canary", "5"), ("halt", "orders")):
        code, text = run(*words)
        assert code == 2 and text.count("\n") <= 2, text
    monkeypatch.setenv("HIPFLASK_DATABASE_URL", "mysql://nowhere")
    assert run("show")[0] == 2


def test_no_number_is_no_percentage(folder: Path) -> None:
    code, text = run("set", "orders", "--canary", "nan")
    assert code == 2 and "is no percentage" in text


def test_a_file_named_without_a_folder_is_the_same_for_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPFLASK_DATABASE_URL", "sqlite:///rollout.db")
    assert run("set", "orders", "--canary", "7")[0] == 0
    assert (folder / "instance" / "rollout.db").exists()
