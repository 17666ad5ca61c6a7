"""A queue, and what is done with its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...database import Limits, Queue


@dataclass(frozen=True, eq=False)
class Line:
    """Rows of `queue` in the `lanes` that are known here, and `work`, which ends one of them.

    `work` gets what `Queue.claim` returned, in a worker's thread. It raises nothing: whatever
    happens, it finishes the row or gives it back, or has lost it.
    """

    name: str
    queue: Queue[Any]
    work: Callable[[Any], None]
    lanes: Mapping[str, Limits] = field(default_factory=dict)
