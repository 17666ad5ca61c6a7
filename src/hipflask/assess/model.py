"""An assessment as plain data: the same project gives the same one, line by line."""

from __future__ import annotations

import msgspec


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is missing. `unit` is what closing it is counted as (`effort.UNITS`)."""

    where: str
    what: str
    unit: str
    source: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `value` None means unknown, and is never shown as 0; `why` says what it takes."""

    label: str
    value: int | str | None
    #: Out of how many, where it is a part.
    of: int | None = None
    source: str
    why: str = ""


class Dimension(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one side of the service, and what is missing there."""

    name: str
    #: What a unit of remaining work is.
    unit: str
    lines: list[Line]
    gaps: list[Gap]


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A value beside a limit of the team's; `prompt` is a question for people, "" below it."""

    name: str
    value: int | float | None
    limit: int | float
    source: str
    prompt: str = ""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Days of work: P10, P50 and P90."""

    low: float
    middle: float
    high: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of gap in the estimate: how many, and what one takes."""

    unit: str
    count: int
    low: float
    likely: float
    high: float


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """The remaining work as a band, and all that it rests on."""

    band: Band
    is_calibrated: bool
    #: Closed decision records that had both gaps and days.
    records: int
    #: How many of the bands told before held what came, of how many.
    held: int
    told: int
    #: By how much the band was widened because too few held; 1 for not at all.
    widened: float
    seeds: str
    units: list[Spread]
    #: The kinds of gap that drive the spread.
    drivers: list[str]
    excluded: list[str]


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """One way from here: harden, replace or stop."""

    name: str
    does: str
    needs: list[Line]
    gives_up: str


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at once."""

    app: str
    stage: str
    #: The stage that the gaps are counted towards.
    towards: str
    owner: str
    question: str
    success: str
    decide_by: str
    #: What was looked at: git, the record of tests, the window of traffic.
    sources: list[Line]
    dimensions: list[Dimension]
    signals: list[Signal]
    paths: list[Path]
    effort: Effort | None = None
