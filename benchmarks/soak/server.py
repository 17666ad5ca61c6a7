"""The server under test: `hipflask serve` in a process of its own, looked at through /proc."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .client import NoAnswer, fetch
from .report import Report

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`hipflask serve` on a free port; use it as an async context manager."""

    def __init__(
        self,
        folder: Path,
        *flags: str,
        workers: int = 1,
        app: str = "benchmarks.soak.app",
        environ: Mapping[str, str] | None = None,
        words: Sequence[str] = (),
    ) -> None:
        """`words` start another server than `hipflask serve`; `{port}` is put into them."""
        self.port = free_port()
        self.count = workers
        self.log = folder / f"server-{self.port}.log"
        self._environ = {**os.environ, **(environ or {})}
        serve = ["-m", "hipflask", "--app", app, "serve", "--bind", f"127.0.0.1:{self.port}"]
        serve += ["--workers", str(workers), *flags]
        self._is_ours = not words
        self._words = [word.replace("{port}", str(self.port)) for word in words] or serve
        self._process: subprocess.Popen[bytes] | None = None
        self._known: set[int] = set()

    async def __aenter__(self) -> Server:
        words = [sys.executable, *self._words]
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                words,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environ,
            )
        deadline = time.monotonic() + PATIENCE_S
        pids: set[int] = set()
        while len(pids) < self.count:
            if self._process.poll() is not None or time.monotonic() > deadline:
                code = self._process.returncode
                await self.__aexit__()
                raise RuntimeError(f"the server did not start ({code}):\n{self.read_log()}")
            with contextlib.suppress(NoAnswer):
                pids.add(int((await fetch(self.port, "/pid")).body))
            await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        process = self._process
        if process is None:
            return
        self.workers()
        if process.poll() is None:
            # As Ctrl-C does: at once, while TERM waits for newcomers first.
            process.send_signal(signal.SIGINT)
            try:
                await self.wait(10.0)
            except TimeoutError:
                process.kill()
                process.wait()
        for pid in self._known:
            if _command(pid).find(b"spawn_main") >= 0:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    async def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit code; TimeoutError if it takes longer."""
        deadline = time.monotonic() + seconds
        while (code := self.code) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server still runs after {seconds} s")
            await asyncio.sleep(0.02)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that watches the workers."""
        assert self._process is not None
        self._process.send_signal(number)

    def workers(self) -> list[int]:
        """The pids of the workers, oldest first."""
        if not self._is_ours:
            return children_of(self.pid) or [self.pid]
        # Python's resource tracker is a child, too.
        found = [pid for pid in children_of(self.pid) if b"spawn_main" in _command(pid)]
        self._known.update(found)
        return sorted(found, key=_started)

    def memory(self) -> float:
        """The workers' resident memory in MB."""
        return sum(_status(pid, "VmRSS") for pid in self.workers())

    def peak(self) -> float:
        """The most resident memory in MB since `reset_peak`, summed over the workers."""
        return sum(_status(pid, "VmHWM") for pid in self.workers())

    def reset_peak(self) -> None:
        for pid in self.workers():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def cpu_s(self) -> float:
        """Seconds of processor time that the server and its workers have used."""
        return cpu_of([self.pid, *self.workers()])

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Soak:
    """How long and how much; `quick` is the short version."""

    report: Report
    folder: Path
    quick: bool

    def of(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def serve(self, *flags: str, workers: int = 1) -> Server:
        return Server(self.folder, *flags, workers=workers)


def cpu_of(pids: list[int]) -> float:
    """Seconds of processor time that these processes have used."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> list[int]:
    """The pids of the processes that this one has started."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _started(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def _status(pid: int, key: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0
