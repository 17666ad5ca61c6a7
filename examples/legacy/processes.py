"""The story's processes, and the accounts that order all the while."""

from __future__ import annotations

import http.client
import itertools
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .orders import ORDERS

PATIENCE_S = 60.0
ACCOUNTS = 400


@contextmanager
def running(folder: Path, name: str, words: list[str], **settings: str) -> Iterator[str]:
    """Run a Python command that listens on the port it is given as "{port}"; gives its address."""
    port = free_port()
    command = [sys.executable, *(word.format(port=port) for word in words)]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_until(lambda: _listens(port, process, name), f"{name} does not answer")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(port: int, process: subprocess.Popen[bytes], name: str) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"{name} has ended: see its log")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    """Wait for it; raises TimeoutError, saying `otherwise`, after a minute."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(otherwise)
        time.sleep(0.02)


class Traffic:
    """Accounts that ask for orders through the front, some at a time, until `stop`."""

    def __init__(self, address: str, clients: int = 4) -> None:
        self._host = address.removeprefix("http://")
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        #: Answers so far, by who gave them ("old", "new", "front") and status.
        self.answers: Counter[tuple[str, int]] = Counter()
        #: Requests that got no answer at all, or a broken one.
        self.lost: list[str] = []
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=PATIENCE_S)
        while not self._is_over.is_set():
            number = next(self._numbers)
            order = random.Random(number).randint(1, ORDERS)
            kind = "/receipt" if number % 5 == 0 else ""
            fields = {"X-Account": f"account-{number % ACCOUNTS}"}
            try:
                connection.request("GET", f"/orders/{order}{kind}", headers=fields)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                connection.close()
                continue
            self._note(response, body, order)
        connection.close()

    def _note(self, response: http.client.HTTPResponse, body: bytes, order: int) -> None:
        side = "old" if response.headers["X-Powered-By"] else "new"
        if response.status in (502, 504):
            side = "front"
        with self._lock:
            self.answers[side, response.status] += 1
            if response.status == 200 and str(order).encode() not in body:
                self.lost.append(f"order {order} was answered with another")

    def total(self) -> int:
        """How many answers there were."""
        with self._lock:
            return sum(self.answers.values())

    def wait_for(self, number: int) -> Counter[tuple[str, int]]:
        """Wait for so many more answers; returns what these were."""
        with self._lock:
            before = self.answers.copy()
        goal = before.total() + number
        wait_until(lambda: self.total() >= goal, "the front answers no more")
        with self._lock:
            return self.answers - before

    def wait_for_side(self, side: str, number: int = 30) -> int:
        """Wait until `number` answers in a row come from one side; returns how many came before."""
        passed = 0
        while True:
            found = self.wait_for(number)
            if all(kind == side for kind, _ in found):
                return passed
            passed += found.total()

    def stop(self) -> None:
        """End it."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
