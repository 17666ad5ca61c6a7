"""Actions that are asked for by the clock, through the same gate as by a person.

Each slot of a schedule is a unique value of its run: whichever process comes first asks for it,
and no other. Slots that passed while nobody worked are not made up for, but the latest is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from ...database import StoreUnavailable
from ...scaffold import SetupError
from ...security import Identity
from ..spans import parse_span
from .refusing import GateError
from .rows import RunRow

log = logging.getLogger("hipflask.tools")

_DAY_S = 86400.0
_clock = re.compile(r"([01]\d|2[0-3]):([0-5]\d)").fullmatch


class Schedule:
    """When an action is asked for, in whose name and with what.

    `every` is a length of time ("15m", "6h"), counted from midnight of 1970-01-01; `daily` a time
    of day in UTC, "03:00". `by` is the identity that asks: it needs one of the action's roles,
    and an approval has to come from a person. `values` are the parameters, as a command would
    write them; `filter` the query string of the table's list. Raises SetupError.
    """

    def __init__(
        self,
        action: Any,
        name: str,
        *,
        by: Identity,
        every: str = "",
        daily: str = "",
        values: Mapping[str, str | list[str]] | None = None,
        filter: str | None = None,
    ) -> None:
        self.action = action
        self.name = name
        self.by = by
        self.filter = filter
        where = f"The schedule {name!r} of {action.name}"
        self.every_s, self.at_s = _when(every, daily, where)
        if by.roles.isdisjoint(action.roles):
            raise SetupError(f"{where}: by={by!r} has none of {sorted(action.roles)}.")
        if action.has_secrets:
            raise SetupError(f"{where}: the action takes a secret, which nobody could enter.")
        given = values or {}
        texts = {
            each: [value] if isinstance(value, str) else list(value)
            for each, value in given.items()
        }
        filled = action.form.read_texts(texts)
        if not filled.is_valid:
            raise SetupError(f"{where}: {filled.errors}")
        self.values = filled.values
        if bool(action.takes) != (filter is not None):
            raise SetupError(f"{where}: filter= says which rows, for an action that takes rows.")

    def latest(self, now: float) -> float:
        """The start of the slot that `now` is in."""
        return (now - self.at_s) // self.every_s * self.every_s + self.at_s

    def slot(self, now: float) -> str:
        """The unique name of that slot."""
        return f"{self.action.tool.name}/{self.action.name}/{self.name}@{self.latest(now):.0f}"

    def ask(self, gate: Any, now: float) -> RunRow | None:
        """Ask for the slot's run, unless somebody has; None where the gate refuses."""
        slot = self.slot(now)
        try:
            run: RunRow = gate.plan(
                self.action.name,
                self.values,
                self.by,
                "schedule",
                filter=self.filter,
                occasion=slot,
                slot=slot,
            )
            found: RunRow = gate.submit(run.id, run.digest, self.by, "schedule")
            return found
        except GateError as error:
            # Nothing to do, too much of it, or a filter that matches nothing: said each time.
            log.warning("%s was not asked for: %s", slot, error)
            return None


class Clockwork:
    """Asks for what is due; told of the time again and again by whoever works."""

    def __init__(self, tool: Any, gate: Any) -> None:
        self._tool = tool
        self._gate = gate
        self._asked: dict[int, str] = {}

    def tick(self, now: float) -> None:
        """Ask for the slots that have begun since the last call."""
        for action in list(self._tool.actions.values()):
            for schedule in list(action.schedules.values()):
                slot = schedule.slot(now)
                if self._asked.get(id(schedule)) == slot:
                    continue
                try:
                    if schedule.latest(now) >= self._since(schedule, now):
                        schedule.ask(self._gate, now)
                except StoreUnavailable as error:
                    log.warning("%s waits for the store: %s", slot, error)
                    continue
                self._asked[id(schedule)] = slot

    def _since(self, schedule: Schedule, now: float) -> float:
        """When the schedule was seen for the first time by anybody: earlier slots are not its."""
        name = f"schedule:{schedule.slot(now).rpartition('@')[0]}"
        shared = self._gate.database.shared
        record = shared.get(name)
        if not record:
            record = shared.update(name, lambda known: None if known else {"since": now})
        return float(record["since"])


def _when(every: str, daily: str, where: str) -> tuple[float, float]:
    if bool(every) == bool(daily):
        raise SetupError(f"{where}: say every='15m' or daily='03:00'.")
    if every:
        return parse_span(every, f"every of {where}"), 0.0
    found = _clock(daily)
    if found is None:
        raise SetupError(f"{where}: daily={daily!r} is no time of day in UTC, such as '03:00'.")
    return _DAY_S, int(found[1]) * 3600.0 + int(found[2]) * 60.0
