"""The writer's lock: one at a time, in their order, between threads and processes."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from hipflask.database import StoreUnavailable
from hipflask.database.writerlock import WriterLock

from .stores import in_thread, start_child

HOLDER = """
import sys
from pathlib import Path
from hipflask.database.writerlock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
lock.acquire(30)
print("held")
sys.stdin.readline()
lock.release()
print("released")
sys.stdin.readline()
"""

# Each holds the lock for some time, and wants it again at once, until all have had it often.
EAGER = """
import sys, time
from pathlib import Path
from hipflask.database.writerlock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
name, path, often = sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
print("ready")
sys.stdin.readline()
for _ in range(often):
    lock.acquire(60)
    with path.open("a") as file:
        file.write(name)
    end = time.perf_counter() + 0.002
    while time.perf_counter() < end:
        pass
    lock.release()
"""


def test_threads_have_it_one_at_a_time_in_their_order(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / "x.db")
    order: list[int] = []
    lock.acquire(1)

    def want(number: int) -> None:
        lock.acquire(30)
        order.append(number)
        lock.release()

    threads = []
    for number in range(8):
        threads.append(in_thread(lambda number=number: want(number)))
        while len(lock._waiters) <= number:
            pass
    lock.release()
    for thread in threads:
        thread.join(30)
    assert order == list(range(8))
    lock.close()


def test_many_threads_and_no_two_at_once(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / "x.db")
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(100):
            lock.acquire(60)
            inside += 1
            most = max(most, inside)
            inside -= 1
            lock.release()

    threads = [in_thread(work) for _ in range(6)]
    for thread in threads:
        thread.join(60)
    assert most == 1
    lock.close()


def test_another_process_is_waited_for_and_followed(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / "x.db")
    child = start_child(HOLDER, str(tmp_path / "x.db"))
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(StoreUnavailable, match=r"for more than 0\.05 s"):
        lock.acquire(0.05)
    done = threading.Event()

    def want() -> None:
        lock.acquire(30)
        done.set()

    thread = in_thread(want)
    assert not done.wait(0.05)
    child.stdin.write("\n")
    child.stdin.flush()
    assert done.wait(30)
    thread.join(30)
    lock.release()
    lock.acquire(1)
    lock.release()
    child.communicate("\n", timeout=30)
    lock.close()


def test_a_stopped_holder_keeps_it_and_a_killed_one_does_not(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / "x.db")
    child = start_child(HOLDER, str(tmp_path / "x.db"))
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    os.kill(child.pid, signal.SIGSTOP)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            lock.acquire(0.02)
    child.kill()
    child.communicate(timeout=30)
    lock.acquire(30)
    lock.release()
    lock.close()


def test_who_gives_up_leaves_no_gap(tmp_path: Path) -> None:
    """The keeper gets the lock for somebody who has gone, and lets it go."""
    lock = WriterLock(tmp_path / "x.db")
    child = start_child(HOLDER, str(tmp_path / "x.db"))
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(StoreUnavailable):
        lock.acquire(0.02)
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "released\n"
    other = WriterLock(tmp_path / "x.db")
    other.acquire(30)
    other.release()
    lock.acquire(30)
    lock.release()
    child.communicate("\n", timeout=30)
    other.close()
    lock.close()


def test_processes_that_want_it_at_once_again_take_turns(tmp_path: Path) -> None:
    """Who has just released it stands behind the one that waits."""
    log = tmp_path / "log"
    log.touch()
    words = (str(tmp_path / "x.db"), "a", str(log), "150")
    children = [start_child(EAGER, words[0], name, *words[2:]) for name in "ab"]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        assert child.wait(60) == 0
        child.communicate()
    order = log.read_text()
    assert Counter(order) == {"a": 150, "b": 150}
    # While both wanted it: from the second's first turn to the first's last.
    start = max(order.index("a"), order.index("b"))
    both = order[start : min(order.rindex("a"), order.rindex("b"))]
    longest = max((len(list(run)) for _, run in groupby(both)), default=0)
    assert longest <= 30, f"one had {longest} turns in a row: {both}"


def test_a_folder_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / "gone" / "x.db")
    with pytest.raises(StoreUnavailable, match="No such file"):
        lock.acquire(1)
    (tmp_path / "gone").mkdir()
    lock.acquire(1)
    lock.release()
    lock.close()
