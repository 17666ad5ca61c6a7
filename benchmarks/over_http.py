"""Every peer over HTTP: `python -m benchmarks.over_http [--quick] [--only PEER,...]`.

One worker on one core, wrk with 64 connections on another. All servers run at the same time (4 GB
of memory) and are loaded in turn, so that what disturbs the machine disturbs all of them; each
round starts them afresh and loads each twice, there and back. What counts is the processor time
per request of all a server's processes; requests/s say little where wrk is the limit. Exit 1 for
a missed figure.

Bare servers run with the settings they come with (Granian: one worker, no access log).
`serve` is `hipflask serve` with its probes and supervision, no access log; `serve+log` writes
one. What `serve` adds is its row against `granian`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

from .compare import check_old, finish
from .document import OURS, RAW, Document, Figure, Row
from .load import Load, choose_cores, has_wrk
from .peers import HTTP, PEERS, Peer
from .report import OWN_CORE
from .servers import Server, ServerError, ended_by_signals, fetch, warm
from .workloads import WORKLOADS, Workload, WrongAnswer, verify

CONNECTIONS = 64
APP = "benchmarks.peers.served:app"
SLOWED_APP = "benchmarks.slowed:app"
PYTHON = sys.executable

#: Where a peer is run beside Granian with the interface of its row.
ALSO_ON: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("raw", "asgi"): (("uvicorn", "asgi"),),
    ("hipflask", "wsgi"): (("gunicorn", "wsgi"), ("serve", "wsgi")),
    ("hipflask", "asgi"): (("uvicorn", "asgi"),),
    ("hipflask", "rsgi"): (("serve", "rsgi"),),
    ("hipflask_sync", "rsgi"): (("serve", "rsgi"), ("serve+log", "rsgi")),
    ("blacksheep", "asgi"): (("uvicorn", "asgi"),),
    ("emmett55", "asgi"): (("granian", "rsgi"),),
    ("fastapi", "asgi"): (("uvicorn", "asgi"),),
    ("flask", "wsgi"): (("gunicorn", "wsgi"),),
    ("litestar", "asgi"): (("uvicorn", "asgi"),),
    ("quart", "asgi"): (("hypercorn", "asgi"),),
    ("starlette", "asgi"): (("uvicorn", "asgi"),),
}
#: The peers between whose rows the figures are, apart from the lowest of all.
JUDGED = (RAW, "flask", OURS, f"{OURS}_sync")
COMMANDS: dict[str, str] = {
    "granian": "-m granian --interface {interface} --host 127.0.0.1 --port {{port}}"
    " --workers 1 --no-ws --log-level warning {app}",
    "uvicorn": "-m uvicorn --host 127.0.0.1 --port {{port}} --log-level warning"
    " --no-access-log {app}",
    "hypercorn": "-m hypercorn --bind 127.0.0.1:{{port}} --workers 1 --log-level warning {app}",
    "gunicorn": "-m gunicorn --bind 127.0.0.1:{{port}} --workers 1 --worker-class gthread"
    " --threads 4 --log-level warning {app}",
    "serve": "-m hipflask --app {app} serve --bind 127.0.0.1:{{port}} --interface {interface}"
    " --no-access-log",
    "serve+log": "-m hipflask --app {app} serve --bind 127.0.0.1:{{port}} --interface {interface}"
    " --access-log",
    "own": "-m benchmarks.peers.served {name} core {{port}}",
}


@dataclass
class Sample:
    """One load on one server."""

    cpu_us: float
    requests_s: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    worker_rss_mb: float


@dataclass
class Entry:
    """One peer on one server, and what was measured of it, by workload."""

    peer: Peer
    server: str
    interface: str
    is_slowed: bool = False
    flags: tuple[str, ...] = ()
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    died: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.peer.name} {self.interface} @ {self.server}"

    @property
    def command(self) -> list[str]:
        app = SLOWED_APP if self.is_slowed else APP
        text = COMMANDS[self.server].format(app=app, interface=self.interface, name=self.peer.name)
        return [PYTHON, *text.split(), *self.flags]

    @property
    def environ(self) -> dict[str, str]:
        if self.server == "own":
            return dict(self.peer.environ)
        found = {"BENCH_PEER": self.peer.name, "BENCH_INTERFACE": self.peer.interface}
        return {**found, "BENCH_APP": "core", **self.peer.environ}

    def rows(self) -> list[Row]:
        """Return a row for each workload it was asked for."""
        rows = []
        for name in HTTP:
            samples, died = self.samples.get(name, []), self.died.get(name, "")
            if not samples and not died:
                continue
            row = Row(self.peer.name, self.interface, name, server=self.server, died=died)
            row.rounds = [sample.cpu_us for sample in samples]
            if samples:
                row.more = {
                    one.name: round(
                        statistics.median(getattr(sample, one.name) for sample in samples), 3
                    )
                    for one in fields(Sample)
                    if one.name != "cpu_us"
                }
            rows.append(row)
        return rows


def list_entries(only: Sequence[str], document: Document) -> list[Entry]:
    """Return what is to be measured; what cannot be is noted."""
    entries = []
    for peer in PEERS:
        if (only and peer.name not in (RAW, *only)) or not set(HTTP) & set(peer.workloads):
            continue
        if reason := peer.missing():
            document.notes.append(f"{peer.key}: {reason}")
            continue
        first = ("own" if peer.interface == "own" else "granian", peer.interface)
        for server, interface in (first, *ALSO_ON.get((peer.name, peer.interface), ())):
            program = server.partition("+")[0]
            if program not in ("own", "serve") and find_spec(program) is None:
                document.notes.append(f"{peer.key} @ {server}: {program} is not installed")
                continue
            is_slowed = bool(os.environ.get("FAULT")) and peer.name.startswith(OURS)
            entries.append(Entry(peer, server, interface, is_slowed))
    # Near in time what is divided by one another.
    return sorted(entries, key=lambda one: (one.peer.name not in JUDGED, one.interface))


#: How a load can fail; TimeoutExpired is wrk's.
FAILURES = (ServerError, WrongAnswer, OSError, HTTPException, subprocess.TimeoutExpired)


def name_failure(error: Exception, server: Server) -> str:
    """Return what happened: the server's own end, if it has ended, says more than the client."""
    try:
        server.check()
    except ServerError as end:
        return str(end)
    return str(error) or type(error).__name__


