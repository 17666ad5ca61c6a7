"""What every door is held to: probes, and random conversations, on Flask and on hipflask."""

from __future__ import annotations

import logging
from types import ModuleType

import pytest
from hypothesis import given

from . import apps_answers, apps_content, apps_errors, apps_routing, apps_state  # noqa: F401  (they register)
from .catalog import Subject
from .effort import effort
from .harness import Call, Side, hold_together, load_differences, open_side
from .requests import conversations

DIFFERENCES = load_differences()
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
MARKS = [
    pytest.mark.usefixtures("collect_within_the_test"),
    pytest.mark.filterwarnings("ignore:The 'session' cookie is too large"),
    pytest.mark.filterwarnings("ignore:Current server name"),
    # Werkzeug's form parser leaves the files of a body cut short to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning"),
]


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


def probe(real: ModuleType, hip: ModuleType, topic: Subject, door: str) -> None:
    """Send every path with every method, and the app's own sequences."""
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


def converse(real: ModuleType, hip: ModuleType, topic: Subject, door: str) -> None:
    """Send what Hypothesis makes of the app's words."""
    pair = open_pair(real, hip, topic, door)

    @effort(30 if topic.needs else 50)
    @given(conversations(topic))
    def talk(calls: list[Call]) -> None:
        start_afresh(pair)
        hold_together(topic.name, *pair, calls, DIFFERENCES)

    talk()
