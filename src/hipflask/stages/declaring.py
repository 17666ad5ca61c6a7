"""`declare`: the one line with which an application keeps to its stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from werkzeug.exceptions import Forbidden, Gone

from ..globals import _cv_current
from ..scaffold import SetupError
from .notices import Notices
from .reach import read_peers, refusal
from .record import StageRecord, read_record
from .sunset import Sunset, read_sunset

#: Where the record is kept with the application.
EXTENSION = "hipflask.stage"


class Overdue(SetupError):
    """A start past `decide_by`, where the record says `on_expiry = "refuse-start"`."""

    #: What `serve` ends with: sysexits' EX_CONFIG.
    exit_code = 78


def declare(
    app: Any, project: str | Path | None = None, *, clock: Callable[[], float] = time.time
) -> StageRecord | None:
    """Have the application keep to the stage of its project; returns the record, None without.

    The record is `[tool.hipflask]` of the nearest pyproject.toml around `project`, or around the
    application's module. Without one nothing is added, and a request costs what it did. `clock`
    gives seconds since 1970. Call it in the factory, after `trust_proxies`; a second call
    changes nothing.

    A prototype without `app.identities` answers its own machine and the allow-list only (403).
    Answers of all stages but "service" have the field `Hipflask-Stage`, pages of a prototype a
    banner; a sunset sends `Deprecation`, `Sunset` and `Link`, and after its day 410. Past
    `decide_by` a start logs a warning. Raises RecordError for a record that cannot be, Overdue
    where it says so.
    """
    if EXTENSION in app.extensions:
        known: StageRecord = app.extensions[EXTENSION]
        return known
    record = read_record(Path(app.root_path if project is None else project))
    if record is None:
        return None
    sunset = read_sunset(record.path)
    _check_date(app, record, _day(clock()))
    app.extensions[EXTENSION] = record
    gate = _Gate(app, record, sunset, clock)
    if gate.has_work:
        # Before all that the application does, for whom it is not there.
        for hooks in (app.before_request_funcs, app.before_websocket_funcs):
            hooks[None].insert(0, gate)
    late = _Late(record, clock)
    if record.stage != "service" or sunset is not None or record.decide_by is not None:
        app.after_request_funcs[None].insert(0, Notices(record, sunset, late))
    return record


def stage_of(app: Any) -> StageRecord | None:
    """The record that the application keeps to, None where it called `declare` for none."""
    found: StageRecord | None = app.extensions.get(EXTENSION)
    return found


class _Gate:
    """Stands before everything: 410 for what has ended, 403 for whom a prototype is not for."""

    is_quick = True

    def __init__(
        self, app: Any, record: StageRecord, sunset: Sunset | None, clock: Callable[[], float]
    ) -> None:
        self._app = app
        self._sunset = sunset
        self._is_retired = record.stage == "retired"
        self._is_near = record.stage == "prototype"
        self._peers = read_peers(record.path)
        self._clock = clock
        self.has_work = self._is_near or self._is_retired or sunset is not None

    def __call__(self) -> None:
        if self._is_retired or (self._sunset and self._sunset.is_over(self._clock())):
            more = f" See {self._sunset.link}" if self._sunset and self._sunset.link else ""
            raise Gone(f"This service has ended.{more}")
        if self._is_near and not self._app.identities:
            current: Any = _cv_current.get()
            guard = self._app.extensions.get("hipflask.guards", {}).get("proxies")
            why = refusal(current.request_ctx, self._peers, guard)
            if why is not None:
                raise Forbidden(why)


class _Late:
    """Whether the day to decide by has passed."""

    def __init__(self, record: StageRecord, clock: Callable[[], float]) -> None:
        self._record = record
        self._clock = clock

    def __call__(self) -> bool:
        return self._record.is_overdue(_day(self._clock()))


def _check_date(app: Any, record: StageRecord, today: date) -> None:
    if record.stage in ("sunset", "retired") or not record.is_overdue(today):
        return
    told = (
        f"{record.path}: this {record.stage} was to be decided on by {record.decide_by}. Decide:"
        " hipflask promote, with extend, harden, replace or discard."
    )
    if record.on_expiry == "refuse-start":
        raise Overdue(told)
    app.logger.warning(told)


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
