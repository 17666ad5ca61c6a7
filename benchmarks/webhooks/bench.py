"""Acknowledgements beside a bare rig: `python -m benchmarks.webhooks.bench`; exit 1 for a miss.

Signed events of 2 kB over 64 connections, each stored with fsync before its 2xx, by hipflask and
by the callable in `bare.py`, on the same server, in turn, in SQLite and in PostgreSQL. A third row
is `hipflask serve`, which also logs and counts each request. Then 1,500 a second by the clock.
QUICK=1 is a short form, ONLY=sqlite one store, FAULT=1 plants a fault, so that it must fail.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, text

from ..document import OURS, RAW, Document, Figure, Row, print_figures, write_document
from ..load import choose_cores
from ..progress import Progress
from ..report import RESULTS, format_table
from ..servers import Server, ServerError, ended_by_signals
from .events import Maker
from .load import NotMeasured, Seen, run_steadily, run_wrk, write_events
from .postgres import Postgres, running

STORES = ("sqlite", "postgres")
#: Ours as it is started: with logs and figures of each request, which the bare rig has not.
SERVED = "hipflask serve"
RIGS = (RAW, OURS, SERVED)
CONNECTIONS = 64
#: hipflask's acknowledgements a second, over those of the bare rig in the same round.
LIMIT = 0.60
GROWTH_LIMIT_MB = 50.0
RATE_S = 1_500.0
#: More than any rig acknowledges in a second here: the file of signed events must not run out.
MOST_A_SECOND = 15_000
WARM_S = 2.0
_GRANIAN = (
    "-m granian --interface rsgi --host 127.0.0.1 --port {{port}} --workers 1 --no-ws"
    " --log-level warning "
)
COMMANDS = {
    RAW: _GRANIAN + "benchmarks.webhooks.bare:{store}",
    OURS: _GRANIAN + "benchmarks.webhooks.timed_app:app",
    SERVED: "-m hipflask --app benchmarks.webhooks.timed_app serve --bind 127.0.0.1:{{port}}",
}


@dataclass
class Sample:
    """One load on one rig."""

    seen: Seen
    #: Of all processes of the server, per acknowledgement; PostgreSQL's own are not among them.
    cpu_us: float
    growth_mb: float
    rss_mb: float


@dataclass
class Bench:
    """Runs rigs in turn; each time on a store of its own."""

    folder: Path
    seconds: int
    core: int
    postgres: Postgres | None = None
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    steady: dict[tuple[str, str], Seen] = field(default_factory=dict)
    _made: int = 0

    def run(self, store: str, rig: str) -> Sample:
        """As much as goes."""
        with self._serving(store, rig, workers=0) as (server, url):
            events = self.folder / "events.txt"
            write_events(events, MOST_A_SECOND * self.seconds, self._made)
            used = server.cpu_s()
            with _watching(server) as sizes:
                seen = run_wrk(self.folder, server.port, events, self.seconds, CONNECTIONS)
            used = server.cpu_s() - used
            server.check()
            if seen.failed > CONNECTIONS or not seen.acks:
                raise NotMeasured(f"{seen.failed} events were not acknowledged")
            self._check(url, rig, seen.acks)
            cpu_us = used / seen.acks * 1e6
            sample = Sample(seen, cpu_us, sizes[-1] - sizes[0], sizes[-1])
            self.samples.setdefault((store, rig), []).append(sample)
            return sample

    def run_steadily(self, store: str, rig: str, workers: int) -> Seen:
        """So many a second; ours also with workers that run a handler for each."""
        name = f"{rig}, {workers} workers" if workers else rig
        with self._serving(store, rig, workers=workers) as (server, url):
            maker = Maker(f"s{self._made}", self._made)
            seen = asyncio.run(run_steadily(server.port, maker, RATE_S, self.seconds))
            server.check()
            self._check(url, rig, seen.acks)
            self.steady[store, name] = seen
            return seen

    @contextlib.contextmanager
    def _serving(self, store: str, rig: str, *, workers: int) -> Iterator[tuple[Server, str]]:
        self._made += 1
        name = f"run{self._made}"
        if store == "postgres":
            assert self.postgres is not None
            with create_engine(self.postgres.url()).connect() as db:
                db.execution_options(isolation_level="AUTOCOMMIT")
                db.execute(text(f"CREATE DATABASE {name}"))
            url, bare = self.postgres.dsn(name), self.postgres.dsn(name)
        else:
            bare = str(self.folder / f"{name}.db")
            url = f"sqlite:///{bare}"
        environ = {"BARE_STORE": bare, "TIMED_STORE": url, "TIMED_WORKERS": str(workers)}
        words = [sys.executable, *COMMANDS[rig].format(store=store).split()]
        with Server(words, self.folder, core=self.core, environ=environ) as server:
            asyncio.run(run_steadily(server.port, Maker(f"w{name}", 1), 200, WARM_S))
            yield server, url
        for path in self.folder.glob(f"{name}.db*"):
            path.unlink()

    def _check(self, url: str, rig: str, acks: int) -> None:
        """What was acknowledged must be there."""
        table = "inbox" if rig == RAW else "hipflask_inbox"
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as db:
            stored = db.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        engine.dispose()
        if stored < acks:
            raise NotMeasured(f"{acks} events were acknowledged, {stored} are stored")


@contextlib.contextmanager
def _watching(server: Server) -> Iterator[list[float]]:
    """The worker's resident memory in MB, first and last and twice a second between."""
    sizes = [server.memory_mb()[1]]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            sizes.append(server.memory_mb()[1])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        over.set()
        thread.join()


