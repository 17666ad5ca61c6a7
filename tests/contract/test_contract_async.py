"""The same apps behind the doors of ASGI and RSGI; a file of its own, for a second core."""

from __future__ import annotations

from types import ModuleType

import pytest

from .catalog import Subject
from .exchanges import MARKS, converse, probe

pytestmark = MARKS

DOORS = pytest.mark.parametrize("door", ["asgi", "rsgi"])


@DOORS
def test_probes_get_the_same_answers(
    real: ModuleType, hip: ModuleType, topic: Subject, door: str
) -> None:
    probe(real, hip, topic, door)


@DOORS
def test_random_conversations_get_the_same_answers(
    real: ModuleType, hip: ModuleType, topic: Subject, door: str
) -> None:
    converse(real, hip, topic, door)
