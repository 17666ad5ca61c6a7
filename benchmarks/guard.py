"""Counts the instructions of a request, and fails where a workload takes more than its budget.

Callgrind counts, so a busy machine changes nothing. Interpreters and C libraries differ, so each
workload of `guarded.py` is divided by a reference program counted in the same run; budget.json
holds these ratios by Python version, and 5 % more is a failure. `make guard` exits 1 for that and
2 where nothing could be counted.

`RECORD=1` writes what is counted as the new budget. `FAULT=1` plants a hook more into each
request, so that it must fail. `PROFILE=W1` prints instead which functions a workload calls.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parent.parent
BUDGET = Path(__file__).with_name("budget.json")
MARGIN = 0.05
REPEATS = 40
REFERENCE = "reference"
LIMIT_S = 900
PROFILED = 1000
PROFILE_ROWS = 40
# What a request runs through besides hipflask: named where a budget no longer holds.
PACKAGES = ("werkzeug", "msgspec", "itsdangerous", "markupsafe")
TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


class NotCounted(Exception):
    """Nothing could be counted, for this reason."""


@dataclass(frozen=True)
class Count:
    """Instructions a time, and objects a time that only the collector frees."""

    instructions: float
    left: float


@dataclass(frozen=True)
class Row:
    """A line of the table; `budget` is None for what has none yet."""

    name: str
    instructions: float
    left: float
    ratio: float
    budget: float | None
    budget_left: float

    @property
    def room(self) -> float:
        """How much more it may take, as a share of what it takes."""
        return (self.budget or self.ratio) / self.ratio - 1

    @property
    def is_within(self) -> bool:
        return self.room >= 0 and self.left <= self.budget_left + 0.01


def main() -> int:
    """Read the command line, count, judge, return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.guard", description=__doc__)
    parser.add_argument("--profile", metavar="WORKLOAD", default=os.environ.get("PROFILE"))
    options = parser.parse_args()
    try:
        if options.profile:
            profile(options.profile)
            return 0
        return guard(record=bool(os.environ.get("RECORD")), fault=bool(os.environ.get("FAULT")))
    except NotCounted as error:
        print(f"guard: not counted: {error}", file=sys.stderr, flush=True)
        return 2


def guard(*, record: bool, fault: bool) -> int:
    if record and fault:
        raise NotCounted("RECORD=1 would make FAULT=1 the budget; give one of them")
    known = json.loads(BUDGET.read_text(encoding="utf-8"))
    python = python_version()
    if python not in known and not record:
        print(
            f"guard: skipped: budget.json has no budget for Python {python}, only for"
            f" {', '.join(known)}; RECORD=1 records one"
        )
        return 0
    if fault:
        print("FAULT: each request runs a hook more; the guard must fail")
    budget = known.get(python, {})
    rows = judge(count(find_valgrind()), budget.get("workloads", {}))
    print(table(rows, python))
    if record:
        known[python] = as_budget(rows)
        text = json.dumps(dict(sorted(known.items())), indent=2) + "\n"
        BUDGET.write_text(text, encoding="utf-8")
        print(f"guard: recorded in {BUDGET.relative_to(ROOT)}")
        return 0
    print("\n".join(verdict(rows, budget.get("recorded with", {}))), flush=True)
    return 0 if all(row.is_within for row in rows) else 1


# --- counting -----------------------------------------------------------------------------------


def python_version() -> str:
    """Return the version whose bytecode this is; builds for debugging or free threads differ."""
    return f"{sys.version_info.major}.{sys.version_info.minor}{getattr(sys, 'abiflags', '')}"


def find_valgrind() -> str:
    """Return the path of valgrind, installed from Debian's archive where it was missing."""
    found = shutil.which("valgrind")
    if found:
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise NotCounted("valgrind is missing; on Debian: apt-get install valgrind")
    print("guard: valgrind is missing: installing Debian's package", flush=True)
    install = [apt, "install", "-y", "-qq", "--no-install-recommends", "valgrind"]
    said = ""
    # With the package lists as they are; where those are too old, with new ones.
    for command in (install, [apt, "update", "-qq"], install):
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        found = shutil.which("valgrind")
        if found:
            return found
        said = done.stderr.strip() or f"{' '.join(command)} ended with {done.returncode}"
    raise NotCounted(f"valgrind is missing and could not be installed:\n{said}")


def count(valgrind: str) -> dict[str, Count]:
    """Return the counts of one run, by name, in order."""
    words = [sys.executable, "-m", "benchmarks.guarded"]
    # Compiles every module, which would take minutes under valgrind, and fails early.
    run([*words, "1"])
    with tempfile.TemporaryDirectory(prefix="hipflask-guard-") as name:
        out = Path(name) / "counts"
        tool = [valgrind, "--tool=callgrind", "--dump-before=getsid"]
        said = run([*tool, f"--callgrind-out-file={out}", *words, str(REPEATS)])
        return read_counts(out, json.loads(said))


