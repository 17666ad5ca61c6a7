"""Many together or one alone."""

from __future__ import annotations

import threading

from hipflask.webhooks.working.turns import Turns

WAIT_S = 10


def test_one_alone_waits_for_those_at_work_and_holds_off_newcomers() -> None:
    turns = Turns()
    order: list[str] = []
    first_in, may_leave, alone_in, may_end = (threading.Event() for _ in range(4))

    def first() -> None:
        with turns.together():
            first_in.set()
            may_leave.wait(WAIT_S)
            order.append("first")

    def alone() -> None:
        with turns.alone():
            alone_in.set()
            may_end.wait(WAIT_S)
            order.append("alone")

    def newcomer() -> None:
        with turns.together():
            order.append("newcomer")

    threads = [threading.Thread(target=one) for one in (first, alone, newcomer)]
    threads[0].start()
    assert first_in.wait(WAIT_S)
    threads[1].start()
    while not turns._want_alone:
        pass
    threads[2].start()
    may_leave.set()
    assert alone_in.wait(WAIT_S)
    assert order == ["first"]
    may_end.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert order == ["first", "alone", "newcomer"]


def test_many_are_together() -> None:
    turns = Turns()
    barrier = threading.Barrier(3, timeout=WAIT_S)

    def run() -> None:
        with turns.together():
            barrier.wait()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert not barrier.broken


def test_an_error_ends_a_turn() -> None:
    turns = Turns()
    for turn in (turns.together, turns.alone):
        try:
            with turn():
                raise ValueError
        except ValueError:
            pass
    with turns.alone():
        pass
