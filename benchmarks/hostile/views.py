"""Views that misbehave: the soak's, under the other servers as well."""

from __future__ import annotations

from benchmarks.soak.server import Soak
from benchmarks.soak.views import PATHS, misbehave

from .servers import OURS, names, start


async def misbehaving(soak: Soak) -> None:
    soak.report.begin("misbehaving views", f"{len(PATHS)} of them under each server")
    for name in names(soak):
        async with start(soak, name) as server:
            await misbehave(soak, name, server, is_ours=name in OURS)
