"""What can be decided of a project, and where that leads."""

from __future__ import annotations

from datetime import date

import msgspec

from .beginnings import BOXES
from .record import StageRecord

#: By stage and outcome: the stage that follows.
WAYS = {
    "prototype": {
        "promote": "pilot", "harden": "pilot", "extend": "prototype", "replace": "prototype",
        "discard": "sunset",
    },
    "pilot": {
        "promote": "service", "extend": "pilot", "replace": "pilot", "discard": "sunset",
    },
    "service": {"replace": "service", "discard": "sunset"},
    "sunset": {"discard": "retired"},
}  # fmt: skip
OUTCOMES = ("promote", "extend", "harden", "replace", "discard")
#: Those that ask for the check of the stage that follows.
CHECKED = ("promote", "harden")


class Undecidable(ValueError):
    """The decision cannot be made as asked; the text says why, and the way out."""


class Asked(msgspec.Struct, kw_only=True):
    """A decision, as it was asked for."""

    outcome: str
    #: Of the question: "yes" or "no".
    answer: str
    by: list[str]
    evidence: str = ""
    days: float | None = None
    #: The stage it leads to, where the same words could mean two steps.
    to: str = ""
    #: The day of the end, or for `extend` the next day to decide by.
    until: date | None = None
    link: str = ""
    traffic: str = ""


def next_stage(record: StageRecord, asked: Asked) -> str:
    """Where the outcome leads from the project's stage. Raises Undecidable."""
    ways = WAYS.get(record.stage, {})
    if asked.outcome not in ways:
        leads = f"From {record.stage} lead: {', '.join(ways)}." if ways else "Nothing leads on."
        raise Undecidable(f"A {record.stage} cannot be decided to {asked.outcome}. {leads}")
    to = ways[asked.outcome]
    if asked.outcome == "replace" and asked.until is not None:
        to = "sunset"
    if asked.to and asked.to != to:
        raise Undecidable(f"{asked.outcome} leads from {record.stage} to {to}, not to {asked.to}.")
    if asked.outcome == "discard" and to == "sunset" and asked.until is None:
        raise Undecidable(
            "Say when it ends: --until 2027-02-01. Until then its answers tell clients so; on that"
            " day they become 410."
        )
    return to


def check_deciders(record: StageRecord, asked: Asked, author: str) -> None:
    """Raise Undecidable where nobody decided, or from a pilot on the author alone."""
    if not asked.by:
        raise Undecidable("Say who decided: --by NAME, once for each.")
    authors = {name.strip().lower() for name in (author, record.owner) if name.strip()}
    others = [name for name in asked.by if name.strip().lower() not in authors]
    if record.stage != "prototype" and not others:
        raise Undecidable(
            f"From a pilot on the author alone does not decide, and {', '.join(asked.by)} wrote or"
            " owns it: --by somebody who answers for the outcome, too."
        )


def changes(record: StageRecord, asked: Asked, to: str, today: date) -> dict[str, dict[str, str]]:
    """What becomes of pyproject.toml: by table, the keys and their values in TOML."""
    changed: dict[str, str] = {}
    if to != record.stage:
        changed["stage"] = f'"{to}"'
    if to in BOXES and to != record.stage:
        changed["decide_by"] = str(today + BOXES[to])
    elif asked.outcome == "extend":
        begin = max(today, record.decide_by or today)
        changed["decide_by"] = str(asked.until or begin + BOXES[record.stage])
    tables = {"tool.hipflask": changed} if changed else {}
    if to == "sunset" and asked.until is not None:
        if asked.until < today:
            raise Undecidable(f"--until {asked.until} has passed: it would end before it is told.")
        changed["decide_by"] = str(asked.until)
        tables["tool.hipflask.sunset"] = {"deprecated": str(today), "ends": str(asked.until)}
        if asked.link:
            tables["tool.hipflask.sunset"]["link"] = f'"{asked.link}"'
    return tables
