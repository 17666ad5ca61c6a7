"""`hipflask worker` as it is typed: what it says, how it ends, and with which exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hipflask.database import Query, State

from .stores import arrival, effects
from .storm import PROGRAM, ROOT, open_inbox, start_worker
from .test_workers import wait_until


def run(
    *words: str, url: str = "sqlite:///none.db", app: str = PROGRAM, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hipflask", "--app", app, "worker", *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "STORE_URL": url, **environ},
    )


def test_once_works_until_nothing_is_due_and_ends(store_url: str) -> None:
    inbox = open_inbox(store_url)
    inbox.append([arrival(n, key=f"k{n % 3}") for n in range(20)])
    done = run("--once", "--threads", "2", "--progress", url=store_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert " * Working for " in done.stderr
    assert " * Sources: orders. Destinations: none." in done.stderr
    assert "20 done here, 0 to do, 0 dead" in done.stderr
    assert done.stderr.endswith(" * Ended: 20 done here.\n")
    assert len(effects(inbox.database)) == 20
    inbox.database.close()


def test_a_password_is_not_shown(cluster: object, new_postgres: object) -> None:
    url = new_postgres().replace("postgres:@", "postgres:hush@")  # type: ignore[operator]
    done = run("--once", url=url)
    assert "hush" not in done.stderr
    assert "postgresql" in done.stderr


def test_sigterm_lets_what_is_at_work_finish(store_url: str) -> None:
    inbox = open_inbox(store_url)
    inbox.append([arrival(n) for n in range(6)])
    # Each handling takes a moment, so that the signal comes while some are at it.
    worker = start_worker(store_url, threads=2, WORK_S="0.5")
    running = Query(states={State.RUNNING})
    wait_until(lambda: inbox.find(running), "it has begun")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    states = [row.state for row in inbox.find(Query())]
    assert set(states) <= {State.DONE, State.RECEIVED}
    assert len(effects(inbox.database)) == states.count(State.DONE)
    assert all(row.kills == 0 for row in inbox.find(Query()))
    inbox.database.close()


def test_what_does_not_end_in_time_is_told_by_the_exit_code(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    inbox = open_inbox(url)
    inbox.append([arrival(1)])
    worker = start_worker(url, WORK_S="600", HIPFLASK_WORKER_GRACEFUL_TIMEOUT="0.1")
    wait_until(lambda: inbox.find(Query(states={State.RUNNING})), "it has begun")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 1
    inbox.database.close()


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ("app = Flask(__name__)", 2, "receives no webhooks: there is nothing to work on"),
        (
            "app = Flask(__name__)\n"
            "hooks = Hooks(app, inbox='sqlite:///x.db')\n"
            "hooks.destination('ledger', env='LEDGER_ADDRESS')",
            78,
            "LEDGER_ADDRESS",
        ),
        (
            "app = Flask(__name__)\nhooks = Hooks(app, inbox='sqlite:////none/of/this/x.db')",
            78,
            "/none/of/this/x.db",
        ),
        (
            "app = Flask(__name__)\n"
            "hooks = Hooks(app, inbox='postgresql://nobody@127.0.0.1:1/none')",
            69,
            "127.0.0.1:1",
        ),
    ],
)
def test_what_cannot_work_ends_at_once_with_a_line(
    tmp_path: Path, source: str, code: int, told: str
) -> None:
    program = tmp_path / "shop.py"
    program.write_text(
        f"from hipflask import Flask\nfrom hipflask.webhooks import Hooks\n{source}\n",
        encoding="utf-8",
    )
    done = run(app=str(program))
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
