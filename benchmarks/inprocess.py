"""CPU microseconds per request, in-process: `python -m benchmarks.inprocess`.

Each application of each peer lives in a process of its own (`worker.py`). A round asks all peers
for a block of requests, workload by workload, both in shuffled order, so that what else the
machine does bothers all alike; blocks of one workload lie seconds apart, and ratios are taken
round by round. Only one process works at a time.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .compare import check_old, finish
from .document import OURS, RAW, Document, Row, set_ratios
from .expected import LEAST, judge_peers
from .figures import PAGE, format_verdicts, judge
from .peers import PEERS, Peer, find
from .progress import Progress
from .worker import Worker
from .workloads import APPS, WORKLOADS, Workload

PACKAGES = ("jinja2", "msgspec", "pydantic", "werkzeug")
#: CPU seconds of a slice, the least of which tells the cost on a quiet machine.
SLICE_S = 1e-3
#: Requests of a slice are a multiple of the workload's different ones, up to this many.
MOST_IN_TURN = 100
#: Student's t for 95 %, by number of pairs.
STUDENT = {4: 3.182, 5: 2.776, 6: 2.571, 8: 2.365, 10: 2.262}


@dataclass(frozen=True)
class Size:
    """How long a run is: rounds of blocks, each of about so much CPU; pairs for W5's figure."""

    rounds: int
    block_s: float
    pairs: int
    blocks: int


FULL = Size(rounds=9, block_s=0.15, pairs=10, blocks=8)
QUICK = Size(rounds=5, block_s=0.05, pairs=5, blocks=4)


class Run:
    """Measures rows and collects them in a document."""

    def __init__(self, peers: Sequence[Peer], names: Sequence[str], size: Size) -> None:
        self.document = Document("inprocess")
        self.document.begin([*PACKAGES, *(one for peer in peers for one in peer.packages)])
        self._size = size
        self._names = names
        self._rows: dict[tuple[str, str], Row] = {}
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        self._peers = list(peers)
        blocks = sum(name in peer.workloads for peer in peers for name in names)
        self._progress = Progress(blocks * (size.rounds + 2))

    def measure(self) -> None:
        """Fill the document's rows; a peer that is missing or broken is named in its notes."""
        for peer in [*self._peers]:
            if reason := peer.missing():
                self._note(peer, reason)
                self._peers.remove(peer)
        for app in APPS:
            self._measure_app(app)
        self._progress.end()
        order = {peer.key: place for place, peer in enumerate(PEERS)}
        places = {name: place for place, name in enumerate(WORKLOADS)}
        self.document.rows = sorted(
            self._rows.values(),
            key=lambda row: (order[f"{row.peer} {row.interface}"], places[row.workload]),
        )
        set_ratios(self.document.rows)

    def _measure_app(self, app: str) -> None:
        names = [name for name in self._names if WORKLOADS[name].app == app]
        peers = [peer for peer in self._peers if set(names) & set(peer.workloads)]
        # All at once: what they import may take both cores.
        workers = [Worker(peer, app) for peer in peers]
        try:
            ready: dict[str, list[Worker]] = {name: [] for name in names}
            for worker in workers:
                self._begin(worker, ready)
            for _ in range(self._size.rounds):
                random.shuffle(names)
                for name in names:
                    random.shuffle(ready[name])
                    for worker in [*ready[name]]:
                        self._block(worker, name, ready)
        finally:
            for worker in workers:
                worker.close()

    def _begin(self, worker: Worker, ready: dict[str, list[Worker]]) -> None:
        """Hear that the peer is there, and look at its answers."""
        peer = worker.peer
        try:
            worker.hear()
        except RuntimeError as error:
            for name in set(ready) & set(peer.workloads):
                self._row(peer, name).died = str(error)
            return
        for name in ready:
            if name not in peer.workloads:
                continue
            self._progress.step(f"{peer.name} {name}: answers", 2)
            row = self._row(peer, name)
            try:
                cost = worker.ask(do="check", workload=name)["cpu_s"]
            except RuntimeError as error:
                row.died = str(error)
                continue
            self._counts[peer.key, name] = size_of(WORKLOADS[name], cost, self._size.block_s)
            ready[name].append(worker)

    def _block(self, worker: Worker, name: str, ready: dict[str, list[Worker]]) -> None:
        peer = worker.peer
        self._progress.step(f"{peer.name} {name}")
        count, slices = self._counts[peer.key, name]
        row = self._row(peer, name)
        try:
            took = worker.ask(do="time", workload=name, count=count, slices=slices)
        except RuntimeError as error:
            row.died = str(error)
            row.rounds.clear()
            ready[name].remove(worker)
            return
        row.rounds.append(round(took["cpu_s"] / count / slices * 1e6, 4))
        least = round(took["least_s"] / count * 1e6, 4)
        row.more[LEAST] = min(least, row.more.get(LEAST, least))

    def _row(self, peer: Peer, name: str) -> Row:
        key = peer.key, name
        return self._rows.setdefault(key, Row(peer.name, peer.interface, name))

    def _note(self, peer: Peer, words: str) -> None:
        self.document.notes.append(f"{peer.name} ({peer.interface}): {words}")

    def measure_page(self) -> None:
        """Add to our row of W5 what it costs more than the raw one: mean and 95 % interval.

        Two processes of one program differ by a percent or two for as long as they live, so
        the pairs are of fresh processes; blocks of both in turn make one difference each.
        """
        row = next((one for one in self.document.rows if one.key == (OURS, "wsgi", "", PAGE)), None)
        raw = find(RAW, "wsgi")
        if row is None or not row.rounds:
            return
        progress = Progress(self._size.pairs)
        differences = []
        for seed in range(1, self._size.pairs + 1):
            differences.append(self._pair(find(OURS, "wsgi"), raw, seed))
            progress.step("W5: pairs of processes")
        progress.end()
        mean, half = interval(differences)
        row.more |= {
            "over_raw_us": round(mean, 3),
            "low_us": round(mean - half, 3),
            "high_us": round(mean + half, 3),
        }

    def _pair(self, ours: Peer, raw: Peer, seed: int) -> float:
        """Return how many microseconds more ours takes, in one pair of fresh processes."""
        workers = [Worker(ours, "core", seed), Worker(raw, "core", seed)]
        try:
            for worker in workers:
                worker.hear()
                worker.ask(do="check", workload=PAGE)
            count, slices = self._counts[raw.key, PAGE]
            order = {"do": "time", "workload": PAGE, "count": count, "slices": slices}
            seen: list[float] = []
            for block in range(self._size.blocks):
                turn = workers if block % 2 else workers[::-1]
                costs = {worker: worker.ask(**order)["cpu_s"] for worker in turn}
                seen.append((costs[workers[0]] - costs[workers[1]]) / count / slices * 1e6)
            return statistics.median(seen)
        finally:
            for worker in workers:
                worker.close()


