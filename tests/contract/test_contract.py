"""Every app of the catalog, on the real Flask and on hipflask, must give the same answers."""

from __future__ import annotations

import fnmatch
from types import ModuleType

from .catalog import SUBJECTS, Subject
from .exchanges import DIFFERENCES, MARKS, converse, probe

pytestmark = MARKS


def test_probes_get_the_same_answers(real: ModuleType, hip: ModuleType, topic: Subject) -> None:
    probe(real, hip, topic, "wsgi")


def test_random_conversations_get_the_same_answers(
    real: ModuleType, hip: ModuleType, topic: Subject
) -> None:
    converse(real, hip, topic, "wsgi")


def test_every_meant_difference_has_a_reason() -> None:
    for entry in DIFFERENCES:
        assert len(entry.reason) > 20
        assert fnmatch.filter(SUBJECTS, entry.app), entry.app
