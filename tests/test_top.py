"""`hipflask top`: what it works out of two pictures, and how it fits a terminal."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hipflask.cli.top import top_command
from hipflask.cli.top.asking import NoAnswer, find
from hipflask.cli.top.counting import compare, quantile
from hipflask.cli.top.drawing import age, count, cut, draw, duration, rate, share, width_of
from hipflask.cli.top.watching import _window
from hipflask.server import rundir

COLOUR = re.compile(r"\x1b\[\d*m")
BOUNDS = [0.1, 1.0]


def figure(name: str, *series: tuple[dict[str, str], list[float | None]], kind: str = "gauge"):
    rows = [{"labels": labels, "numbers": numbers} for labels, numbers in series]
    bounds = BOUNDS if kind == "histogram" else []
    return {"name": name, "kind": kind, "text": "", "bounds": bounds, "series": rows}


def requests(method: str, route: str, status: str, *numbers: float):
    return {"method": method, "route": route, "status": status}, list(numbers)


def status(at_s: float = 100.0, pid: int = 1, requested: Any = (), *more: Any) -> dict[str, Any]:
    worker = {"worker": 1, "pid": 7, "state": "serving", "age_s": 50.0, "answers": True}
    worker |= {"rss_bytes": 64 * 2**20, "cpu_s": at_s / 4, "in_work": 2.0, "lag_s": 0.0004}
    worker |= {"pool_size": 32.0, "pool_busy": 32.0, "pool_waiting": 5.0}
    worker |= {"open_files": 9.0, "threads": 3.0}
    return {
        "app": "shop",
        "version": "1",
        "pid": pid,
        "age_s": at_s,
        "at_s": at_s,
        "draining": False,
        "workers": [worker],
        "figures": [
            figure("http_server_request_duration_seconds", *requested, kind="histogram"),
            figure("http_server_active_requests",
                   ({"route": "/a"}, [2.0]), ({"route": "/new"}, [1.0])),
            figure("hipflask_requests_in_work", ({}, [3.0])),
            figure("hipflask_requests_shed_total", ({"reason": "limit"}, [at_s]), kind="counter"),
            figure("hipflask_webhooks_rows",
                   ({"queue": "inbox", "lane": "github", "state": "received"}, [3.0]),
                   ({"queue": "inbox", "lane": "github", "state": "done"}, [100.0]),
                   ({"queue": "inbox", "lane": "github", "state": "dead"}, [1.0])),
            figure("hipflask_webhooks_oldest_unprocessed_seconds",
                   ({"queue": "inbox", "lane": "github"}, [90.0])),
            figure("hipflask_webhooks_stored_total",
                   ({"source": "github", "kind": "stored"}, [at_s * 2]), kind="counter"),
            figure("hipflask_database_pool_size", ({"database": "db", "worker": "1"}, [10.0])),
            figure("hipflask_database_pool_busy", ({"database": "db", "worker": "1"}, [4.0])),
            *more,
        ],
    }  # fmt: skip


BEFORE = status(100.0, 1, [requests("GET", "/a", "200", 10, 0, 0, 0.5)])
NOW = status(
    110.0,
    1,
    [
        requests("GET", "/a", "200", 20, 5, 0, 3.5),
        requests("GET", "/a", "500", 0, 5, 0, 2.5),
        requests("POST", "/b", "200", 0, 0, 0, 0.0),
    ],
)


def test_what_happened_between_two_moments() -> None:
    view = compare(BEFORE, NOW)
    assert (view.rate, view.error_share, view.in_work, view.shed) == (2.0, 0.25, 3, 1.0)
    first = next(each for each in view.routes if each.route == "/a")
    assert (first.method, first.rate, first.error_share, first.requests) == ("GET", 2.0, 0.25, 30)
    assert first.p50_s == pytest.approx(0.1)
    assert first.p95_s == pytest.approx(0.1 + 0.9 * 0.9)
    assert first.in_work == 2
    assert [each.route for each in view.routes if each.method == ""] == ["/new"]
    (worker,) = view.workers
    assert worker.cpu == pytest.approx(0.25)
    (lane,) = view.lanes
    assert (lane.lane, lane.rate, lane.backlog, lane.oldest_s, lane.dead) == ("github", 2, 3, 90, 1)
    assert json.loads(json.dumps(view.plain()))["routes"][0]["route"] == "/a"


def test_another_service_at_the_same_place_is_not_compared() -> None:
    view = compare({**BEFORE, "pid": 2}, NOW)
    assert view.over_s == NOW["age_s"]
    assert compare(None, NOW).rate == 30 / 110


def test_a_store_that_is_away_is_not_known() -> None:
    away = status()
    for family in away["figures"]:
        if family["name"].startswith("hipflask_webhooks_"):
            for series in family["series"]:
                series["numbers"] = [None]
    (lane,) = compare(None, away).lanes
    assert (lane.backlog, lane.oldest_s, lane.dead) == (None, None, None)
    assert draw(compare(None, away), 80, 24)


@given(
    st.lists(st.integers(0, 1000), min_size=3, max_size=3),
    st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_the_bucket_that_has_it(counts: list[int], q: float) -> None:
    found = quantile(q, BOUNDS, [*map(float, counts), 0.0])
    if not sum(counts):
        assert found is None
        return
    assert found is not None
    wanted = q * sum(counts)
    below = sum(n for n, bound in zip(counts, [*BOUNDS, float("inf")]) if bound < found)
    upto = sum(n for n, low in zip(counts, [0.0, *BOUNDS]) if low < found or low == 0)
    assert below <= wanted + 1e-6
    assert upto >= wanted - 1e-6


@given(
    st.integers(1, 200),
    st.integers(3, 60),
    st.lists(st.text(min_size=1, max_size=60), max_size=30),
    st.sampled_from(["rate", "errors", "p95", "work", "route"]),
)
def test_every_line_fits_and_nothing_reaches_the_terminal(
    width: int, height: int, names: list[str], sort: str
) -> None:
    requested = [requests("GET", name, "500", 1, 2, 3, 4) for name in names]
    lines = draw(compare(None, status(50.0, 1, requested)), width, height, sort, trouble=str(names))
    assert len(lines) <= height
    for line in lines:
        plain = COLOUR.sub("", line)
        assert plain.isprintable()
        if width >= 24:  # the name of the app and how long it runs
            assert width_of(plain) <= width


def test_in_a_narrow_terminal_columns_give_way() -> None:
    view = compare(BEFORE, NOW)
    wide = "\n".join(draw(view, 120, None, colours=False))
    narrow = "\n".join(draw(view, 34, None, colours=False))
    for title in ("method", "requests", "p95", "worker", "backlog"):
        assert title in wide
    assert "requests" not in narrow
    for title in ("route", "req/s", "worker", "backlog", "dead"):
        assert title in narrow


def test_more_routes_than_lines_are_told() -> None:
    requested = [requests("GET", f"/{number}", "200", 1, 0, 0, 0) for number in range(40)]
    lines = draw(compare(None, status(50.0, 1, requested)), 80, 30, colours=False)
    assert any(re.match(r"\d+ more routes", line) for line in lines)


def test_figures_are_short() -> None:
    assert [rate(x) for x in (0, 0.2, 3.25, 99.94, 1234.5)] == ["0", "0.20", "3.2", "99.9", "1 234"]
    assert [share(x) for x in (0, 0.004, 0.5, 1)] == ["0 %", "0.4 %", "50 %", "100 %"]
    assert [duration(x) for x in (None, 0.0004, 0.004, 0.0994, 0.25, 2.5, float("inf"))] == [
        "-", "0.4 ms", "4.0 ms", "99 ms", "250 ms", "2.5 s", ">10 s"
    ]  # fmt: skip
    assert [age(x) for x in (0, 59, 61, 7300, 90000)] == [
        "0 s", "59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"
    ]  # fmt: skip
    assert count(None) == "-"
    assert cut("größer", 4) == "grö…"
    assert cut("漢字漢字", 5) == "漢字…"


def test_a_long_name_is_cut_in_linear_time() -> None:
    def asked(length: int) -> int:
        """How many characters were looked at."""
        seen = 0

        def count_calls(frame: Any, event: str, arg: Any) -> None:
            nonlocal seen
            seen += event == "c_call" and arg is unicodedata.east_asian_width

        sys.setprofile(count_calls)
        try:
            assert cut("é" * length, 10) == "é" * 9 + "…"
        finally:
            sys.setprofile(None)
        return seen

    assert 0 < asked(2000) < 3 * asked(1000)


def test_rates_are_over_the_last_seconds() -> None:
    kept = [status(0.0)]
    for second in range(1, 9):
        kept = _window(kept, status(float(second)))
    assert [each["at_s"] for each in kept] == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert [each["at_s"] for each in _window(kept, status(9.0, pid=2))] == [9.0]


def test_who_is_not_there_is_told_with_the_way_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rundir, "root", lambda: tmp_path)
    run = CliRunner().invoke(top_command, [])
    assert run.exit_code == 1
    assert "no service runs under" in run.output
    assert "--ops-bind" in run.output
    for place in ("http://127.0.0.1:1", "127.0.0.1:1", str(tmp_path / "no.sock"), str(tmp_path)):
        run = CliRunner().invoke(top_command, [place, "--once"])
        assert run.exit_code == 1, place
        assert run.output.count("\n") == 1
    with pytest.raises(NoAnswer):
        find("http://127.0.0.1:nonsense").status()
