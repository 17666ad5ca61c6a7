"""Run the soak: `python -m benchmarks.soak [--quick] [--only FAULT,...]`; exit 1 for a miss."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from .faults import FAULTS
from .report import Report
from .server import Soak

# Each idle connection is a file here and one in the server, which inherits the limit.
FILES = 16_384


def main() -> int:
    """Read the command line, run the faults in turn, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", default=os.environ.get("ONLY") or ",".join(FAULTS))
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there is {', '.join(FAULTS)}")
    if not sys.platform.startswith("linux"):
        parser.error("the soak reads /proc, so it runs on Linux only")
    raise_file_limit()
    if os.environ.get("FAULT"):
        os.environ["SOAK_FAULT"] = "1"
        print("FAULT: the app leaks and answers wrongly; figures must be missed")
    report, began = Report(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hipflask-soak-") as folder:
        soak = Soak(report, Path(folder), options.quick)
        for name in names:
            asyncio.run(_one(soak, name))
    print(f"\ntook {time.monotonic() - began:.0f} s")
    return report.end()


async def _one(soak: Soak, name: str) -> None:
    fault, seconds = FAULTS[name]
    try:
        async with asyncio.timeout(seconds):
            await fault(soak)
    except Exception as error:
        soak.report.fail(f"{name} did not end: {type(error).__name__}: {error}")


def raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