def run(command: list[str]) -> str:
    """Return what the command prints; hash seed and environment are the same everywhere."""
    dropped = ("HIPFLASK_", "FLASK_", "COVERAGE_", "PYTHON", "MALLOC_", "GLIBC_")
    environ = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(dropped) or name in ("PYTHONPATH", "PYTHONPYCACHEPREFIX")
    }
    environ["PYTHONHASHSEED"] = "0"
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise NotCounted(f"{' '.join(command)} took more than {LIMIT_S} s") from error
    if done.returncode:
        raise NotCounted(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def read_counts(out: Path, left: Mapping[str, float]) -> dict[str, Count]:
    """Read callgrind's files: three marks a piece, each with the counts since the one before.

    The first of a piece is what came before it; then REPEATS times, then three times as often, so
    that the difference leaves out what a run costs once.
    """
    files = sorted(out.parent.glob(f"{out.name}.*"), key=lambda path: int(path.suffix[1:]))
    if len(files) != 3 * len(left):
        raise NotCounted(f"callgrind saw {len(files)} marks instead of {3 * len(left)}")
    totals = []
    for path in files:
        found = TOTALS.search(path.read_text(encoding="utf-8", errors="replace"))
        if found is None:
            raise NotCounted(f"callgrind's file {path.name} has no totals")
        totals.append(int(found[1]))
    counts = {}
    for at, name in enumerate(left):
        once, thrice = totals[3 * at + 1], totals[3 * at + 2]
        counts[name] = Count((thrice - once) / (2 * REPEATS), left[name])
    return counts


# --- judging ------------------------------------------------------------------------------------


def judge(counts: Mapping[str, Count], budget: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """Return a row for each workload; NotCounted where the budget names others."""
    if budget and budget.keys() != counts.keys() - {REFERENCE}:
        raise NotCounted(
            f"budget.json has {', '.join(budget)}, counted were {', '.join(counts)};"
            " RECORD=1 records what there is"
        )
    unit = counts[REFERENCE].instructions
    rows = []
    for name, each in counts.items():
        if name == REFERENCE:
            continue
        known = budget.get(name)
        most = known["ratio"] * (1 + MARGIN) if known else None
        ratio = each.instructions / unit
        rows.append(
            Row(name, each.instructions, each.left, ratio, most, known["left"] if known else 0.0)
        )
    return rows


def as_budget(rows: list[Row]) -> dict[str, dict[str, object]]:
    workloads: dict[str, object] = {
        row.name: {"ratio": round(row.ratio, 4), "left": round(row.left, 2)} for row in rows
    }
    return {"recorded with": dict(versions()), "workloads": workloads}


def versions() -> dict[str, str]:
    return {"python": sys.version.split()[0]} | {name: version(name) for name in PACKAGES}


def table(rows: list[Row], python: str) -> str:
    heads = ("instructions", "ratio", "budget", "room", "left")
    lines = [f"{'Python ' + python:22}" + "".join(f"{head:>14}" for head in heads)]
    for row in rows:
        most = "none" if row.budget is None else f"{row.budget:.4f}"
        room = "" if row.budget is None else f"{row.room:+.1%}"
        cells = (f"{row.instructions:,.0f}", f"{row.ratio:.4f}", most, room, f"{row.left:.1f}")
        mark = "" if row.is_within else "  OVER"
        lines.append(f"{row.name:22}" + "".join(f"{cell:>14}" for cell in cells) + mark)
    lines.append("ratio: to the reference program of benchmarks/guarded.py, counted in this run")
    lines.append("left: objects a request leaves to the garbage collector")
    return "\n".join(lines)


def verdict(rows: list[Row], recorded: Mapping[str, str]) -> list[str]:
    """Return what to say below the table."""
    over = [row for row in rows if not row.is_within]
    if not over:
        lighter = [row.name for row in rows if row.room > 2 * MARGIN]
        said = f"guard: within budget; RECORD=1 keeps what was won: {', '.join(lighter)}"
        return [said if lighter else "guard: within budget"]
    lines = []
    for row in over:
        if row.room < 0:
            lines.append(f"guard: {row.name} takes {-row.room:.1%} more than its budget")
        if row.left > row.budget_left + 0.01:
            lines.append(f"guard: {row.name} leaves {row.left:.1f} objects in cycles a request")
    here = versions()
    for name in recorded.keys() & here.keys():
        if recorded[name] != here[name]:
            lines.append(f"guard: recorded with {name} {recorded[name]}, this is {here[name]}")
    first = over[0].name.split()[0].rstrip(",")
    lines.append(f"guard: `make guard PROFILE={first}` tells which functions it calls")
    return lines


# --- finding what grew --------------------------------------------------------------------------


def profile(wanted: str) -> None:
    """Print the functions that a workload calls, by calls a request."""
    import cProfile

    from benchmarks.guarded import make_pieces

    named = {piece.name: piece for piece in make_pieces(fault=bool(os.environ.get("FAULT")))}
    found = [piece for name, piece in named.items() if name.lower().startswith(wanted.lower())]
    if not found:
        raise NotCounted(f"no workload is called {wanted!r}; there are {', '.join(named)}")
    piece = found[0]
    piece.run(PROFILED // 10)
    profiler = cProfile.Profile()
    profiler.runcall(piece.run, PROFILED)
    entries = profiler.getstats()
    entries.sort(key=lambda entry: (-entry.callcount, -entry.inlinetime, str(entry.code)))
    share = sum(entry.inlinetime for entry in entries) or 1.0
    calls = sum(entry.callcount for entry in entries) / PROFILED
    print(f"{piece.name}: {calls:.0f} calls a request")
    print(f"{'calls':>7}{'own time':>10}  function")
    for entry in entries[:PROFILE_ROWS]:
        own = f"{entry.inlinetime / share:.1%}"
        print(f"{entry.callcount / PROFILED:7.1f}{own:>10}  {place(entry.code)}")


def place(code: str | CodeType) -> str:
    """Return where a function is; C functions come as text."""
    if isinstance(code, str):
        return code
    path = Path(code.co_filename)
    short = "/".join(path.parts[-3:])
    return f"{code.co_qualname} ({short}:{code.co_firstlineno})"


if __name__ == "__main__":
    sys.exit(main())
