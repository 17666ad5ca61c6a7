from __future__ import annotations

import pytest

from hipflask.forward import Schedule
from hipflask.scaffold import SetupError


def test_the_usual_ladder_is_the_published_one() -> None:
    expected = (5, 30, 300, 1800, 7200, 18000, 36000, 86400)
    assert Schedule.parse("5s..24h").steps_s == expected
    assert Schedule().steps_s == expected
    assert Schedule.parse("5s..24h").attempts == 9


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("none", ()),
        ("1s, 10s,1m", (1, 10, 60)),
        ("10s..10m", (10, 30, 300, 600)),
        ("5s..5s", (5,)),
        ("250ms", (0.25,)),
        ("1d", (86400,)),
    ],
)
def test_parse_reads_what_is_written(text: str, steps: tuple[float, ...]) -> None:
    schedule = Schedule.parse(text)
    assert schedule.steps_s == steps
    assert Schedule.parse(str(schedule)).steps_s == steps
    assert Schedule.parse(schedule) is schedule


@pytest.mark.parametrize("text", ["", "5", "5s..", "1m..1s", "-5s", "5 parsecs", "5s;10s", "1e9s"])
def test_parse_refuses_what_is_no_schedule(text: str) -> None:
    with pytest.raises(SetupError):
        Schedule.parse(text)


def test_a_message_shows_the_way_out() -> None:
    with pytest.raises(SetupError) as caught:
        Schedule.parse("5s, soon")
    assert str(caught.value) == (
        "The retries '5s, soon' are no schedule: 'soon' is no time. Write for example '5s..24h',"
        " '1s, 10s, 1m' or 'none'; units are ms, s, m, h and d."
    )


def test_each_wait_is_within_a_fifth_of_its_step() -> None:
    schedule = Schedule()
    for number, step in enumerate(schedule.steps_s, start=1):
        assert schedule.next(number, random=lambda: 0.0) == pytest.approx(0.8 * step)
        assert schedule.next(number, random=lambda: 0.5) == pytest.approx(step)
        assert schedule.next(number, random=lambda: 0.999999) == pytest.approx(1.2 * step, rel=1e-5)


def test_after_the_last_attempt_there_is_none() -> None:
    assert Schedule((1.0,)).next(1) is not None
    assert Schedule((1.0,)).next(2) is None
    assert Schedule(()).next(1, retry_after_s=5) is None
    with pytest.raises(ValueError, match="numbered from 1"):
        Schedule().next(0)


def test_retry_after_counts_between_the_step_and_a_day() -> None:
    schedule = Schedule((10.0, 10.0))
    assert schedule.next(1, retry_after_s=1, random=lambda: 0.5) == 10
    assert schedule.next(1, retry_after_s=60, random=lambda: 0.0) == 60
    assert 60 <= (schedule.next(1, retry_after_s=60) or 0) <= 62
    assert schedule.next(1, retry_after_s=1e9, random=lambda: 0.0) == 86400


@pytest.mark.parametrize("jitter", [-0.1, 1.0])
def test_a_jitter_is_a_share(jitter: float) -> None:
    with pytest.raises(SetupError):
        Schedule((1.0,), jitter)
