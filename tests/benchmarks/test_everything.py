"""What everything adds to a request: what is switched on is on, and its figures are judged."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.document import Row
from benchmarks.drivers import DRIVERS
from benchmarks.everything import (
    ALL,
    CALLS,
    LIMIT_US,
    NOTHING,
    OFF,
    PARTS,
    add_differences,
    check,
    figures_of,
    switched,
)
from hipflask.ops import metrics

WIDTH = len(metrics.SECONDS) + 2
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, factory = list(root.handlers), logging.getLogRecordFactory()
    yield
    root.handlers[:] = handlers
    logging.setLogRecordFactory(factory)


def answered(name: str, interface: str, method: str = "GET") -> tuple[Any, str]:
    stream = io.StringIO()
    driver = DRIVERS[interface](switched(name, is_async=interface != "wsgi", stream=stream))
    answer = driver.send(CALLS[method])
    driver.close()
    check(answer, method)
    return answer, stream.getvalue()


@pytest.mark.parametrize("interface", DRIVERS)
@pytest.mark.parametrize("method", CALLS)
def test_with_all_of_them_each_does_its_work(interface: str, method: str) -> None:
    counted = metrics.histogram(
        "http_server_request_duration_seconds", "", ["method", "route", "status"]
    )
    labels = method, "/items/<int:number>", "200"
    before = sum(counted.series(*labels).read(WIDTH)[:-1])
    answer, lines = answered(ALL, interface, method)
    line = json.loads(lines)
    assert sum(counted.series(*labels).read(WIDTH)[:-1]) == before + 1
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert answer.header("x-request-id") == line["request_id"]
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("ratelimit").startswith('"all";r=')


@pytest.mark.parametrize("interface", DRIVERS)
@pytest.mark.parametrize("name", [NOTHING, OFF, *(part.name for part in PARTS)])
def test_alone_each_does_its_own(interface: str, name: str) -> None:
    answer, lines = answered(name, interface)
    assert bool(lines) == name.startswith("logs")
    assert bool(answer.header("x-request-id")) == name.endswith("id in answers")
    assert bool(answer.header("x-frame-options")) == (name == "guards")
    assert bool(answer.header("ratelimit")) == (name == "rate limit")


def test_figures_are_what_is_added_on_a_quiet_machine() -> None:
    rows = [
        Row(NOTHING, "wsgi", "GET", [10.0, 20.0, 11.0]),
        Row(OFF, "wsgi", "GET", [12.0, 20.2, 10.2]),
        Row(ALL, "wsgi", "GET", [10.5 + LIMIT_US, 35.5, 27.0]),
    ]
    add_differences(rows)
    assert [row.more["added_us"] for row in rows] == [0.0, 0.2, 15.5]
    assert [(figure.ours, figure.held) for figure in figures_of(rows)] == [
        (15.5, False),
        (0.2, True),
    ]


def test_a_planted_fault_is_found() -> None:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.everything", "--quick"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "FAULT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    missed = [line for line in done.stdout.splitlines() if line.startswith("MISSED all,")]
    assert len(missed) == len(DRIVERS) * len(CALLS), done.stdout
