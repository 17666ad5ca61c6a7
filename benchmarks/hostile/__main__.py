"""Run the batteries: `python -m benchmarks.hostile [--quick] [--only NAME,...]`.

Exits 1 for an answer of 500 or more, a hang, a leak, or a figure that is missed. `QUICK=1` is the
short run, `ONLY=cut,oversize` takes some, `FAULT=1` plants a fault that must be found.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.soak.__main__ import raise_file_limit
from benchmarks.soak.busy import busy
from benchmarks.soak.chunks import small_chunks
from benchmarks.soak.faults import idle_connections, kill_many, kill_one, slow_clients, vanished
from benchmarks.soak.server import Soak

from .clocks import clocks
from .cut import cut
from .guarding import guards
from .heads import heads
from .http2 import http2
from .leaving import leaving
from .logins import logins
from .malformed import malformed
from .ops import ops
from .oversize import oversize
from .proxies import proxies
from .report import Hostile
from .restoring import restoring
from .sockets import sockets
from .state import state
from .store import store
from .views import misbehaving

#: By name: the battery, and seconds after which it is a hang of its own.
BATTERIES: dict[str, tuple[Callable[[Soak], Awaitable[None]], float]] = {
    "malformed": (malformed, 400),
    "cut": (cut, 600),
    "oversize": (oversize, 900),
    "slow": (slow_clients, 240),
    "idle": (idle_connections, 150),
    "busy": (busy, 90),
    "chunks": (small_chunks, 300),
    "misbehaving": (misbehaving, 200),
    "sockets": (sockets, 400),
    "http2": (http2, 300),
    "leaving": (leaving, 600),
    "vanished": (vanished, 240),
    "kill": (kill_one, 90),
    "kills": (kill_many, 150),
    "store": (store, 300),
    "clocks": (clocks, 120),
    "heads": (heads, 120),
    "logins": (logins, 1_200),
    "guards": (guards, 500),
    "state": (state, 600),
    "restore": (restoring, 400),
    "ops": (ops, 300),
    "proxies": (proxies, 900),
}


def main() -> int:
    """Read the command line, run the batteries in turn, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", default=os.environ.get("ONLY") or ",".join(BATTERIES))
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := set(chosen) - BATTERIES.keys():
        parser.error(
            f"no such battery: {', '.join(sorted(unknown))}; there is {', '.join(BATTERIES)}"
        )
    if not sys.platform.startswith("linux"):
        parser.error("the batteries read /proc, so they run on Linux only")
    raise_file_limit()
    if os.environ.get("FAULT"):
        os.environ["SOAK_FAULT"] = "1"
        print("FAULT: the app leaks and answers wrongly; that must be found")
    report, began = Hostile(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hipflask-hostile-") as folder:
        soak = Soak(report, Path(folder), options.quick)
        for name in chosen:
            asyncio.run(_one(soak, name, report))
    print(f"\ntook {time.monotonic() - began:.0f} s")
    return report.end()


async def _one(soak: Soak, name: str, report: Hostile) -> None:
    battery, seconds = BATTERIES[name]
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            await battery(soak)
    except TimeoutError:
        report.hang(f"{name} did not end within {seconds:.0f} s")
    except Exception as error:
        report.fail(f"{name} did not end: {type(error).__name__}: {error}")
    report.line(f"{name}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
