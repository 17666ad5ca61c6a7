"""`make kits`: hipflask.tools and other kits over one table, in one browser; exit 1 for a miss.

QUICK=1 times 5 loads of each instead of 15, FAULT=1 plants faults into ours: it must fail, and
only does where each of them is noticed.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.chromium import FLAGS, find_chromium

from ..document import print_figures, write_document
from ..progress import Progress
from ..report import RESULTS
from ..servers import ended_by_signals
from .catalogue import KITS, OURS, Served, serving
from .forging import forge
from .judging import Seen, document_of, format_seen
from .looking import judge, time_first_row, weigh

#: No name but this machine's is found, so that the net has no part in what is measured.
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"


def main() -> int:
    """Serve all kits, look at each, judge; the exit code."""
    has_fault = bool(os.environ.get("FAULT"))
    rounds = 5 if os.environ.get("QUICK") else 15
    executable = find_chromium()
    if executable is None:
        print("make kits needs Chromium: apt-get install chromium", file=sys.stderr)
        return 2
    if has_fault:
        print("FAULT: ours is slow, wide, heavy, hard to use and open; all must be missed")
    with (
        ended_by_signals(),
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as stack,
        sync_playwright() as started,
    ):
        served = [
            stack.enter_context(serving(kit, Path(folder) / kit.package, has_fault)) for kit in KITS
        ]
        browser = started.chromium.launch(executable_path=executable, args=[*FLAGS, ALONE])
        try:
            chromium = browser.version
            seen = _look(browser, served, rounds, has_fault)
        finally:
            browser.close()
    ours, *others = seen
    document = document_of(ours, others)
    document.begin([kit.package for kit in KITS])
    document.notes = [f"Chromium {chromium}", f"{rounds} loads of each"]
    table = format_seen(ours, others)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "kits.md").write_text(table + "\n", encoding="utf-8")
    write_document(document, RESULTS / "kits.json")
    print(f"\n{table}\n")
    for each in seen:
        for words, count in sorted(Counter(each.findings).items()):
            print(f"  {each.name}: {words}: {count}")
        for words in each.forged.done:
            print(f"  {each.name}: forged: {words}")
    print(f"{document.machine}, {document.python}, Chromium {chromium}; {RESULTS / 'kits.md'}")
    code = print_figures(document)
    print("first in each" if code == 0 else "not first in each")
    held = [figure.name for figure in document.figures if figure.held]
    if has_fault and held:
        print(f"the fault was not noticed in: {'; '.join(held)}", file=sys.stderr)
        return 0
    return code


def _look(browser: Any, served: list[Served], rounds: int, has_fault: bool) -> list[Seen]:
    progress = Progress(len(served) + rounds + 1)
    seen = []
    for each in served:
        findings, overflow = judge(browser, each)
        weight = weigh(browser, each)
        also = ("/open-door",) if has_fault and each.kit is OURS else ()
        forged = forge(each, browser, also)
        seen.append(Seen(each.kit.name, each.kit.version, weight, findings, overflow, forged))
        progress.step(each.kit.name)
    # Side by side, so that a busy moment of the machine is everybody's; the first is to warm up.
    for turn in range(rounds + 1):
        for found, each in random.sample(list(zip(seen, served, strict=True)), len(served)):
            took = time_first_row(browser, each)
            if turn:
                found.times.append(took)
        progress.step(f"round {turn}")
    progress.end()
    return seen


if __name__ == "__main__":
    sys.exit(main())
