from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

import pytest

from hipflask.forward import Limits, MemoryShared, Rollout, Settings
from hipflask.forward.rollout import share_of
from hipflask.scaffold import SetupError

from .clocks import ToldClock


def make(
    shared: MemoryShared | None = None, clock: ToldClock | None = None, **options: Any
) -> Rollout:
    made = Rollout(
        "orders", shared=shared or MemoryShared(), clock=clock or ToldClock(),
        refresh_s=None, **options,
    )  # fmt: skip
    made.refresh()
    return made


def answer(rollout: Rollout, side: str, number: int, errors: int = 0) -> None:
    for count in range(number):
        rollout.answered(side, 0.01, count < errors)


def test_five_percent_of_a_hundred_thousand_clients() -> None:
    """Check 10: the share is met, and it is the same clients each time."""
    rollout, settings = make(), Settings(canary=5)
    sides = [rollout.side_of(settings, f"client-{number}") for number in range(100_000)]
    assert abs(Counter(sides)["new"] / 1000 - 5) <= 0.5
    assert sides == [make().side_of(settings, f"client-{number}") for number in range(100_000)]


def test_raising_it_keeps_who_was_there() -> None:
    rollout = make()
    keys = [f"client-{number}" for number in range(2000)]
    before: set[str] = set()
    for percent in (0, 1, 5, 25, 50, 100):
        now = {k for k in keys if rollout.side_of(Settings(canary=percent), k) == "new"}
        assert before <= now
        before = now
    assert before == set(keys)


def test_two_rollouts_take_different_clients_first() -> None:
    one = {n for n in range(5000) if share_of("orders", str(n)) < 5}
    other = {n for n in range(5000) if share_of("invoices", str(n)) < 5}
    assert len(one & other) < len(one) / 4


def test_without_a_key_the_old_side_answers_until_all_are_moved() -> None:
    rollout = make()
    assert rollout.side_of(Settings(canary=99.9), None) == "old"
    assert rollout.side_of(Settings(canary=100), None) == "new"


def test_what_is_set_holds_in_all_processes() -> None:
    shared = MemoryShared()
    one, other = make(shared, canary=5), make(shared, canary=5)
    assert other.refresh().canary == 5
    one.set(canary=50, shadow=10, actor="ada", note="looks well")
    assert (other.refresh().canary, other.refresh().shadow) == (50, 10)
    other.set(canary=0, actor="bob")
    assert one.refresh().canary == 0
    assert [(c.actor, c.canary, c.shadow, c.note) for c in one.changes()] == [
        ("ada", 50, 10, "looks well"),
        ("bob", 0, 10, ""),
    ]


def test_a_number_in_the_code_counts_until_one_is_set() -> None:
    shared = MemoryShared()
    assert make(shared, canary=5).refresh().canary == 5
    assert make(shared, canary=7).refresh().canary == 7
    make(shared).set(canary=20)
    assert make(shared, canary=7).refresh().canary == 20


def test_errors_take_the_canary_back(caplog: pytest.LogCaptureFixture) -> None:
    shared = MemoryShared()
    rollout, other = make(shared, canary=5), make(shared, canary=5)
    answer(rollout, "old", 1000, 10)
    answer(rollout, "new", 99, 50)
    rollout.flush()
    assert rollout.refresh().canary == 5, "too few requests tell"
    answer(other, "new", 1)
    with caplog.at_level(logging.ERROR):
        other.flush()
    for each in (rollout, other):
        settings = each.refresh()
        assert settings.canary == 0
        assert settings.halted == (
            "50 of 100 answers of the new side were errors (50.0%; old 1.0%; limit +5.0%)"
        )
    assert "the canary is back at 0 %" in caplog.text
    assert [change.actor for change in rollout.changes()] == ["auto-halt"]


def test_errors_that_the_old_side_has_as_well_do_not() -> None:
    rollout = make(canary=50)
    answer(rollout, "old", 200, 60)
    answer(rollout, "new", 200, 66)
    rollout.flush()
    assert rollout.refresh().canary == 50


@pytest.mark.parametrize("seconds", [10, 600])
def test_answers_from_before_do_not_hide_the_errors_of_now(seconds: int) -> None:
    clock = ToldClock()
    rollout = make(clock=clock, canary=50)
    answer(rollout, "new", 5000)
    rollout.flush()
    clock.pass_s(seconds)
    answer(rollout, "new", 100, 50)
    rollout.flush()
    assert rollout.refresh().canary == 0


def test_differences_take_the_canary_back() -> None:
    rollout = make(canary=5)
    for number in range(400):
        raw = {"now": (1, 2), **({"price": (1, 2)} if number % 20 == 0 else {})}
        rollout.differed(raw, {"now": (1, 2)}, {})
    rollout.flush()
    settings = rollout.refresh()
    assert settings.canary == 0
    assert settings.halted == (
        "5.0% of 400 compared answers differ beyond noise at 'price' (limit 2.0%)"
    )


