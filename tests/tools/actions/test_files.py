"""Files among the parameters: from the page, past the second person, to each step."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hipflask.database.schema import RUN
from hipflask.security import Identity
from hipflask.tools import audit
from hipflask.tools.runs import drafting
from hipflask.tools.runs.rows import RunRow
from hipflask.tools.runs.states import RunState

from .desk_app import Shop
from .test_matrix import cli as cli  # a fixture

Who = Callable[[str], Identity]
BILL = b"12 EUR\nfor a chair"
NAME = "b\u00edll 1.txt"


def file(blob: bytes = BILL, name: str = NAME, kind: str = "text/plain") -> Any:
    return io.BytesIO(blob), name, kind


@pytest.fixture
def plan(shop: Shop, visit: Any, who: Who) -> Callable[..., RunRow]:
    """Send the form of the action; returns the run that it leads to."""

    def send(**sent: Any) -> RunRow:
        data = {"key": ["1", "2"], "v.receipt": file(), **sent}
        answer = visit("sue", "/actions/payments.attach", data)
        assert answer.status_code == 303, answer.text
        run: RunRow
        run, _ = shop.gate.read(int(answer.headers["Location"].rpartition("/")[2]), who("sue"))
        return run

    return send


def finish(shop: Shop, who: Who, run: RunRow) -> list[str]:
    """Have it approved and run; what came of it."""
    shop.gate.submit(run.id, run.digest, who("sue"), "page")
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    shop.tool.runs.work()
    return shop.effects()


def test_each_step_has_the_whole_file(shop: Shop, who: Who, visit: Any, plan: Any) -> None:
    assert 'enctype="multipart/form-data"' in visit("sue", "/actions/payments.attach?key=1").text
    run = plan(**{"v.more": [file(b"one", "1"), file(b"two", "2", "image/png")]})
    # Read for the plan, twice, for each row, and before each step.
    assert [line.sentence for line in run.lines] == [
        "attach a receipt of 12 EUR to #1",
        "attach a receipt of 12 EUR to #2",
    ]
    told = f"{NAME} text/plain {BILL.decode()} one two"
    assert finish(shop, who, run) == [f"1 {told}", f"2 {told}"]


def test_files_that_may_be_left_out_are_none(shop: Shop, who: Who, plan: Any) -> None:
    assert finish(shop, who, plan(key="3")) == [f"3 {NAME} text/plain {BILL.decode()}"]


def test_who_approves_can_read_them(shop: Shop, who: Who, visit: Any, plan: Any) -> None:
    run = plan(**{"v.more": [file(b"one", 'a"\r\n.txt')]})
    shop.gate.submit(run.id, run.digest, who("sue"), "page")
    page = visit("max", f"/runs/{run.id}").text
    assert f"{NAME}, 18 bytes, SHA-256 " in page
    assert f'href="/ops/runs/{run.id}/files/receipt/0"' in page
    answer = visit("max", f"/runs/{run.id}/files/receipt/0")
    assert (answer.data, answer.mimetype) == (BILL, "application/octet-stream")
    told = answer.headers["Content-Disposition"]
    assert told.startswith("attachment;") and "b%C3%ADll%201.txt" in told
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert visit("max", f"/runs/{run.id}/files/more/0").data == b"one"
    for place in ("more/1", "receipt/9", "amount/0"):
        assert visit("max", f"/runs/{run.id}/files/{place}").status_code == 404
    assert visit("tom", f"/runs/{run.id}/files/receipt/0").status_code in (403, 404)
    (line,) = [each for each in audit.read(shop.gate.database, "ops") if each.event == "plan"]
    assert "18 bytes, SHA-256" in line.detail["parameters"]["receipt"][0]


def test_another_file_is_another_plan(shop: Shop, who: Who, plan: Any) -> None:
    run = plan()
    assert plan().id == run.id
    other = plan(**{"v.receipt": file(b"12 EUR\nfor a table")})
    assert (other.digest != run.digest, other.lines) == (True, run.lines)
    # Nor is anything done with one that was changed where it is kept.
    with shop.gate.database.begin() as connection:
        theirs = select(RUN.c.files).where(RUN.c.id == other.id).scalar_subquery()
        connection.execute(RUN.update().where(RUN.c.id == run.id).values(files=theirs))
    assert finish(shop, who, run) == []
    assert shop.gate.read(run.id, who("sue"))[0].state is RunState.FAILED


def test_planned_again_it_has_its_files(shop: Shop, who: Who, plan: Any) -> None:
    run = plan(key="1")
    finish(shop, who, run)
    again = shop.gate.plan_again(run.id, who("sue"), "page")
    assert finish(shop, who, again) == [f"1 {NAME} text/plain {BILL.decode()}"] * 2


def test_what_is_too_much_is_refused_with_words(
    shop: Shop, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "MOST_FILE_BYTES", 20)
    sent = {"key": "1", "v.receipt": file(), "v.more": file(b"one", "1")}
    answer = visit("sue", "/actions/payments.attach", sent)
    assert answer.status_code == 422 and "The files have 21 bytes, and 20 are kept." in answer.text
    sent = {"key": "1", "v.receipt": file(kind="image/png")}
    answer = visit("sue", "/actions/payments.attach", sent)
    assert answer.status_code == 422 and "text/*" in answer.text
    assert shop.gate.find(Identity("sue", roles={"support"})) == []


def test_at_a_terminal_a_path_is_given(shop: Shop, who: Who, cli: Any, tmp_path: Path) -> None:
    bill = tmp_path / "bill.txt"
    bill.write_bytes(BILL)
    words = ("run", "payments.attach", "--row", "1", "--yes")
    done = cli("sue", *words, f"receipt={bill}", f"more={bill}", f"more={bill}")
    assert done.exit_code == 0, done.output
    (run,) = shop.gate.find(who("sue"))
    shop.gate.approve(run.id, run.digest, who("max"), "cli")
    shop.tool.runs.work()
    text = BILL.decode()
    assert shop.effects() == [f"1 bill.txt text/plain {text} {text} {text}"]
    done = cli("sue", *words, f"receipt={tmp_path}/typo")
    assert done.exit_code == 2
    assert f"receipt: {tmp_path}/typo cannot be read: No such file" in done.output


def test_json_cannot_send_them(ask: Any) -> None:
    body = {"parameters": {"receipt": "bill.txt"}, "rows": ["1"]}
    code, problem = ask("sue", "POST", "/actions/payments.attach", body)
    assert code == 422
    assert "a file, sent by the form of the page" in problem["errors"]["receipt"]
