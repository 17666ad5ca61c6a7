"""Runs that take a secret: worked on by the process that was given it, as it is never stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...database import Claimed
from ...webhooks.working.holding import Held
from ...webhooks.working.lines import Line
from .executing import Executor
from .jobs import Jobs


def run_here(tool: Any, jobs: Jobs, claimed: Claimed[Any], secrets: Mapping[str, Any]) -> None:
    """Work on a run that this process has claimed, and come back when it has ended.

    Its lease is kept meanwhile: a crash makes it `interrupted` as any other.
    """
    executor = Executor(tool, jobs)
    line = Line("job", jobs, executor.work)
    held = Held([line], sweep_s=3600.0)
    held.take(line, claimed)
    held.start()
    try:
        executor.work(claimed, secrets)
    finally:
        held.drop(line, claimed)
        held.stop()
