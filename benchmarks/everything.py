"""What is added to a request by all that watches and guards it: `python -m benchmarks.everything`.

One process has an application for each part alone, one with all of them and one with none, and
asks them for slices of a millisecond in turns, in an order that is drawn anew each round. A figure
in microseconds is one of a quiet machine, so what counts is the least slice of each: what a part
adds is its least less that of the application without any. Exit 1 where all of them together add
more than `LIMIT_US`, or where those that are there and off add anything. `FAULT=1` burns time
where all are on, so that it must fail.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .compare import check_old, finish
from .document import Document, Figure, Row, set_ratios
from .drivers import DRIVERS
from .progress import Progress
from .slowed import burn
from .workloads import Answer, Call

#: Microseconds that everything may add to a request.
LIMIT_US = 15.0
#: Microseconds by which two applications without anything differ in one run, at most.
NOISE_US = 0.5
NOTHING, OFF, ALL = "nothing", "all off", "all"
SLICE_S = 1e-3
WARM_UP = 3000

#: As Chromium sends it, through a proxy that traces.
FIELDS = (
    ("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("X-Forwarded-For", "192.0.2.7"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Referer", "http://127.0.0.1:8000/items"),
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Cookie", "theme=dark; seen=4711"),
)
BODY = b'{"count": 3}'
JSON = (("Content-Type", "application/json"), ("Content-Length", str(len(BODY))))
CALLS = {
    "GET": Call("/items/7", headers=FIELDS),
    "POST": Call("/items/7", method="POST", headers=(*FIELDS, *JSON), body=BODY),
}


def main() -> int:
    """Read the command line, measure, print and judge; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.everything", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--compare", type=Path, default=os.environ.get("COMPARE") or None)
    options = parser.parse_args()
    check_old(options.compare, "everything")
    if os.environ.get("FAULT"):
        print("FAULT: everything burns time, too; its figures must be missed")
    return finish(measure(quick=options.quick), options.compare)


# --- the applications ---------------------------------------------------------------------------


def make_app(*, is_async: bool) -> Any:
    """An application that gives text for a GET, and reads and writes JSON for a POST."""
    from hipflask import Flask, request  # once the environment says whose defaults

    app = Flask("everything", static_folder=None)

    @app.get("/items/<int:number>")
    def item(number: int) -> str:
        return f"item {number}"

    @app.post("/items/<int:number>")
    def order(number: int) -> dict[str, int]:
        return {"number": number, "count": request.get_json()["count"]}

    if is_async:
        for endpoint, view in [("item", item), ("order", order)]:
            app.view_functions[endpoint] = awaited(view)
    return app


