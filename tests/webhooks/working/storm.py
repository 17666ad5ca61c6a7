"""Events of many keys, worked on by processes that are killed all the time; then it is counted.

    python -m tests.webhooks.working.storm sqlite:///storm.db --events 10000 --keys 100

`run_storm` is what the tests call, small, and the proof programs, at full size.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hipflask.database import Query, State, open_database
from hipflask.webhooks.inbox import Inbox

from .stores import arrival, effects, make_tables, out_of_order

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = str(Path(__file__).with_name("program.py"))
_BATCH = 100


@dataclass
class Report:
    """What was found after a storm; `problems` in words, none if all is well."""

    events: int
    kills: int = 0
    effects: int = 0
    doubled: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    disordered: dict[str, list[str]] = field(default_factory=dict)
    dead: int = 0
    unfinished: int = 0
    #: The longest that an event stayed claimed by a process that had been killed.
    longest_stall_s: float = 0.0
    duration_s: float = 0.0

    @property
    def problems(self) -> list[str]:
        found = [
            (self.doubled, "effects doubled"),
            (self.missing, "effects missing"),
            (self.disordered, "keys out of order"),
            (self.dead, "dead letters"),
            (self.unfinished, "events unfinished"),
        ]
        return [f"{text}: {what}" for what, text in found if what]


def start_worker(
    url: str, *, threads: int = 4, lease_s: float | None = None, **environ: str
) -> subprocess.Popen[bytes]:
    """`hipflask worker` for the program of these tests; or the same with other leases."""
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    words = ["-m", "hipflask", "--app", PROGRAM, "worker", "--threads", str(threads)]
    if lease_s is not None:
        words = [PROGRAM]
        environ |= {"THREADS": str(threads), "LEASE_S": str(lease_s)}
    return subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": path, "STORE_URL": url, **environ},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=None if os.environ.get("SHOW_WORKERS") else subprocess.DEVNULL,
    )


def open_inbox(url: str) -> Inbox:
    """The inbox as an application has it, with the tables of these tests."""
    database = open_database(url)
    make_tables(database)
    inbox = Inbox(database)
    if not database.is_sqlite:
        from hipflask.webhooks.working.procrastination import hand_out

        hand_out(database, (inbox, inbox.outbox))
    return inbox


def run_storm(
    url: str,
    *,
    events: int = 2000,
    keys: int = 50,
    share_failing: float = 0.1,
    workers: int = 3,
    kills: int = 5,
    failpoints: Sequence[str] = (),
    seed: int = 0,
    patience_s: float = 300.0,
    lease_s: float | None = None,
) -> Report:
    """Store events while processes work on them and are killed; wait until nothing is left.

    Killed by SIGKILL at random, `kills` times, and at each of `failpoints` ("P10:3"), which a
    new process is started with. With `lease_s` it is not the command itself that is run, but
    the same with leases of that length.
    """
    chance = random.Random(seed)
    inbox = open_inbox(url)
    report = Report(events)
    began = time.monotonic()
    points = list(failpoints)

    def start() -> subprocess.Popen[bytes]:
        environ = {"HIPFLASK_FAILPOINT": points.pop(0)} if points else {}
        return start_worker(url, lease_s=lease_s, SHARE_FAILING=str(share_failing), **environ)

    processes = [start() for _ in range(workers)]
    stalls: dict[int, float] = {}
    try:
        stored = 0
        kill_at = time.monotonic() + 2
        while time.monotonic() - began < patience_s:
            if stored < events:
                batch = range(stored, min(stored + _BATCH, events))
                inbox.append([arrival(n, key=f"key_{n % keys}") for n in batch])
                stored += len(batch)
            for number, process in enumerate(processes):
                code = process.poll()
                if code not in (None, -signal.SIGKILL):
                    raise RuntimeError(f"a worker ended by itself, with exit code {code}")
                if code is not None:  # at a failpoint
                    report.kills += 1
                    processes[number] = start()
            if report.kills < kills and time.monotonic() >= kill_at:
                number = chance.randrange(workers)
                running = _running(inbox)
                processes[number].kill()
                processes[number].wait()
                report.kills += 1
                stalls.update(dict.fromkeys(running, time.monotonic()))
                processes[number] = start()
                kill_at = time.monotonic() + chance.uniform(0.5, 2.0)
            _note_stalls(inbox, stalls, report)
            is_done = stored == events and report.kills >= kills and not points
            if is_done and not inbox.figures()[0].backlog:
                break
            time.sleep(0.05)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    report.duration_s = time.monotonic() - began
    _count(inbox, report)
    inbox.database.close()
    return report


def _running(inbox: Inbox) -> list[int]:
    return [row.seq for row in inbox.find(Query(states={State.RUNNING}, limit=1000))]


def _note_stalls(inbox: Inbox, stalls: dict[int, float], report: Report) -> None:
    """Rows that were claimed at a kill: until when they stay so. Others' rows count, too."""
    if not stalls:
        return
    now = time.monotonic()
    running = set(_running(inbox))
    for seq in [*stalls]:
        if seq not in running:
            report.longest_stall_s = max(report.longest_stall_s, now - stalls.pop(seq))


def _count(inbox: Inbox, report: Report) -> None:
    found = effects(inbox.database)
    times = Counter(effect.event_id for effect in found)
    report.effects = len(found)
    report.doubled = [id for id, number in times.items() if number > 1]
    wanted = {f"evt_{number}" for number in range(report.events)}
    report.missing = sorted(wanted - times.keys())[:20]
    report.disordered = out_of_order(found)
    for lane in inbox.figures():
        report.dead += lane.dead
        report.unfinished += lane.backlog


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--patience", type=float, default=900)
    given = parser.parse_args()
    report = run_storm(
        given.url,
        events=given.events,
        keys=given.keys,
        workers=given.workers,
        kills=given.kills,
        patience_s=given.patience,
    )
    print(report)
    for problem in report.problems:
        print("PROBLEM", problem)
    return bool(report.problems)


if __name__ == "__main__":
    sys.exit(main())
