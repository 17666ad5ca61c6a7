from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from hipflask import Flask, current_app
from hipflask.ops import probes


def failing(app: Any, deadline_s: float = 5.0) -> list[str]:
    return asyncio.run(probes.Readiness(app, deadline_s).failing())


def test_checks_run_in_an_app_context_and_fail_by_false_or_by_raising(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Flask("made")

    @probes.ready_check(app, "plain")
    def plain() -> bool:
        return current_app.name == "made"

    @probes.ready_check(app, "async")
    async def later() -> None:
        assert current_app.name == "made"

    @probes.ready_check(app, "false")
    def no() -> bool:
        return False

    @probes.ready_check(app, "raises")
    async def raises() -> None:
        raise OSError("secret place")

    assert failing(app) == ["false", "raises"]
    assert "secret place" in caplog.text


def test_a_check_that_hangs_fails_at_its_deadline_and_is_not_started_again() -> None:
    app = Flask("made")
    go, starts = threading.Event(), []

    @probes.ready_check(app, "hangs")
    def hang() -> None:
        starts.append(1)
        go.wait(20)

    async def ask_twice() -> None:
        readiness = probes.Readiness(app, 0.05)
        assert await readiness.failing() == ["hangs"]
        assert await readiness.failing() == ["hangs"]

    asyncio.run(ask_twice())
    go.set()
    assert starts == [1]


def test_those_who_ask_together_share_one_run() -> None:
    app = Flask("made")
    runs = []

    @probes.ready_check(app, "slow")
    async def slow() -> None:
        runs.append(1)
        await asyncio.sleep(0)

    async def ask_together() -> None:
        readiness = probes.Readiness(app)
        assert await asyncio.gather(*(readiness.failing() for _ in range(5))) == [[]] * 5

    asyncio.run(ask_together())
    assert runs == [1]


def test_draining_asks_nothing() -> None:
    app = Flask("made")
    probes.ready_check(app, "never")(lambda: 1 / 0)

    async def ask() -> probes.Answer:
        return await probes.ready(probes.Readiness(app), draining=True)

    assert asyncio.run(ask())[0] == 503


def test_what_is_no_app_of_ours_is_ready() -> None:
    assert failing(lambda environ, start_response: []) == []
