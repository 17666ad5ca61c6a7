"""Builds the site and checks its links: `python -m scripts.docsite [FOLDER]`.

Prints pages, names and links, each fault with its page, and ends with 1 if there is any. The code
blocks are run by tests/docs, which counts them.
FAULT=1 in the environment plants a link that leads nowhere, so that it must end with 1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .building import build
from .checking import check
from .reading import ROOT, PageError


def main(folder: Path) -> int:
    try:
        built = build(folder, fault=bool(os.environ.get("FAULT")))
    except PageError as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    found = check(folder)
    for fault in found.faults:
        print(f"docs: {fault}", file=sys.stderr)
    print(
        f"docs: {found.pages} pages in {folder}, {built.names} public names;"
        f" links checked: {found.internal} to pages and files, {found.anchors} of them to a"
        f" place on a page, {built.paths} paths in the text; {found.external} addresses elsewhere"
        f" (not fetched); faults: {len(found.faults)}"
    )
    return 1 if found.faults else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / ".cache" / "site"))
