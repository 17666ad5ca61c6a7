"""A process with one application of one peer: `python -m benchmarks.worker NAME INTERFACE APP`.

Reads orders, a JSON object a line, and answers each with another: `check` a workload (every
answer is looked at, then it is timed for how long a request takes), `time` so many slices of so
many requests. `Worker` is the other side. With `FAULT` in the environment hipflask's
applications burn time in each request.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .document import OURS
from .drivers import DRIVERS
from .peers import Peer, find
from .workloads import COOKIES, WORKLOADS, Call, Workload, WrongAnswer, verify

ROOT = Path(__file__).resolve().parents[1]
#: Seconds that one order may take; the first one waits for the peer's import.
PATIENCE_S = 120.0
#: How many different requests are looked at, at most; then how many are timed for the count.
CHECKED = 200
TRIED = 200


class Worker:
    """The process, seen from the one that started it."""

    def __init__(self, peer: Peer, app: str, seed: int | None = None) -> None:
        self.peer = peer
        self.app = app
        words = [sys.executable, "-m", "benchmarks.worker", peer.name, peer.interface, app]
        environ = os.environ | dict(peer.environ)
        environ |= {"PYTHONHASHSEED": "random" if seed is None else str(seed)}
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order and return the answer; RuntimeError says what went wrong."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
        except OSError:
            raise RuntimeError("the process ended") from None
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """Wait for an answer: the first one, without an order, says that the peer is there."""
        stdout = self._process.stdout
        assert stdout is not None
        timer = threading.Timer(PATIENCE_S, self._process.kill)
        timer.start()
        line = stdout.readline()
        timer.cancel()
        if not line:
            code = self._process.wait()
            said = "no answer in time" if code == -9 else f"the process ended with {code}"
            raise RuntimeError(said)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # an order that never got through
                    pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Bench:
    """The application inside the process, and the requests it is sent."""

    def __init__(self, peer: Peer, app: str) -> None:
        made = peer.make(app)
        if os.environ.get("FAULT") and peer.name.startswith(OURS):
            from .slowed import burn  # imports whatever `BENCH_PEER` names

            made.before_request(burn)
        self.driver = DRIVERS[peer.interface](made)
        self._batches: dict[str, Iterator[Any]] = {}

    def check(self, name: str) -> dict[str, Any]:
        """Look at the answers to a workload; return the CPU seconds of one request."""
        workload = WORKLOADS[name]
        calls = logged_in(self.driver, workload) if workload.has_session else workload.calls
        look_at(self.driver, workload, calls)
        batch = self._batches[name] = self.driver.prepare(calls)
        self.driver.time(batch, TRIED // 2)
        return {"cpu_s": self.driver.time(batch, TRIED) / TRIED}

    def time(self, name: str, count: int, slices: int) -> dict[str, Any]:
        """Return the CPU seconds of so many slices of so many requests: all, and the least."""
        batch = self._batches[name]
        seen = [self.driver.time(batch, count) for _ in range(slices)]
        return {"cpu_s": sum(seen), "least_s": min(seen)}


def look_at(driver: Any, workload: Workload, calls: tuple[Call, ...]) -> None:
    """Send each request twice; raise WrongAnswer if an answer is wrong or the same again."""
    for call in calls[:: max(1, len(calls) // CHECKED)]:
        first, second = driver.send(call), driver.send(call)
        for answer in (first, second):
            verify(workload, call, answer)
        if workload.is_changing and call.status == 200 and first.body == second.body:
            raise WrongAnswer(f"{call.target}: the same answer twice")
    for call in workload.refused:
        verify(workload, call, driver.send(call))


def logged_in(driver: Any, workload: Workload) -> tuple[Call, ...]:
    """Return the workload's request with different cookies that the application has set."""
    (call,) = workload.calls
    found = []
    for _ in range(COOKIES):
        answer = driver.send(call)
        verify(workload, call, answer)
        cookies = [
            value.partition(";")[0] for name, value in answer.headers if name == "set-cookie"
        ]
        found.append(replace(call, headers=(*call.headers, ("Cookie", "; ".join(cookies)))))
    return tuple(found)


def main() -> int:
    """Make the application and obey."""
    name, interface, app = sys.argv[1:]
    # Frameworks print: what they say must not be taken for an answer.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)

        def tell(answer: dict[str, Any]) -> None:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

        try:
            bench = Bench(find(name, interface), app)
        except BaseException as error:
            tell({"error": f"did not start: {type(error).__name__}: {error}"[:500]})
            return 1
        tell({})
        for line in sys.stdin:
            order = json.loads(line)
            try:
                if order["do"] == "check":
                    tell(bench.check(order["workload"]))
                else:
                    tell(bench.time(order["workload"], order["count"], order["slices"]))
            except Exception as error:
                tell({"error": f"{type(error).__name__}: {error}"[:500]})
        return 0


if __name__ == "__main__":
    # Threads of a pool may still wait: nobody is to wait for them.
    code = main()
    sys.stdout.flush()
    os._exit(code)
