"""A rollout's settings and counts, the same in all processes: who answers, and how it goes.

The settings are one shared record, the counts another. A request reads neither: a thread of each
process looks at the settings twice a second, and adds what was counted since to the shared
counts; whoever adds what passes a limit takes the canary back.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from ..scaffold import SetupError
from .clock import Clock, WallClock
from .figures import Side, Stage
from .shared import MemoryShared, Record, Shared

#: How old what a process knows of the settings may be, in seconds.
REFRESH_S = 0.5
# Changes and stages that are kept; the oldest go first.
_MOST_CHANGES = 50
_MOST_STAGES = 30

log = logging.getLogger("hipflask.forward")


@dataclass(frozen=True)
class Limits:
    """When a canary is taken back by itself, once `least` requests tell.

    `errors`: the new side's share of errors is above the old side's by more than this, and not by
    chance; looked at over the last 5 seconds up to the last five minutes. `differences`: more
    than this share of compared answers differ beyond noise at one place. None for no such limit.

        Limits(errors=0.02, differences=None, least=500)
    """

    errors: float | None = 0.05
    differences: float | None = 0.02
    least: int = 100

    def __post_init__(self) -> None:
        for name in ("errors", "differences"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise SetupError(f"{name}={value!r} is no share: give 0 to 1, or None.")
        if self.least < 1:
            raise SetupError(f"least={self.least!r} is to be at least 1.")


class Settings(msgspec.Struct, frozen=True):
    """Who answers: percentages of clients for the new side, and of requests that are shadowed.

    `halted` says why the canary was taken back by itself, if it was.
    """

    canary: float = 0.0
    shadow: float = 0.0
    epoch: int = 0
    since: float | None = None
    halted: str | None = None


class Change(msgspec.Struct, frozen=True):
    """A change of the settings: when, by whom, to what and why."""

    at: float
    actor: str
    canary: float
    shadow: float
    note: str = ""


class _Settled(msgspec.Struct):
    """The record of the settings."""

    canary: float
    shadow: float
    epoch: int = 0
    since: float | None = None
    halted: str | None = None
    changes: list[Change] = []


class _Counted(msgspec.Struct):
    """The record of the counts."""

    stages: list[Stage] = []


def share_of(name: str, key: str) -> float:
    """Where a key stands among all keys of a rollout, 0 up to below 100; always the same place.

    Whoever stands below the canary's percentage is answered by the new side. So raising it keeps
    everybody there who was, and two rollouts take different clients first.
    """
    digest = hashlib.sha256(f"{name}\0{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * 100


class Rollout:
    """The settings and counts of one route. Any thread; no request waits for the record.

    `canary` and `shadow` are percentages that hold until somebody sets others. `refresh_s` None
    starts no thread: `refresh` and `flush` are then called by hand.
    """

    def __init__(
        self,
        name: str,
        *,
        canary: float = 0.0,
        shadow: float = 0.0,
        limits: Limits | None = None,
        shared: Shared | Callable[[], Shared] | None = None,
        clock: Clock | None = None,
        refresh_s: float | None = REFRESH_S,
    ) -> None:
        if not name or len(name) > 64 or not name.isprintable():
            raise SetupError(f"{name!r} is no name of a rollout: give 1 to 64 characters.")
        self.name = name
        self.limits = limits or Limits()
        self._first = Settings(_percent("canary", canary), _percent("shadow", shadow))
        self._given = shared
        self._shared: Shared | None = None
        self._clock = WallClock() if clock is None else clock
        self._refresh_s = refresh_s
        self._lock = threading.Lock()
        # Another one, as to open the record may take seconds, and to count must not.
        self._opening = threading.Lock()
        self._settings: Settings | None = None
        self._stage = Stage()
        self._keeper: tuple[int, threading.Thread] | None = None
        self._is_failing = False

    @property
    def shared(self) -> Shared:
        """The shared record; opened when first asked for."""
        with self._opening:
            if self._shared is None:
                given: Any = self._given
                self._shared = given() if callable(given) else given or MemoryShared()
            return self._shared

    @property
    def settings(self) -> Settings | None:
        """What this process knows of the settings; None before the first look.

        Where that failed, everybody goes to the old side until the thread has succeeded.
        """
        self._keep()
        if self._settings is None and self._is_failing and self._refresh_s is not None:
            return Settings()
        return self._settings

    def refresh(self) -> Settings:
        """Look at the settings. Without the record all go to the old side, and nobody waits."""
        try:
            found = self._read(self.shared.get(self._key))
        except Exception as error:
            self._tell(error)
            if self._settings is None:
                # Not kept: as soon as the record can be read it counts.
                return Settings()
            return self._settings
        self._is_failing = False
        with self._lock:
            if self._settings is None or found.epoch != self._settings.epoch:
                self._settings = found
                if self._stage.is_empty:
                    self._stage = self._new_stage(found)
            return self._settings

    def side_of(self, settings: Settings, key: str | None) -> str:
        """ "old" or "new", for the client of that key. Without a key "new" only at 100 %."""
        if settings.canary >= 100:
            return "new"
        if settings.canary <= 0 or key is None:
            return "old"
        return "new" if share_of(self.name, key) < settings.canary else "old"

    def answered(self, side: str, seconds: float, is_error: bool) -> None:
        """Count an answer that a client got."""
        now = self._clock.now()
        with self._lock:
            self._counting().answered(side, seconds, is_error, now)

    def cut(self, side: str) -> None:
        """Count as an error an answer that was counted, and broke off on its way."""
        now = self._clock.now()
        with self._lock:
            self._counting().cut(side, now)

    def shadowed(self, seconds: float, is_error: bool) -> None:
        """Count an answer of the new side that nobody saw."""
        with self._lock:
            self._counting().sides.setdefault("shadow", Side()).add(seconds, is_error)

    def skipped(self, reason: str) -> None:
        """Count a request that was to be shadowed and was not compared."""
        with self._lock:
            self._counting().skip(reason)

    def differed(self, raw: dict[str, Any], noise: dict[str, Any], samples: dict[str, Any]) -> None:
        """Count a comparison; see `Stage.differed`."""
        with self._lock:
            self._counting().differed(raw, noise, samples)

    def set(
        self,
        *,
        canary: float | None = None,
        shadow: float | None = None,
        actor: str = "?",
        note: str = "",
    ) -> Settings:
        """Change percentages in all processes, within REFRESH_S. A new stage begins.

        `actor` is who does it and `note` why; both are kept. Blocks for the record.
        """
        canary = None if canary is None else _percent("canary", canary)
        shadow = None if shadow is None else _percent("shadow", shadow)

        def change(settled: _Settled) -> bool:
            settled.canary = settled.canary if canary is None else canary
            settled.shadow = settled.shadow if shadow is None else shadow
            settled.halted = None
            return True

        return self._change(change, actor, note)

    def halt(self, why: str, *, actor: str = "?") -> Settings:
        """Send everybody to the old side, in all processes, within REFRESH_S."""

        def change(settled: _Settled) -> bool:
            settled.canary, settled.halted = 0.0, why
            return True

        return self._change(change, actor, why)

    def _change(self, change: Callable[[_Settled], bool], actor: str, note: str) -> Settings:
        now = self._clock.now()

        def put(record: Record) -> Record | None:
            settled = self._settled(record)
            if not change(settled):
                return None
            settled.epoch += 1
            settled.since = now
            made = Change(now, actor, settled.canary, settled.shadow, note)
            settled.changes = [*settled.changes, made][-_MOST_CHANGES:]
            return _to_record(settled)

        self.flush()
        found = self._read(self.shared.update(self._key, put))
        with self._lock:
            self._settings = found
        return found

    def changes(self) -> list[Change]:
        """The changes so far, the first one first."""
        return self._settled(self.shared.get(self._key)).changes

    def stages(self) -> list[Stage]:
        """What was counted in each stage, the first one first, this process's part included."""
        self.flush()
        return _counted(self.shared.get(self._counts_key)).stages

    def forget(self) -> None:
        """Forget what was counted, and the changes but the last."""
        self.shared.update(self._counts_key, lambda record: {})

        def put(record: Record) -> Record | None:
            settled = self._settled(record)
            settled.changes = settled.changes[-1:]
            return _to_record(settled)

        self.shared.update(self._key, put)
        with self._lock:
            self._stage = self._new_stage(self._settings or self._first)

    def flush(self) -> None:
        """Add what was counted here to the shared counts, and take the canary back if need be."""
        with self._lock:
            mine = self._stage
            if mine.is_empty:
                return
            self._stage = self._new_stage(self._settings or self._first)
        now = self._clock.now()
        try:
            record = self.shared.update(self._counts_key, lambda record: _added(record, mine))
        except Exception as error:
            self._tell(error)
            with self._lock:
                mine.merge(self._stage)
                self._stage = mine
            return
        self._judge(record, mine.epoch, now)

    def _judge(self, record: Record, epoch: int, now: float) -> None:
        stage = next((each for each in _counted(record).stages if each.epoch == epoch), None)
        if stage is None or stage.canary <= 0 or (why := judged(stage, self.limits, now)) is None:
            return
        reason: str = why

        def change(settled: _Settled) -> bool:
            if settled.epoch != epoch or settled.canary <= 0:
                return False  # somebody has changed it meanwhile
            settled.canary, settled.halted = 0.0, reason
            return True

        found = self._change(change, "auto-halt", reason)
        if found.halted == reason:
            log.error("Rollout %r: the canary is back at 0 %%: %s", self.name, reason)

    def _counting(self) -> Stage:
        """The stage to count in. With the lock."""
        settings = self._settings
        if settings is not None and self._stage.epoch != settings.epoch and self._stage.is_empty:
            # Else what was counted before the change is on its way; a little is counted with it.
            self._stage = self._new_stage(settings)
        return self._stage

    @staticmethod
    def _new_stage(settings: Settings) -> Stage:
        return Stage(settings.epoch, settings.canary, settings.shadow, settings.since)

    @property
    def _key(self) -> str:
        return f"rollout:{self.name}"

    @property
    def _counts_key(self) -> str:
        return f"rollout:{self.name}:counts"

    def _settled(self, record: Record) -> _Settled:
        if not record:
            return _Settled(self._first.canary, self._first.shadow)
        return msgspec.convert(record, _Settled)

    def _read(self, record: Record) -> Settings:
        settled = self._settled(record)
        return Settings(
            settled.canary, settled.shadow, settled.epoch, settled.since, settled.halted
        )

    def _tell(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.error("Rollout %r: the shared record cannot be used: %s", self.name, error)

    def _keep(self) -> None:
        """Start this process's thread, if it has none."""
        if self._refresh_s is None:
            return
        keeper, process = self._keeper, os.getpid()
        if keeper is not None and keeper[0] == process:
            return
        with self._lock:
            if self._keeper is not None and self._keeper[0] == process:
                return
            thread = threading.Thread(
                target=_look_after,
                args=(weakref.ref(self), self._refresh_s),
                name="hipflask-rollout",
                daemon=True,
            )
            self._keeper = (process, thread)
        thread.start()


def judged(stage: Stage, limits: Limits, now: float) -> str | None:
    """Why a stage is to be ended, in words; None where all is well or too little is known."""
    for old, new in stage.lately(now):
        if limits.errors is None or new.requests < limits.least:
            continue
        if new.sure_error_ratio - old.error_ratio > limits.errors:
            return (
                f"{new.errors} of {new.requests} answers of the new side were errors"
                f" ({new.error_ratio:.1%}; old {old.error_ratio:.1%}; limit +{limits.errors:.1%})"
            )
    if limits.differences is not None and stage.compared >= limits.least:
        for place, _, share in stage.beyond_noise():
            if share > limits.differences:
                return (
                    f"{share:.1%} of {stage.compared} compared answers differ beyond noise at"
                    f" {place!r} (limit {limits.differences:.1%})"
                )
            break
    return None


def _look_after(found: weakref.ref[Rollout], every_s: float) -> None:
    """Keep a rollout up to date for as long as it is there."""
    pause = threading.Event()
    while not pause.wait(every_s):
        rollout = found()
        if rollout is None:
            return
        # Both tell of trouble with the record themselves; the thread outlives all else.
        with contextlib.suppress(Exception):
            rollout.refresh()
            rollout.flush()
        del rollout


def _added(record: Record, mine: Stage) -> Record:
    counted = _counted(record)
    for stage in counted.stages:
        if stage.epoch == mine.epoch:
            stage.merge(mine)
            break
    else:
        new = Stage(mine.epoch, mine.canary, mine.shadow, mine.since)
        new.merge(mine)
        counted.stages = sorted([*counted.stages, new], key=lambda each: each.epoch)
        counted.stages = counted.stages[-_MOST_STAGES:]
    return _to_record(counted)


def _counted(record: Record) -> _Counted:
    return msgspec.convert(record, _Counted)


def _to_record(value: Any) -> Record:
    made: Record = msgspec.to_builtins(value)
    return made


def _percent(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise SetupError(f"{name}={value!r} is no percentage: give 0 to 100.")
    return float(value)
