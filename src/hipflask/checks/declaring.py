"""What a check is: an id, how much it matters at each stage, why, the way out, and a function.

A check looks at facts and says where they are not as they should be. It is an error (E) only for
a fact, or for a failure that was reproduced on the spot; what is inferred is a warning (W).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Literal

import msgspec

from .facts import Facts, Project, Recorded

Level = Literal["E", "W", "I", "-"]
#: What a check needs: the application as it was loaded, one that is asked without its views, the
#: record of a test run, files and git, or another program.
Needs = Literal["app", "probe", "record", "project", "program"]
STAGES = ("prototype", "pilot", "service")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fact that is not as it should be. `where` is stable: silences name it."""

    id: str
    level: Level
    where: str
    fact: str
    #: A file within the project, "" where there is none, and a line of it.
    file: str = ""
    line: int = 0
    why: str = ""
    fix: str = ""
    #: Who accepted it, and why; "" for one that counts.
    silenced: str = ""


class Found(msgspec.Struct, frozen=True):
    """What a check's function gives: a place and a fact, and a lesser level if it is not sure."""

    where: str
    fact: str
    #: "file:line", absolute or within the project; "" where there is none.
    at: str = ""
    #: No more than this: "W" for what is inferred.
    most: Level = "E"


class Look(msgspec.Struct, kw_only=True):
    """What a check is given. `app` is the live application, in its own process; elsewhere None."""

    facts: Facts
    project: Project
    stage: str
    today: date
    record: Recorded | None = None
    app: Any = None
    #: For checks that probe: see `probing`.
    probe: Any = None


class Skipped(Exception):
    """Raised by a check that cannot be made here; the text says why."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check; `levels` are those of prototype, pilot and service, "-" where it is not made."""

    id: str
    name: str
    levels: tuple[Level, Level, Level]
    needs: Needs
    inspects: str
    why: str
    fix: str
    find: Callable[[Look], Iterator[Found]]
    #: For an application of plain Flask, which cannot say more: no more than this.
    as_flask: Level = "E"
    #: The way out for one that stays with plain Flask, where it is another.
    fix_as_flask: str = ""
    #: Made only where it is asked for: with --only, or with what `opt_in` names.
    opt_in: str = ""

    def level_at(self, stage: str) -> Level:
        """How much it matters at a stage; from "sunset" on as much as for a service."""
        return self.levels[STAGES.index(stage) if stage in STAGES else 2]


def found(where: str, fact: str, at: str = "", most: Level = "E") -> Found:
    """What a check's function yields: where, what is so, and "file:line" if it stands in a file."""
    return Found(where, fact, at, most)


def lesser(one: Level, other: Level) -> Level:
    """The lesser of two levels."""
    order = "-IWE"
    return one if order.index(one) <= order.index(other) else other
