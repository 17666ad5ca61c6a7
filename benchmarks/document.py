"""What a run measured, as it is written to JSON and read again by `--compare`."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

#: The peer whose rows everything else is divided by.
RAW = "raw"
#: The peer that is ours.
OURS = "hipflask"


@dataclass
class Row:
    """One workload of one peer, by round: microseconds of CPU per request, or in `unit`.

    `workload` is W1 to W10 or what a program of its own measures (`import`, `routes 1000`).
    `ratio_to_raw` is the median over the rounds of this row to the reference's in the same
    round, `best_ratio` that of the two best rounds; None where there is no reference. `more`
    holds what else was seen, as `requests_s`, `p99_ms`, `rss_mb`; `died` what a peer said that
    did not finish.
    """

    peer: str
    interface: str
    workload: str
    rounds: list[float] = field(default_factory=list)
    ratio_to_raw: float | None = None
    best_ratio: float | None = None
    server: str = ""
    unit: str = "us"
    more: dict[str, float] = field(default_factory=dict)
    died: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def best(self) -> float:
        return min(self.rounds)

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.peer, self.interface, self.server, self.workload

    def set_ratio(self, reference: Row) -> None:
        """Set the ratios from the rounds that both have."""
        pairs = list(zip(self.rounds, reference.rounds, strict=False))
        self.ratio_to_raw = statistics.median(own / other for own, other in pairs)
        self.best_ratio = self.best / reference.best


@dataclass
class Figure:
    """A figure that must hold: `ours` is at most `limit`, or at least where `sign` is >=."""

    name: str
    ours: float
    limit: float
    sign: str = "<="
    unit: str = "x"

    @property
    def held(self) -> bool:
        return self.ours <= self.limit if self.sign == "<=" else self.ours >= self.limit


@dataclass
class Document:
    """One run of one program of `benchmarks`."""

    program: str
    #: The peer whose rows the ratios are of.
    reference: str = RAW
    rows: list[Row] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    #: What is to be known beside the rows: peers that are absent, and why.
    notes: list[str] = field(default_factory=list)
    machine: str = ""
    python: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def begin(self, packages: Iterable[str] = ()) -> None:
        """Note machine, Python and the versions of these packages."""
        self.machine = read_machine()
        self.python = f"{platform.python_implementation()} {platform.python_version()}"
        self.versions = read_versions(["hipflask", *packages])

    @property
    def code(self) -> int:
        """The exit code: 1 if a figure was missed."""
        return int(not all(figure.held for figure in self.figures))


def read_machine() -> str:
    """Return what the machine is: its system, its processor and how many cores of it."""
    model = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{platform.system()}, {os.cpu_count()} x {model}"


def read_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed versions; what is not installed is left out."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def dump_document(document: Document) -> str:
    """Return the document as JSON."""
    whole: dict[str, Any] = asdict(document)
    for entry, row in zip(whole["rows"], document.rows, strict=True):
        if row.rounds:
            entry[f"median_{row.unit}"] = round(row.median, 4)
            entry[f"best_{row.unit}"] = round(row.best, 4)
    for entry, figure in zip(whole["figures"], document.figures, strict=True):
        entry["held"] = figure.held
    return json.dumps(whole, indent=1) + "\n"


def parse_document(text: str) -> Document:
    """Read what `dump_document` wrote."""
    whole = json.loads(text)
    rows, figures = whole.pop("rows"), whole.pop("figures")
    for entry in rows:
        entry.pop(f"median_{entry['unit']}", None)
        entry.pop(f"best_{entry['unit']}", None)
    for entry in figures:
        entry.pop("held", None)
    return Document(
        rows=[Row(**entry) for entry in rows],
        figures=[Figure(**entry) for entry in figures],
        **whole,
    )


def write_document(document: Document, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump_document(document), encoding="utf-8")


def read_document(path: Path) -> Document:
    return parse_document(path.read_text(encoding="utf-8"))


def set_ratios(rows: Sequence[Row], reference: str = RAW) -> None:
    """Divide each row by the reference's of its interface, server and workload, if there is one."""
    known = {row.key[1:]: row for row in rows if row.peer == reference and row.rounds}
    for row in rows:
        if row.rounds and (other := known.get(row.key[1:])):
            row.set_ratio(other)


def print_figures(document: Document) -> int:
    """Print each figure beside its limit; return the exit code."""
    for figure in document.figures:
        word = "held  " if figure.held else "MISSED"
        print(
            f"{word} {figure.name}: {figure.ours:.2f}{figure.unit} ({figure.sign} {figure.limit:g})"
        )
    missed = sum(not figure.held for figure in document.figures)
    print(f"{len(document.figures) - missed} figures held, {missed} missed")
    sys.stdout.flush()
    return document.code