class Bench:
    """Loads the servers of a list of entries in turn."""

    def __init__(self, folder: Path, seconds: int, cores: tuple[int, int]) -> None:
        self._folder, self._seconds = folder, seconds
        self._core = cores[0]
        self._load = Load(folder, cores[1])

    def run_round(self, entries: Sequence[Entry]) -> None:
        """Start all of them, measure each workload of each twice, stop them."""
        with ExitStack() as stack:
            servers: dict[str, Server] = {}
            for name in HTTP:
                for entry in [*entries, *reversed(entries)]:
                    if name not in entry.peer.workloads or name in entry.died:
                        continue
                    try:
                        if entry.name not in servers:
                            servers[entry.name] = stack.enter_context(self._server(entry))
                    except ServerError as error:
                        entry.died |= dict.fromkeys(HTTP, str(error))
                        continue
                    try:
                        sample = self._measure(servers[entry.name], WORKLOADS[name])
                        entry.samples.setdefault(name, []).append(sample)
                    except FAILURES as error:
                        entry.died[name] = name_failure(error, servers[entry.name])
                        servers.pop(entry.name).stop()

    def _server(self, entry: Entry) -> Server:
        return Server(entry.command, self._folder, core=self._core, environ=entry.environ)

    def _measure(self, server: Server, workload: Workload) -> Sample:
        for call in workload.calls[:3]:
            verify(workload, call, fetch(server.port, call))
        warm(server.port, workload)
        seen = self._load.run(server, workload, self._seconds, CONNECTIONS)
        memory = server.memory_mb()
        return Sample(seen.cpu_us, seen.requests_s, seen.p50_ms, seen.p99_ms, *memory)


def set_http_ratios(rows: Sequence[Row]) -> None:
    """Divide each row by raw on the same interface: on the same server, else on Granian."""
    raws = {row.key[1:]: row for row in rows if row.peer == RAW and row.rounds}
    for row in rows:
        if not row.rounds:
            continue
        for server in (row.server, "granian"):
            if raw := raws.get((row.interface, server, row.workload)):
                row.set_ratio(raw)
                break