def fill(document: Document, bench: Bench) -> None:
    """Make rows and figures of what was measured. A row is microseconds per acknowledgement."""
    for (store, rig), samples in bench.samples.items():
        row = Row(rig, "rsgi", store, server="serve" if rig == SERVED else "granian")
        row.rounds = [1e6 / sample.seen.acks_s for sample in samples]
        row.more = {
            "acks_s": round(statistics.median(one.seen.acks_s for one in samples), 1),
            "cpu_us": round(statistics.median(one.cpu_us for one in samples), 1),
            "p50_ms": statistics.median(one.seen.p50_ms for one in samples),
            "p99_ms": statistics.median(one.seen.p99_ms for one in samples),
            "growth_mb": round(max(one.growth_mb for one in samples), 1),
            "rss_mb": round(max(one.rss_mb for one in samples), 1),
        }
        document.rows.append(row)
    for (store, name), seen in bench.steady.items():
        row = Row(name, "rsgi", f"{store} {RATE_S:.0f}/s")
        row.more = {
            "acks_s": round(seen.acks_s, 1),
            "p50_ms": round(seen.p50_ms, 2),
            "p99_ms": round(seen.p99_ms, 2),
            "failed": seen.failed,
        }
        document.rows.append(row)
    rows = {(row.peer, row.workload): row for row in document.rows}
    for store in STORES:
        ours, bare = rows.get((OURS, store)), rows.get((RAW, store))
        if not ours or not bare:
            continue
        ours.set_ratio(bare)
        rows[SERVED, store].set_ratio(bare)
        ratio = 1 / (ours.ratio_to_raw or 1e9)
        name = f"{store}: acknowledgements / the bare rig's"
        document.figures.append(Figure(name, ratio, LIMIT, sign=">="))
        growth = ours.more["growth_mb"]
        name = f"{store}: memory grown under load"
        document.figures.append(Figure(name, growth, GROWTH_LIMIT_MB, unit=" MB"))


