"""Whether the peers run as they should: their ratios to raw against those once recorded.

`python -m benchmarks.expected RUN.json...` records those of one or several runs.

A benchmark is easily won by a peer that is set up badly. So `peers/expected.json` keeps, for
each minor version of Python, what each peer cost as a multiple of the raw callable, and a run
in which a peer is more than 20 % away from that, dearer or cheaper, is void.

Noise must not void a run. Where other programs keep the machine busy, they take its caches, and
a framework becomes dearer, by half and more, than a callable of a few lines. Two things are done
about it:

- What is recorded and compared are the least slices, of a millisecond or so, as a busy machine
  pauses now and then. A peer's distance is the geometric mean over its workloads W1 to W4 and
  W7, taken once of these and once of the rounds' medians; the one nearer to 1 counts.
- What befalls all peers is no peer's fault: a peer is far away only if it is also far from the
  median of all peers' distances. Figures compare us with peers, so they stand.

Rows that hand each request to a thread are not judged: what that costs is the machine's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .document import RAW, Document, Figure, Row, read_document
from .figures import is_peer

PATH = Path(__file__).parent / "peers" / "expected.json"
#: Where a row keeps its least slice.
LEAST = "least_us"
WORKLOADS = ("W1", "W2", "W3", "W4", "W7")
LIMIT = 1.2
#: How many peers it takes to tell what befalls all of them.
ENOUGH = 8
MOST = 1.5
NOTED = 1.1
#: Peers that hand each request to a thread.
HOPPING = ("flask_async", "quart_sync", "starlette_sync")

Ratios = dict[str, dict[str, float]]


def read(python: str) -> Ratios:
    """Return the ratios recorded for this Python's minor version; none if there are none."""
    found: dict[str, Ratios] = json.loads(PATH.read_text(encoding="utf-8"))
    return found.get(minor_of(python), {})


def minor_of(python: str) -> str:
    """Return `3.11` of `CPython 3.11.7`."""
    return ".".join(python.rpartition(" ")[2].split(".")[:2])


def record(runs: Sequence[Document]) -> str:
    """Write these runs' ratios, of the least slices of all, for their Python; return its name."""
    (minor,) = {minor_of(run.python) for run in runs}
    rows: dict[tuple[str, str, str, str], Row] = {}
    for run in runs:
        for row in run.rows:
            if LEAST in row.more:
                known = rows.setdefault(row.key, row)
                known.more[LEAST] = min(known.more[LEAST], row.more[LEAST])
    found: dict[str, Ratios] = json.loads(PATH.read_text(encoding="utf-8"))
    kept = found.setdefault(minor, {})
    for row, ratio in least_ratios(list(rows.values())):
        kept.setdefault(f"{row.peer} {row.interface}", {})[row.workload] = round(ratio, 2)
    PATH.write_text(dump(found), encoding="utf-8")
    return minor


def least_ratios(rows: Sequence[Row]) -> Iterator[tuple[Row, float]]:
    """Return the peers' rows that are judged, with their least slice as a multiple of raw's."""
    raws = {row.key[1:]: row.more[LEAST] for row in rows if row.peer == RAW and LEAST in row.more}
    for row in rows:
        raw = raws.get(row.key[1:])
        if not is_peer(row) or row.peer in HOPPING or row.workload not in WORKLOADS:
            continue
        if raw and LEAST in row.more:
            yield row, row.more[LEAST] / raw


def dump(recorded: dict[str, Ratios]) -> str:
    """Return the file's text: a line for each peer."""
    parts = []
    for minor in sorted(recorded):
        lines = [
            f"  {json.dumps(key)}: {json.dumps(ratios)}"
            for key, ratios in sorted(recorded[minor].items())
        ]
        parts.append(f'"{minor}": {{\n' + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def distances(rows: Sequence[Row], recorded: Ratios) -> dict[str, float]:
    """Return by what factor each peer is dearer than recorded; below 1 if cheaper."""
    seen: dict[str, list[tuple[float, float]]] = {}
    for row, least in least_ratios(rows):
        key = f"{row.peer} {row.interface}"
        ratio = recorded.get(key, {}).get(row.workload)
        if ratio is not None and row.ratio_to_raw is not None:
            seen.setdefault(key, []).append((row.ratio_to_raw / ratio, least / ratio))
    found = {}
    for key, one in seen.items():
        found[key] = nearer(*map(statistics.geometric_mean, zip(*one, strict=True)))
    return found


def common_factor(found: Iterable[float]) -> float:
    """Return what befalls all peers: the median of their distances.

    1 where too few ran to tell, and never more than what was seen of busy machines.
    """
    factors = list(found)
    if len(factors) < ENOUGH:
        return 1.0
    return min(MOST, max(1 / MOST, statistics.median(factors)))


def nearer(first: float, second: float) -> float:
    """Return the factor that is nearer to 1; 1 if they are on either side of it."""
    if (first > 1) != (second > 1):
        return 1.0
    return min(first, second) if first > 1 else max(first, second)


def judge_peers(document: Document, recorded: Ratios | None = None) -> list[str]:
    """Add the figure that says whether the run counts; return notes, a VOID for each peer."""
    recorded = read(document.python) if recorded is None else recorded
    if not recorded:
        return [f"peers not judged: no ratios are recorded for {minor_of(document.python)}"]
    found = distances(document.rows, recorded)
    if not found:
        return ["peers not judged: none has a recorded ratio"]
    common = common_factor(found.values())
    left = {key: nearer(factor, factor / common) for key, factor in found.items()}
    worst = max(size_of(factor) for factor in left.values())
    document.figures.append(Figure("farthest of a peer from its recorded ratio", worst, LIMIT))
    notes = []
    if size_of(common) > NOTED:
        notes.append(
            f"all peers: {common:.2f} times what is recorded, as multiples of raw;"
            " a busy machine does that"
        )
    return notes + [
        f"VOID: {key} costs {found[key]:.2f} times what is recorded for it, as multiples of raw"
        for key, factor in left.items()
        if size_of(factor) > LIMIT
    ]


def size_of(factor: float) -> float:
    """Return how far a factor is from 1, on either side."""
    return max(factor, 1 / factor)


def main() -> int:
    """Record the runs named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.expected", description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    minor = record([read_document(path) for path in parser.parse_args().runs])
    print(f"{PATH}: ratios of Python {minor}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
