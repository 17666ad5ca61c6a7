"""Processes of the service under test: started, killed at a failpoint or at random, and again."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..soak.server import ROOT, children_of

#: What `serve` says when a worker is gone.
_KILLED = re.compile(rb"worker \d+ \(pid (\d+)\) was ended by signal 9")
_PDEATHSIG = 1
APP = "benchmarks.webhooks.app"
AWAY = ("StoreUnavailable", "cannot be reached", "the server is stopping")


class Group:
    """One command and the processes it starts; `kills` counts by failpoint, or under "random".

    Which failpoint a process gets is read from a file when the application is imported, and
    noted in another: a worker that takes the place of a killed one may get a new one.
    """

    def __init__(
        self,
        name: str,
        words: list[str],
        folder: Path,
        environ: Mapping[str, str],
        *,
        app: str = APP,
    ) -> None:
        self.name = name
        self.kills: Counter[str] = Counter()
        #: Ends that nobody ordered: the exit code, and the last words.
        self.falls: list[str] = []
        #: Ends at the start because the store was away, as it says with exit code 69, or 2.
        self.aways = 0
        self._words = [sys.executable, "-m", "hipflask", "--app", app, *words]
        self._log = folder / f"{name}.log"
        self._log.touch()
        self._read = 0
        self._point = folder / f"{name}.point"
        self._noted = folder / f"{name}.pids"
        self._noted.touch()
        self._environ = {
            **os.environ,
            **environ,
            "STORM_POINT": str(self._point),
            "STORM_NOTES": str(self._noted),
        }
        self._environ.pop("HIPFLASK_FAILPOINT", None)
        self._shot: dict[int, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.give("")

    def give(self, point: str) -> None:
        """Whoever is started from now on kills itself there: `P3:17` is at the 17th time."""
        beside = self._point.with_suffix(".new")
        beside.write_text(point)
        beside.replace(self._point)

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._words,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                env=self._environ,
            )

    def noted(self) -> dict[int, str]:
        """The failpoint of each process that was about to work; "" for none."""
        lines = (line.partition(" ") for line in self._noted.read_text().splitlines())
        return {int(pid): point.partition(":")[0] for pid, _, point in lines}

    def pids(self) -> list[int]:
        """The pids of the command and of the processes that do the work for it."""
        if self._process is None or self._process.poll() is not None:
            return []
        pid = self._process.pid
        return [pid, *(child for child in children_of(pid) if _works(child))]

    def look(self) -> bool:
        """Count who was killed since the last look; whether the command still runs."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        # Whole lines only; the rest is read the next time.
        text = text[: text.rfind(b"\n") + 1]
        self._read += len(text)
        for pid in _KILLED.findall(text):
            self._count(int(pid))
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        if code == -signal.SIGKILL:
            self._count(self._process.pid)
        elif code in (2, 69) and any(word in self.last_words() for word in AWAY):
            self.aways += 1
        else:
            self.falls.append(f"{self.name} ended with {code}: {self.last_words()}")
        self._process = None
        return False

    def kill(self, pid: int, name: str = "random") -> None:
        """SIGKILL one of its processes; it is counted under this name."""
        self._shot[pid] = name
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """SIGKILL the command and all it has started, as a machine that loses its power."""
        self.look()
        if self._process is None:
            return
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        self.kills["random"] += len(pids)

    def stop_and_go(self, go: bool) -> None:
        """SIGSTOP the processes, or with `go` let them continue."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT if go else signal.SIGSTOP)

    def stop(self, within_s: float = 30.0) -> None:
        """End it as an operator does; by force if it takes longer."""
        if self._process is None:
            return
        pids = self.pids()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.falls.append(f"{self.name} did not end within {within_s:g} s of SIGINT")
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-400:] or "nothing was said"

    def _count(self, pid: int) -> None:
        self.kills[self._shot.get(pid) or self.noted().get(pid) or "random"] += 1


def _works(pid: int) -> bool:
    """Whether it is a worker of ours; Python's resource tracker is a child, too."""
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _end_with_parent() -> None:
    # In the new process: ended with the program even if that is killed.
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
