"""The two clocks: what the wall says, and how long the machine has been up."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

from hipflask.database import Fenced, ManualClock, SystemClock, clock


def test_the_systems_clocks_go_on() -> None:
    system = SystemClock()
    first, second = system.boot(), system.boot()
    assert first.id == second.id != "" and first.seconds <= second.seconds
    assert abs(system.now() - time.time()) < 3600


def test_processes_agree_on_the_start_of_the_machine() -> None:
    assert SystemClock().boot().id == SystemClock().boot().id


def test_where_there_is_no_boot_time_the_monotonic_clock_is_taken(monkeypatch: Any) -> None:
    monkeypatch.setattr(clock, "_BOOT_ID", Path("/nowhere"))
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    before = time.monotonic()
    found = SystemClock().boot()
    assert found.id == "boot" and before <= found.seconds <= time.monotonic()


def test_a_manual_clock_moves_only_when_told() -> None:
    manual = ManualClock(1000.0)
    start = manual.boot()
    manual.advance(5)
    manual.jump(-100)
    assert (manual.now(), manual.boot().seconds - start.seconds) == (905.0, 5.0)
    manual.restart()
    manual.restart()
    assert manual.boot().id == "boot-3" and manual.now() == 905.0


def test_errors_pass_between_processes() -> None:
    error = pickle.loads(pickle.dumps(Fenced("inbox", 7)))
    assert (error.queue, error.seq) == ("inbox", 7) and "inbox row 7" in str(error)
