"""Fields and cookies of answers, as a scanner looks at them: the audit of the guards' tests."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.soak.server import Soak


async def heads(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("heads", "fields and cookies of every kind of answer, over all doors")
    try:
        from tests.guards.audit import hostile
    except ImportError as error:
        report.skip(f"there is no audit: {error}")
        return
    made, failed = await asyncio.to_thread(hostile)
    report.cases += made
    report.check(f"failed of {made} checks", failed, "=", 0)
