"""HTTP/2: very many requests in streams of few connections, by h2load (Debian: nghttp2-client).

What clients may do wrong in HTTP/2 is tried frame by frame in tests/server/test_http2.py.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import Any

from benchmarks.soak.server import Soak

from .servers import OURS, watched

CONNECTIONS, STREAMS = 50, 10
_OUTCOME = re.compile(r"requests: (\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) errored")


async def http2(soak: Soak) -> None:
    report: Any = soak.report
    number = soak.of(100_000, 5_000)
    report.begin("HTTP/2", f"{number} requests, {CONNECTIONS} connections of {STREAMS} streams")
    if shutil.which("h2load") is None:
        report.skip("h2load is not installed: apt-get install nghttp2-client")
        return
    for name in OURS[:1] if soak.quick else OURS:
        async with watched(soak, name) as server:
            words = ["h2load", "-n", str(number), "-c", str(CONNECTIONS), "-m", str(STREAMS)]
            process = await asyncio.create_subprocess_exec(
                *words,
                f"http://127.0.0.1:{server.port}/async",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said = (await process.communicate())[0].decode()
            outcome = _OUTCOME.search(said)
            if outcome is None:
                report.fail(f"{name}: h2load said {said[-300:]!r}")
                continue
            total, succeeded, failed, errored = map(int, outcome.groups())
            report.cases += total
            report.check(f"{name}: succeeded", succeeded, "=", number)
            report.check(f"{name}: failed", failed + errored, "=", 0)
