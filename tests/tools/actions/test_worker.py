"""`hipflask worker` beside a tool: it does the runs, and asks for what is scheduled."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hipflask.database import SystemClock
from hipflask.tools import audit
from hipflask.tools.runs.states import RunState
from tests.database.stores import Stores, environment

from .desk_app import Shop
from .test_running import PATIENCE_S, slow, wait_until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def clock() -> SystemClock:
    """The machine's own: other processes have no other."""
    return SystemClock()


@pytest.fixture
def start(shop: Shop, stores: Stores) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command; what is left of it is gone at the end."""
    begun: list[subprocess.Popen[str]] = []

    def one(*words: str, **variables: str) -> subprocess.Popen[str]:
        data = shop.engine.url.render_as_string(hide_password=False)
        process = subprocess.Popen(
            [sys.executable, "-m", "hipflask", "--app", "tests.tools.actions.desk_app", "worker"]
            + ["--no-progress", *words],
            env=environment(STORE_URL=stores.url, DATA_URL=data, **variables),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield one
    for process in begun:
        process.kill()
        process.communicate()


def test_it_works_on_runs_until_nothing_is_due(shop: Shop, who: Any, start: Any) -> None:
    run = shop.gate.plan("remind", {"whom": "Ada"}, who("sue"), "page")
    shop.gate.submit(run.id, run.digest, who("sue"), "page")
    process = start("--once", "--threads", "1")
    told = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, told
    assert " * Tool ops: 5 actions" in told
    assert told.endswith(" * Ended: 1 done here.\n"), told
    assert shop.effects() == ["remind Ada"]
    assert shop.gate.read(run.id, who("sue"))[0].state is RunState.DONE


def test_it_has_the_files_that_a_page_was_sent(
    shop: Shop, who: Any, start: Any, visit: Any
) -> None:
    sent = {"key": "1", "v.receipt": (io.BytesIO(b"12 EUR"), "a.txt", "text/plain")}
    place = visit("sue", "/actions/payments.attach", sent).headers["Location"]
    run = shop.gate.read(int(place.rpartition("/")[2]), who("sue"))[0]
    shop.gate.submit(run.id, run.digest, who("sue"), "page")
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    process = start("--once", "--threads", "1")
    told = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, told
    assert shop.effects() == ["1 a.txt text/plain 12 EUR"]


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM")
def test_it_asks_for_what_is_scheduled_and_lets_work_end(
    shop: Shop, who: Any, start: Any, tmp_path: Path
) -> None:
    # Two of them: each slot is asked for once all the same.
    first, second = (start(EVERY="1s") for _ in range(2))
    for process in (first, second):
        # Before that it does not know the signal.
        assert process.stderr is not None
        assert " * " in process.stderr.readline()
    wait_until(lambda: shop.effects().count("remind all") >= 2)
    # Only now: on a machine at its limit a lease may run out, and this is not about that.
    run = slow(shop, who, tmp_path, 1)
    wait_until((tmp_path / "at-0").exists)
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
    (tmp_path / "go-0").touch()
    for process in (first, second):
        told = process.communicate(timeout=PATIENCE_S)[1]
        assert process.returncode == 0, told
    assert shop.gate.read(run.id, who("sue"))[0].state is RunState.DONE
    asked = [each for each in shop.gate.find(who("sue")) if each.via == "schedule"]
    assert len({each.slot for each in asked}) == len(asked) >= 2
    submitted = [line for line in audit.read(shop.gate.database, "ops") if line.event == "submit"]
    assert {line.via for line in submitted if line.subject == "clock"} == {"schedule"}
