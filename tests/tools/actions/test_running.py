"""Runs in real processes: each digest at most once, a kill that is told and not repeated."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hipflask.database import SystemClock
from hipflask.tools import audit
from hipflask.tools.runs.states import RunState
from hipflask.tools.runs.working import make_crew
from tests.database.stores import Stores, environment, run_child

from .desk_app import Shop

PATIENCE_S = 60.0


@pytest.fixture
def clock() -> SystemClock:
    """The machine's own: other processes have no other."""
    return SystemClock()


@pytest.fixture
def start(shop: Shop, stores: Stores) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start processes that work on runs; they are gone at the end."""
    begun: list[subprocess.Popen[bytes]] = []

    def one(lease_s: float = 1.0) -> subprocess.Popen[bytes]:
        variables = {
            "STORE_URL": stores.url,
            "DATA_URL": shop.engine.url.render_as_string(hide_password=False),
            "LEASE_S": str(lease_s),
        }
        words = [sys.executable, "-m", "tests.tools.actions.desk_app"]
        process = subprocess.Popen(words, env=environment(**variables))
        begun.append(process)
        return process

    yield one
    for process in begun:
        process.kill()
        process.wait()


def wait_until(what: Callable[[], Any]) -> Any:
    """What is true in the end; fails after a minute."""
    ends = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < ends, what
        time.sleep(0.02)
    return found


def slow(shop: Shop, who: Any, folder: Path, steps: int = 2) -> Any:
    """A run that waits at each step for a file."""
    values = {"steps": steps, "folder": str(folder)}
    run = shop.gate.plan("slow", values, who("sue"), "page")
    return shop.gate.submit(run.id, run.digest, who("sue"), "page")


def test_a_killed_run_is_interrupted_within_its_lease_and_not_run_again(
    shop: Shop, who: Any, start: Any, tmp_path: Path, visit: Any
) -> None:
    run = slow(shop, who, tmp_path)
    process = start()
    wait_until((tmp_path / "at-0").exists)
    (tmp_path / "go-0").touch()
    wait_until((tmp_path / "at-1").exists)
    # Everybody sees the same, whenever they look.
    pages = [visit(name, f"/runs/{run.id}").text for name in ("sue", "sam")]
    assert all("1 of 2 steps done" in page for page in pages)
    process.send_signal(signal.SIGKILL)
    process.wait()
    start()
    wait_until(lambda: shop.gate.read(run.id, who("sue"))[0].state is RunState.INTERRUPTED)
    found, _ = shop.gate.read(run.id, who("sue"))
    assert found.done == 1 and "nothing is tried again" in (found.error or "")
    assert [str(step.state) for step in shop.gate.steps(found)] == ["done", "failed"]
    (tmp_path / "go-1").touch()
    # The new worker is there, and does other work, but not this.
    other = shop.gate.plan("remind", {"whom": "Ada"}, who("sue"), "page")
    shop.gate.submit(other.id, other.digest, who("sue"), "page")
    wait_until(lambda: shop.gate.read(other.id, who("sue"))[0].state is RunState.DONE)
    assert len([what for what in shop.effects() if what.startswith("slow")]) == 2
    events = [line.event for line in audit.read(shop.gate.database, "ops", run_id=run.id)]
    assert events[0] == "interrupted"
    assert "interrupted" in visit("sue", f"/runs/{run.id}").text


def test_a_worker_that_stood_still_does_not_begin_another_step(
    shop: Shop, who: Any, start: Any, tmp_path: Path
) -> None:
    run = slow(shop, who, tmp_path)
    process = start()
    wait_until((tmp_path / "at-0").exists)
    process.send_signal(signal.SIGSTOP)
    start()
    wait_until(lambda: shop.gate.read(run.id, who("sue"))[0].state is RunState.INTERRUPTED)
    process.send_signal(signal.SIGCONT)
    (tmp_path / "go-0").touch()
    other = slow(shop, who, tmp_path, 1)
    wait_until(lambda: shop.gate.read(other.id, who("sue"))[0].state is RunState.DONE)
    assert not (tmp_path / "at-1").exists()
    assert shop.gate.read(run.id, who("sue"))[0].state is RunState.INTERRUPTED


def test_cancelled_while_it_runs_it_ends_before_the_next_step(
    shop: Shop, who: Any, tmp_path: Path
) -> None:
    run = slow(shop, who, tmp_path)
    crew = make_crew(shop.tool.runs, threads=1)
    crew.start()
    try:
        wait_until((tmp_path / "at-0").exists)
        found, _ = shop.gate.read(run.id, who("sue"))
        assert (found.state, found.message) == (RunState.RUNNING, "at step 0 of 2")
        shop.gate.cancel(run.id, who("sue"), "page")
        wait_until(lambda: shop.gate.read(run.id, who("sue"))[0].state is RunState.CANCELLED)
    finally:
        assert crew.stop()
    assert not (tmp_path / "at-1").exists()


POSTS = """
import os, sys, threading
from hipflask.tools.runs.working import make_crew
from tests.tools.actions.desk_app import Shop

shop = Shop(os.environ["STORE_URL"], os.environ["DATA_URL"])
number, digest = sys.argv[1:3]
answers = []

def post():
    sent = {"digest": digest}
    answer = shop.app.test_client().post(
        f"/ops/api/runs/{number}/submit", json=sent, headers={"X-Who": "sue"})
    answers.append((answer.status_code, answer.get_json()["id"]))

crew = make_crew(shop.tool.runs, threads=2)
crew.start()
threads = [threading.Thread(target=post) for _ in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
crew.stop()
shop.close()
print(sorted(set(answers)), len(answers))
"""


def test_forty_posts_from_two_processes_are_one_run(shop: Shop, who: Any, stores: Stores) -> None:
    shop.app.config["SECRET_KEY"] = "for tests"
    run = shop.gate.plan("remind", {"whom": "Ada"}, who("sue"), "page")
    variables = {
        "STORE_URL": stores.url,
        "DATA_URL": shop.engine.url.render_as_string(hide_password=False),
    }
    done: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: done.append(run_child(POSTS, str(run.id), run.digest, **variables))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in done:
        assert each.stdout.strip() == f"[(200, {run.id})] 20", each.stderr
    shop.tool.runs.work()
    assert shop.effects() == ["remind Ada"]
    events = [line.event for line in audit.read(shop.gate.database, "ops", run_id=run.id)]
    assert sorted(events) == ["done", "plan", "start", "step", "submit"]
