"""What a shadow costs the answers, and what it finds: the second half of check 10.

    python -m tests.forward.shadowing            # some minutes on a quiet machine

Asks routes in turn that differ in their candidate only: none, one that is well, one that is
dead, one that takes 10 s. Then has a candidate that changes 1 % of its answers compared. Ends
with 1 where the median grew by more than a millisecond, or the change was not found alone.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .gigabyte import ROOT, is_listening, wait_until
from .servers import closed_port

MOST_MS = 1.0


@contextmanager
def process(*words: str, **settings: str) -> Iterator[int]:
    """A Python program that listens on the port that it is given as {port}."""
    port = closed_port()
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    env = {**os.environ, "PYTHONPATH": path, **settings}
    command = [sys.executable, *(word.format(port=port) for word in words)]
    run = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(port, run))
        yield port
    finally:
        run.terminate()
        run.wait(20)


@contextmanager
def front(server: str) -> Iterator[int]:
    """The application of `served_shadow` with its services; gives the port."""
    service = ("-m", "tests.forward.service", "{port}")
    with ExitStack() as stack:
        old = stack.enter_context(process(*service, "0", "0"))
        slow = stack.enter_context(process(*service, "0", "10"))
        changed = stack.enter_context(process(*service, "100", "0"))
        where = {"OLD": old, "WELL": old, "SLOW": slow, "CHANGED": changed, "PLAIN": old}
        settings = {name: f"http://127.0.0.1:{port}" for name, port in where.items()}
        settings["DEAD"] = f"http://127.0.0.1:{closed_port()}"
        if server == "gunicorn":
            words = ["-m", "gunicorn", "-b", "127.0.0.1:{port}", "-k", "gthread", "--threads", "4"]
            words += ["--log-level", "error", "tests.forward.served_shadow:app"]
        elif server == "uvicorn":
            words = ["-m", "uvicorn", "--port", "{port}", "--log-level", "warning"]
            words += ["tests.forward.served_shadow:app"]
        else:
            words = ["-m", "hipflask", "--app", "tests.forward.served_shadow:app", "serve"]
            words += ["--bind", "127.0.0.1:{port}"]
        yield stack.enter_context(process(*words, **settings))


class Asking:
    """One client on one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, route: str, number: int) -> float:
        """Ask for an item; returns how long it took, in seconds."""
        begun = time.perf_counter()
        self._connection.request("GET", f"/{route}/{number}")
        response = self._connection.getresponse()
        found = json.loads(response.read())
        taken = time.perf_counter() - begun
        assert found["id"] == number and found["price"] == 10, found
        return taken

    def report(self, name: str) -> dict[str, object]:
        self._connection.request("GET", "/_forward", headers={"Accept": "application/json"})
        found = json.loads(self._connection.getresponse().read())
        made: dict[str, object] = next(each for each in found if each["name"] == name)
        return made


def compare_times(port: int, rounds: int) -> dict[str, list[float]]:
    """The routes' times, asked in turn."""
    client = Asking(port)
    times: dict[str, list[float]] = {"plain": [], "well": [], "dead": [], "slow": []}
    for number in range(1, rounds + 1):
        for route, found in times.items():
            found.append(client.ask(route, number))
            # So that what a shadow does afterwards is not counted with the next route's answer.
            time.sleep(0.003)
    return times


def find_change(port: int, least: int) -> tuple[list[str], dict[str, float], int]:
    """Ask until so many answers were compared; returns places beyond noise, noise, how many."""
    client, number, compared = Asking(port), 0, 0
    while compared < least:
        number += 1
        client.ask("changed", number)
        if number % 500 == 0:
            report = client.report("changed")["total"]
            compared = report["compared"]  # type: ignore[index]
    wait_until(lambda: client.report("changed")["total"]["compared"] >= least)  # type: ignore[index]
    report = client.report("changed")["total"]
    places = [each["place"] for each in report["differences"]]  # type: ignore[index]
    return places, report["noise"], report["compared"]  # type: ignore[index]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--compared", type=int, default=4000)
    parser.add_argument("--server", choices=("rsgi", "uvicorn", "gunicorn"), action="append")
    options = parser.parse_args()
    is_well = True
    for server in options.server or ("rsgi", "uvicorn", "gunicorn"):
        with front(server) as port:
            times = compare_times(port, options.rounds)
            plain = statistics.median(times["plain"]) * 1000
            for route, found in times.items():
                median = statistics.median(found) * 1000
                p95 = statistics.quantiles(found, n=20)[-1] * 1000
                more = median - plain
                # On a machine that is busy with other things the scatter is a share of the whole.
                is_well = is_well and more <= max(MOST_MS, 0.3 * plain)
                print(
                    f"{server:9} candidate {route:6} p50 {median:6.2f} ms ({more:+.2f}),"
                    f" p95 {p95:6.2f} ms",
                    flush=True,
                )
            if server != (options.server or ["rsgi"])[0]:
                continue
            places, noise, compared = find_change(port, options.compared)
            is_well = is_well and places == ["price"]
            print(f"{compared} compared, 1 % changed: beyond noise {places}, noise {list(noise)}")
    print("as it should be" if is_well else "NOT as it should be")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
