"""Who may approve, by every way in: 0 bypasses. And what a secret leaves behind: nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from hipflask.cli.script import ScriptInfo
from hipflask.cli.tool import setting, tool_command
from hipflask.database import ManualClock
from hipflask.security import Identity
from hipflask.tools import audit
from hipflask.tools.runs.refusing import GateError

from .desk_app import ROLES, Shop

WAYS = ("page", "json", "cli", "schedule")
CASES = ("requester", "wrong role", "no part", "expired", "rejected", "renamed")


@pytest.fixture
def cli(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command as the user of this machine whom the tool knows as that person."""

    def run(name: str, *words: str, input: str | None = None, shown: str = "") -> Any:
        claims = {"name": shown or name}
        identity = Identity(name, roles=ROLES[name], claims=claims)
        monkeypatch.setattr(shop.tool, "terminal", {setting.user_name(): identity})
        info = ScriptInfo(create_app=lambda: shop.app)
        return CliRunner().invoke(tool_command, list(words), obj=info, input=input)

    return run


@pytest.fixture
def approve(shop: Shop, ask: Any, visit: Any, cli: Any) -> Callable[..., bool]:
    """Try to approve by that way in; returns whether it was let through."""

    def attempt(way: str, name: str, run: Any, shown: str = "") -> bool:
        headers = {"X-Shown": shown or name}
        if way == "page":
            data = {"digest": run.digest}
            found = visit(name, f"/runs/{run.id}/approve", data, **headers).status_code == 303
        elif way == "json":
            body = {"digest": run.digest}
            found = ask(name, "POST", f"/runs/{run.id}/approve", body, **headers)[0] == 200
        elif way == "cli":
            done = cli(name, "approve", str(run.id), "--yes", shown=shown)
            assert done.exit_code in (0, 2), done.output
            found = done.exit_code == 0
        else:
            # A schedule approves nothing: what it asks the gate for is a plan and a run.
            by = Identity(name, roles=ROLES[name], claims={"name": shown or name})
            try:
                shop.gate.approve(run.id, run.digest, by, "schedule")
            except GateError:
                found = False
            else:
                found = True
        return bool(found)

    return attempt


def requested(shop: Shop, way: str, name: str, key: str, ask: Any, visit: Any, cli: Any) -> Any:
    """A run that waits for approval, asked for by that way in."""
    by = Identity(name, roles=ROLES[name])
    if way == "page":
        answer = visit(name, "/actions/payments.refund", {"key": key, "v.amount": "5"})
        assert answer.status_code == 303, answer.text
        id = int(answer.headers["Location"].rpartition("/")[2])
        run = shop.gate.read(id, by)[0]
        assert visit(name, f"/runs/{id}/submit", {"digest": run.digest}).status_code == 303
    elif way == "json":
        body = {"parameters": {"amount": "5"}, "rows": [key]}
        code, run = ask(name, "POST", "/actions/payments.refund", body)
        assert code == 200, run
        id = run["id"]
        assert ask(name, "POST", f"/runs/{id}/submit", {"digest": run["digest"]})[0] == 200
    elif way == "cli":
        words = ("run", "payments.refund", "amount=5", "--row", key, "--yes", "--json")
        done = cli(name, *words)
        assert done.exit_code == 0, done.output
        id = json.loads(done.stdout)["id"]
    else:
        action = shop.tool.actions["payments.refund"]
        slot = f"nightly-{key}"
        action.schedule(slot, every="1h", by=by, values={"amount": "5"}, filter=f"id.is={key}")
        id = action.schedules[slot].ask(shop.gate, shop.gate.database.clock.now()).id
    found = shop.gate.read(id, by)[0]
    assert found.state == "awaiting_approval"
    return found


@pytest.mark.parametrize("way", WAYS)
def test_nobody_gets_past_the_second_person(
    shop: Shop, ask: Any, visit: Any, cli: Any, approve: Any, way: str, clock: ManualClock
) -> None:
    """Asked for by one way in, approval is tried by all four, in every case."""
    bypasses = []
    # The lead has both roles; who else could ask and approve?
    run = requested(shop, way, "lea", "1", ask, visit, cli)
    for by in WAYS:
        for case, name, shown in (
            ("requester", "lea", ""),
            ("renamed", "lea", "Somebody Else"),
            ("wrong role", "sue", ""),
            ("no part", "tom", ""),
        ):
            if approve(by, name, run, shown):
                bypasses.append((case, by))
    shop.tool.runs.work()
    assert shop.effects() == []
    clock.advance(90_000)
    bypasses += [("expired", by) for by in WAYS if approve(by, "max", run)]
    other = requested(shop, way, "lea", "2", ask, visit, cli)
    assert ask("max", "POST", f"/runs/{other.id}/reject", {"digest": other.digest})[0] == 200
    bypasses += [("rejected", by) for by in WAYS if approve(by, "max", other)]
    shop.tool.runs.work()
    assert bypasses == []
    assert shop.effects() == []
    fine = requested(shop, way, "lea", "3", ask, visit, cli)
    assert approve(way if way != "schedule" else "page", "max", fine)
    shop.tool.runs.work()
    assert shop.effects() == ["refund 3 5"]
    events = [line.event for line in audit.read(shop.gate.database, "ops", run_id=other.id)]
    assert events[0] == "reject"
    events = [line.event for line in audit.read(shop.gate.database, "ops", run_id=fine.id)]
    assert "approve" in events and "reject" not in events


def test_a_secret_is_on_no_page_in_no_answer_and_in_no_log(
    shop: Shop, ask: Any, visit: Any, cli: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    canary = "canary-0d9f1e"
    seen = []
    for host in ("bank", "broken"):
        answer = visit("sue", "/actions/connect", {"v.host": host})
        place = answer.headers["Location"].partition("/ops")[2]
        page = visit("sue", place)
        assert 'type="password"' in page.text
        digest = shop.gate.read(int(place.rpartition("/")[2]), Identity("sue", {"support"}))[0]
        refused = visit("sue", f"{place}/submit", {"digest": digest.digest, "v.password": ""})
        assert refused.status_code == 422
        sent = {"digest": digest.digest, "v.password": canary}
        seen += [page.text, visit("sue", f"{place}/submit", sent).text, visit("sue", place).text]
    body = {"parameters": {"host": "json"}}
    _, run = ask("sue", "POST", "/actions/connect", body)
    sent = {"digest": run["digest"], "secrets": {"password": canary}}
    code, run = ask("sue", "POST", f"/runs/{run['id']}/submit", sent)
    assert (code, run["state"]) == (200, "done")
    seen.append(json.dumps(run))
    done = cli("sue", "run", "connect", "host=cli", "--yes", "--wait", input=f"{canary}\n")
    assert done.exit_code == 0, done.output
    seen.append(done.output)
    refused = ask("sue", "POST", "/actions/connect", {"parameters": {"password": canary}})
    assert refused[0] == 422
    seen.append(json.dumps(refused))
    done = cli("sue", "run", "connect", "host=cli", f"password={canary}")
    assert done.exit_code == 2
    seen += [done.output, visit("lea", "/audit").text, visit("lea", "/audit.csv").text]
    assert shop.effects() == ["logged in at bank", "logged in at json", "logged in at cli"]
    assert not [text for text in seen if canary in text]
    assert canary not in caplog.text
