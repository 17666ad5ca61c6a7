"""Two runs beside one another: `python -m benchmarks.compare OLD.json NEW.json`; exit 1 if worse.

What is compared is the ratio to the reference that ran in turn with each peer, as microseconds of
two runs do not compare. Noise moves a median or a best round now and then, seldom both: a row is
worse when the medians' ratio and the bests' ratio have both grown by more than 5 %.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .document import OURS, Document, Row, print_figures, read_document
from .report import RESULTS, dump_markdown, format_table, name_of, write_all

TOLERANCE = 0.05


@dataclass(frozen=True)
class Change:
    """A row of ours in both runs: its ratios by medians and by best rounds."""

    name: str
    old: tuple[float, float]
    new: tuple[float, float]

    @property
    def factors(self) -> tuple[float, float]:
        return self.new[0] / self.old[0], self.new[1] / self.old[1]

    @property
    def verdict(self) -> str:
        low, high = min(self.factors), max(self.factors)
        if low > 1 + TOLERANCE:
            return "WORSE"
        return "better" if high < 1 - TOLERANCE else ""


@dataclass
class Comparison:
    """What changed, what is to be known about it, and what was lost altogether."""

    changes: list[Change] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """The exit code: 1 if anything is worse or does not finish any more."""
        return int(bool(self.lost) or any(one.verdict == "WORSE" for one in self.changes))


def compare(old: Document, new: Document) -> Comparison:
    """Compare the rows of ours that both runs have."""
    if old.program != new.program:
        raise ValueError(f"cannot compare a run of {old.program} with one of {new.program}")
    found = Comparison(remarks=list(_remarks(old, new)))
    before = {row.key: row for row in old.rows}
    for row in new.rows:
        earlier = before.get(row.key)
        if not row.peer.startswith(OURS) or earlier is None or earlier.died:
            continue
        name = f"{name_of(row)}, {row.workload}".strip(", ")
        if row.died:
            found.lost.append(f"{name}: {row.died}")
            continue
        ratios = _ratios(earlier), _ratios(row)
        if ratios[0] and ratios[1]:
            found.changes.append(Change(name, ratios[0], ratios[1]))
    if not found.changes:
        found.remarks.append("no row is in both runs with a ratio")
    return found


def _ratios(row: Row) -> tuple[float, float] | None:
    """Return a row's ratio by medians and by best rounds; None without a reference."""
    if row.ratio_to_raw is None or row.best_ratio is None:
        return None
    return row.ratio_to_raw, row.best_ratio


def _remarks(old: Document, new: Document) -> Iterator[str]:
    if old.machine != new.machine:
        yield f"different machines: {old.machine}; {new.machine}"
    if old.python != new.python:
        yield f"different Pythons: {old.python}; {new.python}"
    for name in sorted(old.versions.keys() & new.versions.keys()):
        if old.versions[name] != new.versions[name]:
            yield f"{name}: {old.versions[name]}, now {new.versions[name]}"


def format_comparison(found: Comparison) -> str:
    """Return the comparison as a table, what changed most first."""
    parts = []
    if found.changes:
        order = sorted(found.changes, key=lambda one: -min(one.factors))
        lines = [
            [
                one.name,
                f"{one.old[0]:.2f}x",
                f"{one.new[0]:.2f}x",
                f"{100 * (one.factors[0] - 1):+.1f} %",
                f"{100 * (one.factors[1] - 1):+.1f} %",
                one.verdict,
            ]
            for one in order
        ]
        head = ["ratio to the reference", "old", "new", "medians", "best rounds", ""]
        parts.append(format_table(head, lines))
    parts += [f"- {remark}" for remark in found.remarks]
    parts += [f"- WORSE: does not finish any more: {one}" for one in found.lost]
    worse = sum(one.verdict == "WORSE" for one in found.changes) + len(found.lost)
    parts.append(f"{worse} of {len(found.changes) + len(found.lost)} rows are worse.")
    return "\n".join(parts) + "\n"


def check_old(path: Path | None, program: str) -> None:
    """End the program, before it has measured for an hour, if there is nothing to compare with."""
    if path is None:
        return
    try:
        found = read_document(path).program
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"cannot compare with {path}: {error}")
    if found != program:
        sys.exit(f"cannot compare with {path}: it is a run of {found}, not of {program}")


def finish(document: Document, old_path: Path | None = None) -> int:
    """Print and write a run, judge its figures and compare it; return the exit code."""
    # Before the new run is written, perhaps over it.
    old = read_document(old_path) if old_path else None
    print(dump_markdown(document))
    if os.environ.get("FAULT"):
        print("FAULT: nothing is written")
    else:
        print(*write_all(document, RESULTS), sep="\n")
    code = print_figures(document)
    if old is None:
        return code
    found = compare(old, document)
    print(f"\nCompared with {old_path}:\n\n{format_comparison(found)}")
    return max(code, found.code)


def main() -> int:
    """Compare two files; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    try:
        found = compare(read_document(options.old), read_document(options.new))
    except ValueError as error:
        parser.error(str(error))
    print(format_comparison(found))
    return found.code


if __name__ == "__main__":
    sys.exit(main())
