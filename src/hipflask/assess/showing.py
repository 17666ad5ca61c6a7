"""An assessment as text and as JSON; both in one order, so that two of them can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from .effort import said
from .model import Assessment, Effort, Line

UNCALIBRATED = "uncalibrated guess"


def as_json(made: Assessment) -> str:
    """One document, keys in a fixed order."""
    return json.dumps(msgspec.to_builtins(made), indent=2, ensure_ascii=False) + "\n"


def as_text(made: Assessment) -> str:
    """For a terminal and for a diff: one fact a line."""
    return "\n".join(_lines(made)) + "\n"


def value_of(line: Line) -> str:
    """A value as text; "unknown" for what nobody knows."""
    if line.value is None:
        return "unknown"
    return f"{line.value} of {line.of}" if line.of is not None else str(line.value)


def source_of(line: Line) -> str:
    """Where it comes from, or what it would take."""
    return line.why if line.value is None else line.source


def _lines(made: Assessment) -> Iterator[str]:
    yield f"{made.app}: {made.stage}, assessed towards {made.towards}"
    for name in ("question", "success", "owner", "decide_by"):
        if value := getattr(made, name):
            yield f"{name.replace('_', ' ')}: {value}"
    yield ""
    yield "what was looked at"
    for line in made.sources:
        yield _shown(line)
    for dimension in made.dimensions:
        yield ""
        yield f"{dimension.name} (remaining work: {dimension.unit})"
        for line in dimension.lines:
            yield _shown(line)
        for gap in dimension.gaps:
            source = f"  [{gap.source}]" if gap.source else ""
            yield f"  gap  {gap.where}: {gap.what}{source}"
    yield ""
    yield "fit: signals beside limits; [tool.hipflask.assess] changes a limit"
    for signal in made.signals:
        value = "unknown" if signal.value is None else f"{signal.value:g}"
        prompt = f"  {signal.prompt}" if signal.prompt else ""
        yield f"  {signal.name}: {value}, limit {signal.limit:g}  [{signal.source}]{prompt}"
    yield ""
    yield "ways from here"
    for path in made.paths:
        yield f"  {path.name}: {path.does}"
        for line in path.needs:
            yield "  " + _shown(line)
        yield f"    gives up: {path.gives_up}"
    if made.effort is not None:
        yield ""
        yield from _effort(made.effort)


def _shown(line: Line) -> str:
    source = source_of(line)
    return f"  {line.label}: {value_of(line)}" + (f"  [{source}]" if source else "")


def basis_of(effort: Effort) -> str:
    """What a band rests on, in a sentence."""
    if effort.is_calibrated:
        return f"from {effort.records} closed decision records of this team"
    return f"{UNCALIBRATED}: {effort.records} closed decision records, 10 would do ({effort.seeds})"


def past_of(effort: Effort) -> str:
    """How earlier bands did."""
    if not effort.told:
        return "no band was told before"
    text = f"{effort.held} of {effort.told} bands told before held"
    return f"{text}; widened by {effort.widened:g}" if effort.widened > 1 else text


def _effort(effort: Effort) -> Iterator[str]:
    yield "effort to close the gaps: four of five times it lies in the band"
    yield f"  band: {said(effort.band)}"
    yield f"  rests on: {basis_of(effort)}"
    yield f"  earlier bands: {past_of(effort)}"
    yield f"  spread is driven by: {', '.join(effort.drivers) or 'nothing'}"
    for unit in effort.units:
        days = f"{unit.low:g} / {unit.likely:g} / {unit.high:g}"
        yield f"  {unit.count} x {unit.unit}: {days} days each  [{effort.seeds}]"
    yield f"  not in it: {', '.join(effort.excluded)}"
