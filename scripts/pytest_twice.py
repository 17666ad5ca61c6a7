"""Runs pytest; up to ten tests that fail are run once more, in a process of their own, and named.

    python scripts/pytest_twice.py ARGUMENTS OF PYTEST

Some 17,000 tests share two cores, and many await processes that share them too. What a busy
machine did, or another test left in the process, passes alone; a fault does not. Only failed tests
get a second run: a broken collection or an interrupt ends the first one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

#: More than these is no accident.
MOST = 10
#: Exit code of pytest where tests failed, and nothing else is wrong.
TESTS_FAILED = 1


def main(arguments: list[str]) -> int:
    """Run once or twice; returns pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix="pytest-twice-") as cache:
        code = _pytest("-o", f"cache_dir={cache}", *arguments)
        if code != TESTS_FAILED:
            return code
        failed = _failed(Path(cache))
    if not 0 < len(failed) <= MOST:
        return code
    print(f"pytest_twice: {len(failed)} failed; once more, in a process of its own:", flush=True)
    for name in failed:
        print(f"pytest_twice: TWICE {name}", flush=True)
    return _pytest("-q", "-p", "no:cacheprovider", "-rfE", *failed)


def _pytest(*arguments: str) -> int:
    return subprocess.call([sys.executable, "-m", "pytest", *arguments])


def _failed(cache: Path) -> list[str]:
    try:
        found = json.loads((cache / "v" / "cache" / "lastfailed").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return sorted(found)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