def awaited(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view as a coroutine function."""

    async def view_async(number: int) -> Any:
        return view(number)

    return view_async


@dataclass(frozen=True)
class Part:
    """Something to switch on for an application; `settings` are put into its configuration."""

    name: str
    settings: dict[str, Any]
    switch: Callable[[Any, Any], None]


def _logs(app: Any, stream: Any) -> None:
    from hipflask.ops.logs import structured_logs

    structured_logs(app, "json", to=stream)


def _metrics(app: Any, stream: Any) -> None:
    from hipflask.ops.traffic import count_requests

    count_requests(app)


def _slow(app: Any, stream: Any) -> None:
    from hipflask.ops.slow import report_slow_requests

    report_slow_requests(app)


def _trace(app: Any, stream: Any) -> None:
    from hipflask.ops.observing import Observer, observe

    class Calling(Observer):
        def end(self, seen: Any, token: Any) -> None:
            # What a call made in this request would send on.
            seen.trace.fields()

    observe(app, Calling())


def _guards(app: Any, stream: Any) -> None:
    from hipflask.guards import protect

    protect(app)


def _rates(app: Any, stream: Any) -> None:
    from hipflask.guards import limit_rates

    limit_rates(app)


def _nothing(app: Any, stream: Any) -> None:
    pass


# Every request has its line: those left out past a number a second would be cheap.
LINES = {"LOG_SAMPLE_ABOVE": None}
IDS = {"REQUEST_ID_FROM": ["10.0.0.0/8"], "REQUEST_ID_RESPONSE": True}
PARTS = (
    Part("logs", LINES, _logs),
    Part("logs, id in answers", {**LINES, **IDS}, _logs),
    Part("slow requests", {}, _slow),
    Part("metrics", {}, _metrics),
    Part("trace context", {}, _trace),
    Part("guards", {}, _guards),
    Part("rate limit", {"RATE_LIMIT": "1000000000/hour"}, _rates),
)


def switched(name: str, *, is_async: bool, stream: Any) -> Any:
    """An application with what `name` says."""
    app = make_app(is_async=is_async)
    if name == OFF:
        app.config["LOGS"] = "off"
        _as_served(app)
    for part in PARTS:
        if name in (part.name, ALL):
            app.config.update(part.settings)
    for part in PARTS:
        if name in (part.name, ALL):
            part.switch(app, stream)
    if name == ALL and os.environ.get("FAULT"):
        app.before_request(burn)
    return app


def _as_served(app: Any) -> None:
    """What `hipflask serve` does to an application that it is told to leave alone."""
    from hipflask.server import access
    from hipflask.server.settings import Settings

    assert access.observe(app, app, Settings(logs=True, access_log=True)) is None


# --- measuring ----------------------------------------------------------------------------------


class Side:
    """One application at one door, and what its slices have cost."""

    def __init__(self, name: str, interface: str, method: str, app: Any) -> None:
        self.driver = DRIVERS[interface](app)
        self.row = Row(name, interface, method)
        self.call = CALLS[method]
        check(self.driver.send(self.call), method)
        self.batch = self.driver.prepare([self.call])
        self.driver.time(self.batch, WARM_UP)
        self.count = max(1, round(SLICE_S / max(self.driver.time(self.batch, 500) / 500, 1e-6)))

    def time(self) -> None:
        """Ask for one slice, and note what a request of it cost."""
        took = self.driver.time(self.batch, self.count)
        self.row.rounds.append(round(took / self.count * 1e6, 4))


def check(answer: Answer, method: str) -> None:
    """Raise RuntimeError for an answer that is not the view's."""
    expected = b"item 7" if method == "GET" else {"number": 7, "count": 3}
    if answer.status != 200 or expected != (answer.body if method == "GET" else answer.json()):
        raise RuntimeError(f"{method} was answered {answer.status} {answer.body[:80]!r}")


def measure(*, quick: bool = False) -> Document:
    """Return the document of a run."""
    document = Document("everything", reference=NOTHING)
    document.begin(["msgspec", "werkzeug"])
    with ExitStack() as stack:
        # What serve gives each worker: figures in a file, and a stream for the lines.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hipflask-bench-"))
        stream = stack.enter_context(open(os.devnull, "w"))
        _keep_in_file(Path(folder))
        groups = list(_sides(stream))
        gc.collect()
        gc.freeze()
        _time_in_turn(groups, 60 if quick else 400)
    gc.unfreeze()
    document.rows = [side.row for group in groups for side in group]
    set_ratios(document.rows, NOTHING)
    for group in groups:
        add_differences([side.row for side in group])
    document.figures = figures_of(document.rows)
    return document


def _keep_in_file(folder: Path) -> None:
    from hipflask.ops import metrics
    from hipflask.ops.cells import FileCells

    metrics.registry.move(FileCells(folder / "worker"))


def _sides(stream: Any) -> Iterator[list[Side]]:
    names = [NOTHING, OFF, *(part.name for part in PARTS), ALL]
    for interface in DRIVERS:
        for method in CALLS:
            yield [
                Side(
                    name,
                    interface,
                    method,
                    switched(name, is_async=interface != "wsgi", stream=stream),
                )
                for name in names
            ]


def _time_in_turn(groups: Sequence[Sequence[Side]], rounds: int) -> None:
    progress = Progress(rounds * len(groups))
    for _ in range(rounds):
        for group in groups:
            progress.step(f"{group[0].row.interface} {group[0].row.workload}")
            for side in random.sample(group, len(group)):
                side.time()
    progress.end()


def add_differences(rows: Sequence[Row]) -> None:
    """Note in each row what it adds to that with nothing, on a quiet machine."""
    plain = next(row for row in rows if row.peer == NOTHING)
    for row in rows:
        row.more["added_us"] = round(row.best - plain.best, 3)


def figures_of(rows: Sequence[Row]) -> list[Figure]:
    """What everything adds to a request at each door, and what it does while it is off."""
    found = []
    for name, limit in ((ALL, LIMIT_US), (OFF, NOISE_US)):
        for row in rows:
            if row.peer == name:
                title = f"{name}, added to a {row.workload} ({row.interface.upper()})"
                found.append(Figure(title, row.more["added_us"], limit, unit=" us"))
    return found


if __name__ == "__main__":
    sys.exit(main())
