from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from hipflask.forward import Breaker, MemoryShared
from hipflask.scaffold import SetupError

from .clocks import ToldClock


def make(**options: object) -> tuple[Breaker, ToldClock, MemoryShared]:
    clock, shared = ToldClock(), MemoryShared()
    return Breaker("ledger", clock=clock, shared=shared, **options), clock, shared  # type: ignore[arg-type]


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.record(False, breaker.admit())


def test_nine_failures_do_not_open_it_and_ten_do() -> None:
    breaker, _, _ = make()
    fail(breaker, 9)
    assert breaker.admit().granted
    fail(breaker, 1)
    assert not breaker.admit().granted
    assert breaker.state().state == "open"


def test_the_share_counts_not_the_number() -> None:
    breaker, _, _ = make(rate=0.5)
    for _ in range(30):
        breaker.record(True, breaker.admit())
    fail(breaker, 29)
    assert breaker.admit().granted
    fail(breaker, 1)
    assert not breaker.admit().granted


def test_successes_count_though_they_are_told_later() -> None:
    breaker, clock, _ = make()
    breaker.record(True)
    for _ in range(100):
        breaker.record(True)
    fail(breaker, 10)
    assert breaker.state().requests == 111
    assert breaker.state().failures == 10
    assert breaker.admit().granted
    clock.pass_s(2)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    breaker, clock, _ = make(window_s=60)
    fail(breaker, 9)
    clock.pass_s(61)
    fail(breaker, 1)
    assert breaker.state().requests == 1
    assert breaker.admit().granted


def test_one_probe_an_interval_and_no_more() -> None:
    breaker, clock, _ = make(interval_s=30)
    fail(breaker, 10)
    assert breaker.admit().wait_s == pytest.approx(30)
    clock.pass_s(29)
    assert not breaker.admit().granted
    clock.pass_s(2)
    first, second = breaker.admit(), breaker.admit()
    assert (first.granted, first.is_probe, second.granted) == (True, True, False)
    breaker.record(False, first)
    assert not breaker.admit().granted
    clock.pass_s(31)
    assert breaker.admit().is_probe


def test_a_probe_that_never_came_back_holds_nobody_up() -> None:
    breaker, clock, _ = make(interval_s=30)
    fail(breaker, 10)
    clock.pass_s(31)
    assert breaker.admit().is_probe
    clock.pass_s(31)
    assert breaker.admit().is_probe


def test_a_probe_that_succeeds_closes_it_with_a_clean_slate() -> None:
    breaker, clock, _ = make()
    fail(breaker, 10)
    clock.pass_s(31)
    probe = breaker.admit()
    state = breaker.record(True, probe)
    assert (state.state, state.requests) == ("closed", 0)
    fail(breaker, 9)
    assert breaker.admit().granted


def test_a_call_from_before_it_opened_says_nothing() -> None:
    breaker, _, _ = make()
    early = breaker.admit()
    fail(breaker, 10)
    assert breaker.record(True, early).state == "open"


def test_two_processes_agree() -> None:
    one, clock, shared = make()
    other = Breaker("ledger", clock=clock, shared=shared)
    assert other.admit().granted
    fail(one, 10)
    clock.pass_s(1.5)
    assert not other.admit().granted
    clock.pass_s(30)
    probes = [one.admit(), other.admit()]
    assert [probe.granted for probe in probes] == [True, False]
    one.record(True, probes[0])
    clock.pass_s(1.5)
    assert other.admit().granted


def test_many_threads_get_one_probe() -> None:
    breaker, clock, _ = make()
    fail(breaker, 10)
    clock.pass_s(31)
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: breaker.admit(), range(200)))
    assert sum(admission.granted for admission in made) == 1


def test_reset_closes_it() -> None:
    breaker, _, _ = make()
    fail(breaker, 10)
    assert breaker.reset().state == "closed"
    assert breaker.admit().granted


def test_a_record_that_cannot_be_written_loses_no_count() -> None:
    breaker, clock, shared = make()
    for _ in range(5):
        breaker.record(True)
    real = shared.update

    def broken(name: str, change: object) -> object:
        raise OSError("disk full")

    shared.update = broken  # type: ignore[assignment,method-assign]
    with pytest.raises(OSError):
        breaker.record(False)
    shared.update = real  # type: ignore[method-assign]
    clock.pass_s(2)
    breaker.record(True)
    assert breaker.state().requests == 6


@pytest.mark.parametrize(
    "options", [{"rate": 0}, {"rate": 1.1}, {"least": 0}, {"window_s": 0}, {"interval_s": -1}]
)
def test_what_cannot_be_meant_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(SetupError):
        Breaker("ledger", **options)  # type: ignore[arg-type]
