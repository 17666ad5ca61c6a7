"""Every app of the catalog, on the real Flask and on hipflask, must give the same answers."""

from __future__ import annotations

import fnmatch
import gc
import importlib.util
import logging
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given

from . import apps_answers, apps_content, apps_errors, apps_routing, apps_state  # noqa: F401  (they register)
from .catalog import SUBJECTS, Subject
from .effort import effort
from .harness import Call, Side, hold_together, load_differences, open_side
from .requests import conversations

DIFFERENCES = load_differences()
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")


pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'session' cookie is too large"),
    pytest.mark.filterwarnings("ignore:Current server name"),
    # Werkzeug's form parser leaves the files of a body cut short to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def collect_within_the_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(params=sorted(SUBJECTS))
def topic(request: Any) -> Subject:
    found = SUBJECTS[request.param]
    if found.needs and importlib.util.find_spec(found.needs) is None:
        pytest.skip(f"app {found.name!r} needs {found.needs}")
    return found


def open_pair(real: ModuleType, hip: ModuleType, topic: Subject, door: str) -> tuple[Side, Side]:
    pair = open_side(real, topic.build), open_side(hip, topic.build, door)
    for side in pair:
        side.app.logger.disabled = False
        side.app.logger.propagate = False
        side.app.logger.handlers[:] = []
        side.app.logger.addHandler(logging.NullHandler())
    return pair


def start_afresh(pair: tuple[Side, Side]) -> None:
    for side in pair:
        side.jar.values.clear()


def test_probes_get_the_same_answers(
    real: ModuleType, hip: ModuleType, topic: Subject, door: str
) -> None:
    pair = open_pair(real, hip, topic, door)
    calls = [
        Call(method, path, query, host=host)
        for path in topic.paths
        for method in METHODS
        for query in topic.queries[:2] or ("",)
        for host in topic.hosts
    ]
    for call in calls:
        start_afresh(pair)
        hold_together(topic.name, *pair, [call], DIFFERENCES)
    for sequence in topic.probes:
        start_afresh(pair)
        hold_together(topic.name, *pair, sequence, DIFFERENCES)


def test_random_conversations_get_the_same_answers(
    real: ModuleType, hip: ModuleType, topic: Subject, door: str
) -> None:
    pair = open_pair(real, hip, topic, door)

    # Most of what can differ is behind the doors, and the same for all of them.
    @effort((30 if topic.needs else 50) if door == "wsgi" else 15)
    @given(conversations(topic))
    def converse(calls: list[Call]) -> None:
        start_afresh(pair)
        hold_together(topic.name, *pair, calls, DIFFERENCES)

    converse()


def test_every_meant_difference_has_a_reason() -> None:
    for entry in DIFFERENCES:
        assert len(entry.reason) > 20
        assert fnmatch.filter(SUBJECTS, entry.app), entry.app
