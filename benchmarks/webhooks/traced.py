"""Whether each 2xx had an fdatasync: `python -m benchmarks.webhooks.traced`; exit 1 if not.

What counts is order. strace writes a line where a call begins and one where it ends, or one for
both if nothing came between; so a line's number is its time. For each response that begins with
a 2xx there must be a sync of the store's log that began after the last byte of the request was
read from that connection, and ended before the response was written to it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..soak.report import Report
from ..soak.server import ROOT, children_of, free_port
from .events import Maker
from .groups import Group
from .postgres import running
from .wire import Cut, Wire

STORES = ("sqlite", "postgres")
RESPONSES = 1_500
CONNECTIONS = 64
PATIENCE_S = 60.0
APP = "benchmarks.webhooks.timed_app"
READS = ("read", "recvfrom", "recvmsg", "readv")
WRITES = ("write", "writev", "sendto", "sendmsg")
SYNCS = ("fdatasync", "fsync")
STRACE = (
    *("strace", "-f", "-qq", "-y", "-s", "16", "-e", "signal=none"),
    *("-e", "trace=" + ",".join((*READS, *WRITES, *SYNCS)), "-o"),
)
_BEGUN = re.compile(r"(\d+) +(\w+)\(\d+<([^>]*)>(.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_RESULT = re.compile(r"\) += (-?\d+)")


@dataclass
class Traced:
    """What a trace holds: 2xx to a POST, how many of them were covered, and syncs of the log."""

    responses: int = 0
    covered: int = 0
    syncs: int = 0
    #: The most responses that were waiting at the same time.
    together: int = 0


def judge(lines: Iterable[str], log: str) -> Traced:
    """Read a trace; `log` is part of the name of the file that must be synced."""
    found = Traced()
    begun: dict[str, tuple[str, str, int]] = {}  # by thread: call, file, line
    asked: dict[str, int] = {}  # by connection: line at which the request was whole
    synced = -1  # the line at which the youngest of the finished syncs began
    for number, line in enumerate(lines):
        if match := _BEGUN.match(line):
            thread, call, file, rest = match.groups()
            at = number
            if call in WRITES and '"HTTP/1.1 2' in rest and file in asked:
                found.responses += 1
                found.together = max(found.together, len(asked))
                found.covered += synced > asked.pop(file)
            if rest.endswith("<unfinished ...>"):
                begun[thread] = (call, file, number)
                continue
        elif match := _RESUMED.match(line):
            thread, call, rest = match.groups()
            _, file, at = begun.pop(thread, (call, "", number))
        else:
            continue
        result = _RESULT.search(rest)
        if call in SYNCS and log in file and result and result[1] == "0":
            found.syncs += 1
            synced = max(synced, at)
        elif (
            call in READS and result and int(result[1]) > 0 and ('"POST ' in rest or file in asked)
        ):
            asked[file] = number
    return found


def why_not(folder: Path) -> str:
    """Why nothing can be traced here; empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    trial = folder / "trial.txt"
    words = [*STRACE, str(trial), "true"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        return f"strace may not trace here: {done.stderr.strip()[-200:]}"
    return ""


def trace(
    folder: Path, responses: int, *, store: str = "sqlite", fault: str = ""
) -> tuple[Traced, int]:
    """Serve with one worker, trace it while it is asked; what was traced, and the 2xx seen.

    With `store` "postgres" the server's processes are in the same trace, as they sync.
    """
    port, written = free_port(), folder / "trace.txt"
    url, log, pids = f"sqlite:///{folder / 'inbox.db'}", "inbox.db-wal", []
    with contextlib.ExitStack() as stack:
        if store == "postgres":
            server = stack.enter_context(running())
            url, log = server.dsn(), "/pg_wal/"
        environ = {
            "TIMED_STORE": url,
            "STORM_FAULT": fault,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        }
        words = ["serve", "--bind", f"127.0.0.1:{port}", "--drain-wait", "0"]
        group = Group("serve", words, folder, environ, app=APP)
        stack.callback(group.stop)
        group.start()
        # The first event has everything opened that will be needed.
        asyncio.run(_ask(port, 1))
        pids = group.pids()
        if store == "postgres":
            pids += [server.pid, *children_of(server.pid)]
        with _traced(pids, written):
            seen = asyncio.run(_ask(port, responses))
    with written.open(errors="replace") as lines:
        return judge(lines, log), seen


@contextlib.contextmanager
def _traced(pids: list[int], written: Path) -> Iterator[None]:
    """Have strace look at these processes, and at those that they start meanwhile."""
    words = [*STRACE, str(written)] + [word for pid in pids for word in ("-p", str(pid))]
    with written.with_suffix(".log").open("wb") as output:
        strace = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        over = time.monotonic() + PATIENCE_S
        while not all(_is_traced(pid) for pid in pids):
            if strace.poll() is not None or time.monotonic() > over:
                raise RuntimeError(written.with_suffix(".log").read_text())
            time.sleep(0.02)
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait(PATIENCE_S)


def _is_traced(pid: int) -> bool:
    """Whether each of its threads is."""
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):
            if "\nTracerPid:\t0\n" in status.read_text():
                return False
    return True


async def _ask(port: int, responses: int) -> int:
    """Send so many events over many connections at once; the number of 2xx."""
    maker = Maker(f"t{port}x{responses}", port)
    events = [maker.standard() for _ in range(responses)]
    (await _connect(port)).close()
    todo, seen = iter(events), 0

    async def client() -> None:
        nonlocal seen
        wire = await Wire.open(port)
        for event in todo:
            status = await wire.ask(event.wire, within_s=PATIENCE_S)
            seen += 200 <= status < 300
        wire.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return seen


async def _connect(port: int) -> Wire:
    """A connection, as soon as there is somebody to answer."""
    over = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await Wire.open(port)
        except Cut:
            if time.monotonic() > over:
                raise
            await asyncio.sleep(0.05)


def main() -> int:
    """Trace both stores, each as it is and without its syncs, which must be seen; exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks.traced")
    parser.add_argument("--responses", type=int, default=RESPONSES)
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="hipflask-trace-") as name:
        if reason := why_not(Path(name)):
            parser.error(reason)
        for store in STORES:
            for turn in ("as it is", "control"):
                # FAULT=1 has the service not wait for the disk where it should.
                is_control = turn == "control"
                fault = "normal" if is_control or os.environ.get("FAULT") else ""
                folder = Path(name) / f"{store}-{turn.replace(' ', '-')}"
                folder.mkdir()
                report.begin(f"{store}, {turn}", "without syncs" if fault else "with syncs")
                found, seen = trace(folder, options.responses, store=store, fault=fault)
                report.line(
                    f"{found.responses} responses of 2xx, up to {found.together} at once,"
                    f" {found.syncs} syncs of the log; covered {found.covered}"
                )
                tell(report, found, seen, options.responses, is_control=is_control)
    return report.end()


def tell(report: Report, found: Traced, seen: int, responses: int, *, is_control: bool) -> None:
    """Judge a trace; that of the control must show responses without a sync."""
    report.check("2xx that came", seen, "=", responses)
    report.check("of them traced", found.responses, ">=", responses)
    uncovered = found.responses - found.covered
    if is_control:
        report.check("2xx without an fdatasync before them", uncovered, ">=", 1)
    else:
        report.check("2xx without an fdatasync before them", uncovered, "=", 0)


if __name__ == "__main__":
    sys.exit(main())