def test_noise_does_not() -> None:
    rollout = make(canary=5)
    for _ in range(400):
        rollout.differed({"now": (1, 2)}, {"now": (1, 2)}, {})
    rollout.flush()
    assert rollout.refresh().canary == 5


def test_what_was_set_after_a_halt_begins_anew() -> None:
    rollout = make(canary=5)
    answer(rollout, "new", 200, 200)
    rollout.flush()
    assert rollout.refresh().halted
    rollout.set(canary=5, actor="ada", note="mended")
    answer(rollout, "new", 200)
    rollout.flush()
    assert (rollout.refresh().canary, rollout.refresh().halted) == (5, None)


def test_a_few_errors_more_may_be_chance() -> None:
    rollout = make(canary=50)
    answer(rollout, "new", 100, 9)
    rollout.flush()
    assert rollout.refresh().canary == 50
    answer(rollout, "new", 900, 81)
    rollout.flush()
    assert rollout.refresh().canary == 0


def test_no_limits_halt_nothing() -> None:
    rollout = make(canary=5, limits=Limits(errors=None, differences=None))
    answer(rollout, "new", 500, 500)
    rollout.flush()
    assert rollout.refresh().canary == 5


def test_halt_is_at_once_and_says_why() -> None:
    shared = MemoryShared()
    one, other = make(shared, canary=50), make(shared, canary=50)
    one.halt("users complain", actor="ada")
    assert (other.refresh().canary, other.refresh().halted) == (0, "users complain")


def test_each_change_begins_a_stage() -> None:
    rollout = make(canary=0)
    answer(rollout, "old", 10)
    rollout.set(canary=50)
    answer(rollout, "old", 5)
    answer(rollout, "new", 5, 1)
    rollout.set(canary=100)
    answer(rollout, "new", 7)
    stages = rollout.stages()
    assert [(stage.epoch, stage.canary) for stage in stages] == [(0, 0), (1, 50), (2, 100)]
    assert [{n: s.requests for n, s in stage.sides.items()} for stage in stages] == [
        {"old": 10},
        {"old": 5, "new": 5},
        {"new": 7},
    ]
    rollout.forget()
    assert rollout.stages() == []
    assert rollout.refresh().canary == 100


class Broken(MemoryShared):
    is_broken = True

    def get(self, name: str) -> dict[str, Any]:
        if self.is_broken:
            raise OSError("disk full")
        return super().get(name)

    def update(self, name: str, change: Any) -> dict[str, Any]:
        if self.is_broken:
            raise OSError("disk full")
        return super().update(name, change)


def test_without_the_record_all_go_to_the_old_side(caplog: pytest.LogCaptureFixture) -> None:
    shared = Broken()
    rollout = make(shared, canary=50)
    assert rollout.refresh() == Settings()
    answer(rollout, "old", 3)
    rollout.flush()
    rollout.flush()
    assert caplog.text.count("disk full") == 1
    shared.is_broken = False
    assert rollout.refresh().canary == 50
    rollout.flush()
    assert rollout.stages()[0].sides["old"].requests == 3
    shared.is_broken = True
    assert rollout.refresh().canary == 50, "what was known counts on"


def test_no_request_waits_for_a_record_that_is_away() -> None:
    is_open, is_over = threading.Event(), threading.Event()

    def slow() -> MemoryShared:
        is_open.set()
        assert is_over.wait(20)
        raise OSError("nobody there")

    rollout = Rollout("orders", shared=slow, canary=50, refresh_s=0.01)
    looking = threading.Thread(target=rollout.refresh)
    looking.start()
    assert is_open.wait(20)
    counting = threading.Thread(target=rollout.answered, args=("old", 0.1, False))
    counting.start()
    counting.join(10)
    waited = counting.is_alive()
    is_over.set()
    looking.join(20)
    assert not waited, "to count waited for the record"
    assert rollout.settings == Settings(), "or each request would look again"


def test_a_thread_looks_by_itself() -> None:
    shared = MemoryShared()
    rollout = Rollout("orders", shared=shared, canary=5, refresh_s=0.01)
    assert rollout.settings is None
    Rollout("orders", shared=shared, refresh_s=None).set(canary=42)
    is_there = threading.Event()
    for _ in range(2000):
        settings = rollout.settings
        if settings is not None and settings.canary == 42:
            break
        is_there.wait(0.01)
    else:
        raise AssertionError("never seen")
    rollout.answered("old", 0.1, False)
    for _ in range(2000):
        if shared.get("rollout:orders:counts"):
            break
        is_there.wait(0.01)
    else:
        raise AssertionError("never flushed")


@pytest.mark.parametrize(
    "options", [{"canary": -1}, {"canary": 101}, {"shadow": "5"}, {"canary": True}]
)
def test_percentages_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(SetupError):
        make(**options)
    with pytest.raises(SetupError):
        make().set(**options)


@pytest.mark.parametrize("options", [{"errors": 2}, {"differences": -1}, {"least": 0}])
def test_limits_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(SetupError):
        Limits(**options)


def test_a_name_is_short() -> None:
    with pytest.raises(SetupError):
        Rollout("x" * 65)
