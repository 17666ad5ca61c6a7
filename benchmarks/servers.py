"""A server in processes of its own, pinned to a core and looked at through /proc. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from types import FrameType

from .soak.server import ROOT, free_port
from .workloads import Answer, Call, Workload

PATIENCE_S = 30.0
STOP_WITHIN_S = 5.0
WARM_UP = 200
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
_PDEATHSIG = 1


class ServerError(Exception):
    """A server did not start, or died; holds the end of what it said."""


class Server:
    """Runs a command, in which `{port}` is a free port, until the `with` block is left.

    Every process it starts is in a session of its own: that is how they are counted and ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        core: int | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self._words = [word.format(port=self.port) for word in command]
        self._core = core
        self._environ = {**os.environ, **(environ or {})}
        self._log = folder / f"server-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._words,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._prepare,
                env=self._environ,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        # In the new process: ended with us even if we are killed, and all of it on one core.
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
        if self._core is not None:
            os.sched_setaffinity(0, {self._core})

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                fetch(self.port, Call("/plaintext"))
                return
            self.check()
            if time.monotonic() > deadline:
                raise ServerError(f"did not answer within {PATIENCE_S:g} s: {self.last_words()}")
            time.sleep(0.005)

    def check(self) -> None:
        """Raise ServerError if the server has ended, or left none to answer."""
        process = self._process
        assert process is not None
        if (code := process.poll()) is not None:
            raise ServerError(f"ended with {_name_code(code)}: {self.last_words()}")

    def pids(self) -> list[int]:
        """The pids of all its processes."""
        assert self._process is not None
        return [pid for pid, session in _sessions() if session == self._process.pid]

    def cpu_s(self) -> float:
        """Seconds of processor time that all its processes have used."""
        return sum(_cpu_s(pid) for pid in self.pids())

    def memory_mb(self) -> tuple[float, float]:
        """Resident memory of all its processes, and of the largest: the worker."""
        sizes = [_rss_mb(pid) for pid in self.pids()]
        return sum(sizes), max(sizes, default=0.0)

    def last_words(self) -> str:
        """The end of what it printed, on one line."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        # Python names the error in a traceback's last line; servers have more to say after it.
        errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
        return " | ".join(errors[-1:] or lines[-2:])[-300:] or "nothing was said"

    def stop(self) -> None:
        """End every process of it; return when they are gone."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN_S)
        # What outlived it: by pid, as the session tells whose they are.
        while left := [pid for pid, session in _sessions() if session == process.pid]:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.poll()
            time.sleep(0.005)
        process.wait()


def fetch(port: int, call: Call) -> Answer:
    """Send one request and return the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(call.method, call.target, call.body or None, dict(call.headers))
        answer = connection.getresponse()
        headers = tuple((name.lower(), value) for name, value in answer.getheaders())
        return Answer(answer.status, headers, answer.read())
    finally:
        connection.close()


def warm(port: int, workload: Workload) -> None:
    """Send a few hundred requests on one connection: Python has then settled on its code."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        for call in islice(cycle(workload.calls), WARM_UP):
            connection.request(call.method, call.target, call.body or None, dict(call.headers))
            connection.getresponse().read()
    finally:
        connection.close()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does: servers are stopped on the way."""

    def stop(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _sessions() -> Iterator[tuple[int, int]]:
    """Give each living process and the session it belongs to."""
    for name in os.listdir("/proc"):
        fields = _stat(int(name)) if name.isdigit() else []
        if fields and fields[0] not in "ZX":
            yield int(name), int(fields[3])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S if fields else 0.0


def _rss_mb(pid: int) -> float:
    fields = _stat(pid)
    return int(fields[21]) * _PAGE_MB if fields else 0.0


def _name_code(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"code {code}"