def dump_tables(document: Document) -> str:
    """Return the run as Markdown."""
    head = ["store", "rig", "acks/s", "of bare", "CPU us", "p50 ms", "p99 ms", "MB", "grown by"]
    lines, steady = [], []
    for row in document.rows:
        more = row.more
        times = [f"{more['p50_ms']:.1f}", f"{more['p99_ms']:.1f}"]
        if row.rounds:
            ratio = f"{100 / row.ratio_to_raw:.0f} %" if row.ratio_to_raw else "-"
            sizes = [f"{more['rss_mb']:.0f}", f"{more['growth_mb']:.1f}"]
            figures = [f"{more['acks_s']:.0f}", ratio, f"{more['cpu_us']:.0f}"]
            lines.append([row.workload, row.peer, *figures, *times, *sizes])
        else:
            rate = f"{more['acks_s']:.0f}"
            steady.append([row.workload, row.peer, rate, *times, f"{more['failed']:.0f}"])
    parts = [
        f"{document.machine}; {document.python}; "
        + ", ".join(f"{name} {version}" for name, version in document.versions.items()),
        format_table(head, lines),
    ]
    if steady:
        parts.append(
            format_table(["by the clock", "rig", "acks/s", "p50 ms", "p99 ms", "failed"], steady)
        )
    parts += [f"- {note}" for note in document.notes]
    return "\n\n".join(parts) + "\n"


def measure(
    stores: list[str], rounds: int, seconds: int, document: Document, *, steady: bool = True
) -> None:
    """Run the rigs in turn and fill the document."""
    core = choose_cores()[0]
    if core == choose_cores()[1]:
        document.notes.append("one core for server and load")
    runs = [(store, rig) for store in stores for _ in range(rounds) for rig in RIGS]
    by_the_clock = ((RAW, 0), (SERVED, 0), (SERVED, 4)) if steady else ()
    progress = Progress(len(runs) + len(by_the_clock) * len(stores))
    with contextlib.ExitStack() as stack:
        stack.enter_context(ended_by_signals())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hipflask-ack-")))
        bench = Bench(folder, seconds, core)
        if "postgres" in stores:
            bench.postgres = stack.enter_context(running())
        for store, rig in runs:
            sample = bench.run(store, rig)
            progress.step(f"{store}, {rig}: {sample.seen.acks_s:.0f}/s")
        for store in stores:
            for rig, workers in by_the_clock:
                seen = bench.run_steadily(store, rig, workers)
                progress.step(f"{store}, {rig} by the clock: p99 {seen.p99_ms:.0f} ms")
    progress.end()
    fill(document, bench)


def main() -> int:
    """Read the command line, measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks.bench")
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", default=os.environ.get("ONLY") or ",".join(STORES))
    parser.add_argument("--rounds", type=int, help="of each rig: 3; 2 with --quick")
    parser.add_argument("--no-steady", action="store_true", help="only as much as goes")
    parser.add_argument("--seconds", type=int, help="of each load: 20; 4 with --quick")
    options = parser.parse_args()
    stores = options.only.split(",")
    if unknown := set(stores) - set(STORES):
        parser.error(f"no such store: {', '.join(sorted(unknown))}")
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed; on Debian: apt-get install wrk")
    document = Document("webhooks")
    document.begin(["granian", "sqlalchemy", "psycopg"])
    began = time.monotonic()
    if os.environ.get("FAULT"):
        print("FAULT: hipflask burns time in each request; a figure must be missed")
    try:
        measure(
            stores,
            options.rounds or (2 if options.quick else 3),
            options.seconds or (4 if options.quick else 20),
            document,
            steady=not options.no_steady,
        )
    except (NotMeasured, ServerError) as error:
        print(f"MISSED not measured: {error}")
        return 1
    tables = dump_tables(document)
    print(f"\n{tables}")
    if os.environ.get("FAULT"):
        print("FAULT: nothing is written")
    else:
        path = RESULTS / "webhooks.json"
        write_document(document, path)
        path.with_suffix(".md").write_text(tables, encoding="utf-8")
        print(path, path.with_suffix(".md"), sep="\n")
    print(f"took {time.monotonic() - began:.0f} s")
    return print_figures(document)


if __name__ == "__main__":
    sys.exit(main())
