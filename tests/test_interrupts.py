"""An interrupt that Python drops is not lost."""

from __future__ import annotations

import contextlib
import signal
import threading

import pytest

from hipflask import interrupts


@pytest.fixture(autouse=True)
def python_s_own_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def took_over():
    heard = []
    interrupts.replace(signal.SIGINT, lambda number, frame: heard.append(number))
    return heard


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_in_a_finalizer_reaches_who_takes_the_signal_over():
    interrupts.note()
    one = Finalized()
    with contextlib.suppress(KeyboardInterrupt):
        del one
    assert took_over() == [signal.SIGINT]


def test_who_takes_over_hears_nothing_when_nothing_came():
    interrupts.note()
    assert took_over() == []


def test_a_noted_interrupt_is_raised():
    interrupts.note()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_handler_of_the_program_s_own_stays():
    mine = lambda number, frame: None  # noqa: E731
    signal.signal(signal.SIGINT, mine)
    interrupts.note()
    assert signal.getsignal(signal.SIGINT) is mine


def test_nothing_is_noted_off_the_main_thread():
    thread = threading.Thread(target=interrupts.note)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