def figures_of(rows: Sequence[Row]) -> list[Figure]:
    """Return the figures that these rows allow to be judged."""
    figures = []
    found = {row.key: row for row in rows if row.rounds and not row.died}
    for name in ("W1", "W2", "W3"):
        for words, key in (
            ("serve, WSGI", (OURS, "wsgi", "serve", name)),
            ("serve, RSGI, async view", (OURS, "rsgi", "serve", name)),
        ):
            row = found.get(key)
            if row and row.ratio_to_raw is not None:
                figures.append(Figure(f"{name} {words}: CPU / raw", row.ratio_to_raw, 1.25))
        sync = found.get((f"{OURS}_sync", "rsgi", "serve", name))
        raw = found.get((RAW, "rsgi", "granian", name))
        if sync and raw:
            over = statistics.median(
                own - limit for own, limit in zip(sync.rounds, raw.rounds, strict=False)
            )
            figures.append(
                Figure(f"{name} serve, RSGI, sync view: CPU - raw", over, 12.0, unit=" us")
            )
        if sync and (flasks := [row for row in found.values() if row.key[::3] == ("flask", name)]):
            quickest = max(row.more["requests_s"] for row in flasks)
            figures.append(
                Figure(
                    f"{name} serve, RSGI, sync view: requests/s / Flask's",
                    sync.more["requests_s"] / quickest,
                    3.0,
                    ">=",
                )
            )
    return figures + _lowest(found.values())


def _lowest(rows: Iterable[Row]) -> list[Figure]:
    """Return our best server's CPU over the lowest of all peers that finish all four."""
    whole: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        whole.setdefault(row.key[:3], {})[row.workload] = row
    whole = {key: found for key, found in whole.items() if found.keys() >= set(HTTP)}
    ours = {key: found for key, found in whole.items() if key[0].startswith(OURS)}
    others = {
        key: found
        for key, found in whole.items()
        if key not in ours and key[0] not in (RAW, *OWN_CORE)
    }
    if not ours or not others:
        return []

    def mean(key: tuple[str, ...]) -> float:
        return statistics.geometric_mean(ours[key][name].best for name in HTTP)

    best = min(ours, key=mean)
    figures = []
    for name in HTTP:
        rival = min(others, key=lambda key: others[key][name].best)
        figures.append(
            Figure(
                f"{name} CPU, {' '.join(best[1:])} / lowest peer's ({' '.join(rival)})",
                ours[best][name].best / others[rival][name].best,
                1.0,
            )
        )
    return figures


def main() -> int:
    """Read the command line, run the rounds, print and write the tables; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.over_http", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", default=os.environ.get("ONLY", ""))
    parser.add_argument("--compare", type=Path, default=os.environ.get("COMPARE") or None)
    parser.add_argument(
        "--rounds", type=int, default=0, help="of two loads each: 3; 1 with --quick"
    )
    parser.add_argument("--seconds", type=int, default=0, help="of each load: 2; 1 with --quick")
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("the servers are looked at through /proc, so this runs on Linux only")
    if not has_wrk():
        parser.error("wrk is not installed; on Debian: apt-get install wrk")
    check_old(options.compare, "over_http")
    document = Document("over_http")
    only = [name for name in options.only.split(",") if name]
    entries = list_entries(only, document)
    packages = {package for entry in entries for package in entry.peer.packages}
    document.begin(sorted({"granian", "uvicorn", "gunicorn", "hypercorn"} | packages))
    rounds = options.rounds or (1 if options.quick else 3)
    seconds = options.seconds or (1 if options.quick else 2)
    cores = choose_cores()
    if cores[0] == cores[1]:
        document.notes.append("one core for server and load: only the CPU figures count")
    began = time.monotonic()
    with ended_by_signals(), tempfile.TemporaryDirectory(prefix="hipflask-bench-") as folder:
        bench = Bench(Path(folder), seconds, cores)
        for number in range(rounds):
            bench.run_round(entries)
            print(
                f"round {number + 1} of {rounds}, {len(entries)} servers:"
                f" done at {time.monotonic() - began:.0f} s",
                file=sys.stderr,
            )
    document.rows = [row for entry in entries for row in entry.rows()]
    set_http_ratios(document.rows)
    document.figures = figures_of(document.rows)
    return finish(document, options.compare)


if __name__ == "__main__":
    sys.exit(main())
