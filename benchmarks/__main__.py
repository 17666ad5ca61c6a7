"""`make bench`: everything that needs no server but its own, and its figures.

`python -m benchmarks [--quick] [--compare OLD.json]`: in-process costs, what watching and
guarding add to them, then start-up; exit 1 for a figure missed or a run that is void. Each part
is also a program of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from . import everything, inprocess, startup
from .compare import check_old, finish
from .document import Document, read_document
from .servers import ended_by_signals

PROGRAMS = ("inprocess", "everything", "startup")


def main() -> int:
    """Read the command line, run all parts, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--compare", type=Path, default=os.environ.get("COMPARE") or None)
    options = parser.parse_args()
    old = program_of(options.compare)
    check_old(options.compare, old)
    if os.environ.get("FAULT"):
        print("FAULT: hipflask burns time in each request; figures must be missed")

    def end(document: Document) -> int:
        return finish(document, options.compare if document.program == old else None)

    began = time.monotonic()
    with ended_by_signals():
        codes = [end(inprocess.measure(quick=options.quick))]
        codes.append(end(everything.measure(quick=options.quick)))
        codes.append(end(startup.measure(quick=options.quick)))
    print(f"took {time.monotonic() - began:.0f} s")
    return max(codes)


def program_of(path: Path | None) -> str:
    """Return which of the parts an older run is of; the first for what is no run at all."""
    try:
        found = read_document(path).program if path else ""
    except (OSError, ValueError, KeyError, TypeError):
        found = ""
    return found if found in PROGRAMS else PROGRAMS[0]


if __name__ == "__main__":
    sys.exit(main())
