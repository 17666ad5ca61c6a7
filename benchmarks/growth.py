"""What makes a request dearer: `python -m benchmarks.growth [--quick]`; exit 1 if routes do.

CPU time per request against how many routes, blueprints, hooks and headers there are, in-process;
against how many connections, over HTTP. The sizes and the peers are measured in turn, in many
short rounds, and the best round counts: what disturbs a busy machine only ever adds. `FAULT=1`
makes hipflask look at every route in each request.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .compare import check_old, finish
from .document import OURS, Document, Figure, Row
from .drivers import DRIVERS
from .growing import FLAT, GROWING, INTERFACES, make
from .load import Load, choose_cores, has_wrk
from .over_http import Entry
from .peers import find
from .servers import Server, ServerError, ended_by_signals, warm
from .workloads import WORKLOADS

#: Requests with the most of a thing may cost so much more than with the least.
LIMIT = 1.25
#: CPU seconds of one round of one size: short, so that some rounds pass undisturbed.
ROUND_S = 0.002
#: A figure that is missed is looked at again: more rounds can only come nearer to the truth.
MOST_REPEATS = 3
CONNECTIONS = (1, 8, 64, 512)
#: hipflask turns requests away that wait for a thread when more than 128 do; here none is.
PATIENT = ("--queue", "1000")
#: What is loaded over HTTP: peer, interface, server.
SERVED = (
    ("hipflask", "rsgi", "serve"),
    ("hipflask_sync", "rsgi", "serve"),
    ("raw", "rsgi", "granian"),
    ("flask", "wsgi", "granian"),
)


@dataclass
class Size:
    """A peer with a number of something; `count` requests make a round: each call as often."""

    row: Row
    driver: Any
    batch: Iterator[Any]
    count: int

    def calibrate(self) -> None:
        """Find how many requests fill a round; the first seal and warm the application."""
        once = self.count
        for _ in range(3):
            took = self.driver.time(self.batch, self.count)
            self.count = once * max(1, int(ROUND_S / took * self.count / once))

    def run(self) -> None:
        self.row.rounds.append(self.driver.time(self.batch, self.count) / self.count * 1e6)


def prepare(peer: str, what: str, count: int) -> Size | None:
    """Make an application, see that it answers, and return it ready to be measured."""
    made = make(peer, what, count)
    if made is None:
        return None
    app, calls = made
    if os.environ.get("FAULT") and peer == OURS:
        app.before_request(
            lambda: sum(len(rule.rule) for rule in app.url_map.iter_rules()) and None
        )
    driver = DRIVERS[INTERFACES[peer]](app)
    for call in calls:
        answer = driver.send(call)
        if (answer.status, answer.body) != (200, b"ok"):
            raise RuntimeError(f"{peer}, {count} {what}: {call.path} gave {answer}")
    size = Size(Row(peer, what, f"{what} {count}"), driver, driver.prepare(calls), len(calls))
    size.calibrate()
    return size


def grow(what: str, counts: Sequence[int], peers: Sequence[str], rounds: int) -> list[Row]:
    """Measure one thing for all peers."""
    sizes = [size for count in counts for peer in peers if (size := prepare(peer, what, count))]
    # So that the collector does not walk ten thousand routes in one size's round.
    gc.collect()
    gc.freeze()
    for _ in range(MOST_REPEATS):
        for _ in range(rounds):
            for size in sizes:
                size.run()
        rows = [size.row for size in sizes]
        set_growth(rows)
        if all(figure.held for figure in figures_of(rows)):
            break
    for size in sizes:
        size.driver.close()
    gc.unfreeze()
    return rows


def grow_connections(rounds: int, seconds: int, document: Document) -> list[Row]:
    """Measure the server's CPU per request against the number of connections."""
    what = "connections"
    rows: dict[tuple[str, int], Row] = {}
    cores = choose_cores()
    with tempfile.TemporaryDirectory(prefix="hipflask-bench-") as folder:
        load = Load(Path(folder), cores[1])
        for peer, interface, server in SERVED:
            patient = PATIENT if server == "serve" else ()
            entry = Entry(find(peer, interface), server, interface, flags=patient)
            if reason := entry.peer.missing():
                document.notes.append(f"{entry.name}: {reason}")
                continue
            try:
                with Server(
                    entry.command, Path(folder), core=cores[0], environ=entry.environ
                ) as started:
                    warm(started.port, WORKLOADS["W1"])
                    for _ in range(rounds):
                        for count in CONNECTIONS:
                            seen = load.run(started, WORKLOADS["W1"], seconds, count)
                            row = Row(peer, what, f"{what} {count}", server=server)
                            row = rows.setdefault((peer, count), row)
                            row.rounds.append(seen.cpu_us)
            except ServerError as error:
                document.notes.append(f"{entry.name}: {error}")
    return list(rows.values())


def set_growth(rows: Sequence[Row]) -> None:
    """Set each row's ratios to the same peer's row with the least of it."""
    least: dict[tuple[str, str], Row] = {}
    for row in rows:
        first = least.setdefault((row.peer, row.interface), row)
        row.set_ratio(first)


def figures_of(rows: Sequence[Row]) -> list[Figure]:
    """Return what must not grow: our requests with the number of routes."""
    figures = []
    for what in FLAT:
        ours = [row for row in rows if (row.peer, row.interface) == (OURS, what)]
        if len(ours) > 1 and ours[-1].best_ratio is not None:
            words = f"{ours[-1].workload}: CPU / with {ours[0].workload.rpartition(' ')[2]}"
            figures.append(Figure(words, ours[-1].best_ratio, LIMIT))
    return figures


def measure(*, quick: bool = False, only: Sequence[str] = ()) -> Document:
    """Return the document of a run."""
    document = Document("growth", reference="")
    document.begin(name for name in INTERFACES if name != OURS)
    peers = [name for name in INTERFACES if not only or name in (OURS, *only)]
    for name in [name for name in peers if importlib.util.find_spec(name) is None]:
        document.notes.append(f"{name} is not installed")
        peers.remove(name)
    for what, counts in GROWING.items():
        document.rows += grow(what, counts, peers, 15 if quick else 60)
        print(f"{what}: done", file=sys.stderr)
    if not sys.platform.startswith("linux") or not has_wrk():
        document.notes.append("connections: needs Linux and wrk (apt-get install wrk)")
    elif not only:
        document.rows += grow_connections(1 if quick else 3, 1 if quick else 2, document)
    document.rows = [row for row in document.rows if row.rounds]
    set_growth(document.rows)
    document.figures = figures_of(document.rows)
    return document


def main() -> int:
    """Read the command line, measure, print and write table and plot; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", default=os.environ.get("ONLY", ""))
    parser.add_argument("--compare", type=Path, default=os.environ.get("COMPARE") or None)
    options = parser.parse_args()
    check_old(options.compare, "growth")
    with ended_by_signals():
        only = [name for name in options.only.split(",") if name]
        document = measure(quick=options.quick, only=only)
    return finish(document, options.compare)


if __name__ == "__main__":
    sys.exit(main())
