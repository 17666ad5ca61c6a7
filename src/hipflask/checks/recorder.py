"""A plug-in for pytest that records what the tests reach: `pytest -p hipflask.checks.recorder`.

It notes each route by method and by whether somebody was known, SQL that writes while a safe
method is answered, and variables of the environment that the project's code reads. One file is
written at the end, `.hipflask-record.json` in the folder of pytest's configuration (another:
`--hipflask-record FILE`); with pytest-xdist what the workers saw is put together. The file has
no times in it: the same tests write the same file.
"""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ..globals import _cv_request
from ..signals import request_finished
from .facts import Hit, Recorded, Write
from .gathering import watch_reads
from .project import RECORD_FILE

_KEY = "hipflask_record"
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_wrote = re.compile(
    r"\s*(?:WITH\b.*?\)\s*)?(INSERT|UPDATE|DELETE|REPLACE|MERGE)\s+(?:OR\s+\w+\s+)?(?:INTO\s+|FROM\s+)?"
    r"[\"'`\[]?(\w+)",
    re.I | re.S,
).match
#: Tables that hipflask keeps for itself; a session that is prolonged is no effect of a GET.
_OWN_TABLE = re.compile(r"hipflask_|session").match


class Recorder:
    """What was seen in this process."""

    def __init__(self, root: Path) -> None:
        self._lock = threading.Lock()
        self._hits: Counter[tuple[str, str, str, str]] = Counter()
        self._writes: set[tuple[str, str, str, str]] = set()
        self.reads = watch_reads(str(root))
        self.tests = self.failed = 0
        request_finished.connect(self._finished)
        self._watched = False
        self.watch_sql()

    def watch_sql(self) -> None:
        """Listen to SQLAlchemy, once it is loaded by whoever uses it."""
        if not self._watched and (sqlalchemy := sys.modules.get("sqlalchemy")) is not None:
            engine = getattr(sqlalchemy, "Engine", None)
            if engine is not None:
                self._watched = True
                sqlalchemy.event.listen(engine, "before_cursor_execute", self._executed)

    def _finished(self, sender: Any, response: Any, **more: Any) -> None:
        ctx: Any = _cv_request.get(None)
        rule = None if ctx is None else ctx.request.url_rule
        if rule is None:
            return
        stance = "known" if getattr(ctx, "_identity", None) is not None else "anonymous"
        with self._lock:
            self._hits[rule.rule, ctx.request.method, stance, str(response.status_code)] += 1

    def _executed(self, connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        ctx: Any = _cv_request.get(None)
        if ctx is None or ctx.request.method not in _SAFE or ctx.request.url_rule is None:
            return
        wrote = _wrote(statement)
        if wrote is not None and not _OWN_TABLE(wrote[2]):
            with self._lock:
                seen = (ctx.request.url_rule.rule, ctx.request.method, wrote[1].upper(), wrote[2])
                self._writes.add(seen)

    def recorded(self) -> Recorded:
        """What was seen so far."""
        statuses: dict[tuple[str, str, str], dict[str, int]] = {}
        for (rule, method, stance, status), number in sorted(self._hits.items()):
            statuses.setdefault((rule, method, stance), {})[status] = number
        return Recorded(
            tests=self.tests,
            failed=self.failed,
            hits=[
                Hit(rule=rule, method=method, stance=stance, statuses=found)
                for (rule, method, stance), found in statuses.items()
            ],
            writes=[
                Write(rule=rule, method=method, verb=verb, table=table)
                for rule, method, verb, table in sorted(self._writes)
            ],
            reads=dict(sorted(self.reads.items())),
        )


def together(parts: list[Recorded]) -> Recorded:
    """One record of several, as of pytest-xdist's workers."""
    hits: dict[tuple[str, str, str], Counter[str]] = {}
    for one in parts:
        for hit in one.hits:
            key = (hit.rule, hit.method, hit.stance)
            hits.setdefault(key, Counter()).update(hit.statuses)
    writes = {(w.rule, w.method, w.verb, w.table): w for one in parts for w in one.writes}
    reads = {name: place for one in parts for name, place in one.reads.items()}
    return Recorded(
        tests=sum(one.tests for one in parts),
        failed=sum(one.failed for one in parts),
        hits=[
            Hit(rule=key[0], method=key[1], stance=key[2], statuses=dict(sorted(found.items())))
            for key, found in sorted(hits.items())
        ],
        writes=[writes[key] for key in sorted(writes)],
        reads=dict(sorted(reads.items())),
    )


class Plugin:
    """The hooks that pytest calls; one for the process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.recorder = Recorder(config.rootpath)
        self._parts: list[Recorded] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        """See that SQL is listened to by now."""
        self.recorder.watch_sql()
        return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count the tests."""
        if report.when == "call" and not hasattr(self._config, "workerinput"):
            self.recorder.tests += 1
            self.recorder.failed += bool(report.failed)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """Take what a worker of pytest-xdist saw."""
        said = getattr(node, "workeroutput", {}).get(_KEY)
        if said is not None:
            self._parts.append(msgspec.json.decode(said, type=Recorded))

    def pytest_sessionfinish(self, session: Any) -> None:
        """Write the file, or hand what was seen to the process that will."""
        mine = self.recorder.recorded()
        if hasattr(self._config, "workerinput"):
            self._config.workeroutput[_KEY] = msgspec.json.encode(mine).decode()  # type: ignore[attr-defined]
            return
        made = together([mine, *self._parts])
        name = self._config.getoption("hipflask_record")
        path = Path(name) if name else self._config.rootpath / RECORD_FILE
        path.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption(
        "--hipflask-record",
        dest="hipflask_record",
        metavar="FILE",
        help=f"where to write what was recorded [default: {RECORD_FILE}]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to record."""
    config.pluginmanager.register(Plugin(config), "hipflask-recorder")