def size_of(workload: Workload, cost_s: float, block_s: float) -> tuple[int, int]:
    """Return how many requests a slice has, and how many slices a block.

    Each slice has all of a workload's requests equally often, where they cost differently.
    """
    turn = 1 if workload.has_session else min(len(workload.calls), MOST_IN_TURN)
    cost_s = max(cost_s, 1e-7)
    count = max(1, round(SLICE_S / cost_s / turn)) * turn
    return count, max(1, round(block_s / cost_s / count))


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and half of the 95 % interval around it, by Student's t."""
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values), STUDENT[len(values)] * spread


def measure(
    *,
    quick: bool = False,
    only: Sequence[str] = (),
    workloads: Sequence[str] = (),
) -> Document:
    """Return the document of a run; all peers and workloads unless some are named.

    Figures are judged where all peers ran.
    """
    names = [name for name in WORKLOADS if name in (workloads or WORKLOADS)]
    peers = [
        peer
        for peer in PEERS
        if peer.interface != "own" and (not only or peer.name in {RAW, *only})
    ]
    run = Run(peers, names, QUICK if quick else FULL)
    run.measure()
    if PAGE in names and (not only or OURS in only):
        run.measure_page()
    document = run.document
    document.notes += judge_peers(document)
    if not only:
        print(format_verdicts(judge(document, workloads)))
    return document


def main() -> int:
    """Read the command line, measure, print and write the tables; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inprocess", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", default=os.environ.get("ONLY", ""), help="peers, by comma")
    parser.add_argument("--workloads", default=os.environ.get("WORKLOADS", ""), help="by comma")
    parser.add_argument("--compare", type=Path, default=os.environ.get("COMPARE") or None)
    options = parser.parse_args()
    check_old(options.compare, "inprocess")
    document = measure(
        quick=options.quick,
        only=options.only.split(",") if options.only else (),
        workloads=options.workloads.split(",") if options.workloads else (),
    )
    return finish(document, options.compare)


if __name__ == "__main__":
    sys.exit(main())
