"""What the demo is about: tools, and loans of them. Nothing in here knows HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

LONGEST_NAME = 40
# A session is a cookie, and a cookie is small.
MOST_LOANS = 6


@dataclass(frozen=True)
class Tool:
    """Something on the shelf. `days` is how long one may keep it."""

    slug: str
    name: str
    use: str
    days: int


TOOLS = {
    tool.slug: tool
    for tool in (
        Tool("saw", "Hand saw", "Cuts wood straight, slowly and quietly.", 14),
        Tool("hammer", "Claw hammer", "Drives nails in, and pulls the bent ones out.", 14),
        Tool("level", "Spirit level", "Says whether the shelf really is horizontal.", 7),
        Tool("ladder", "Step ladder", "Five steps up. Stand it on firm ground.", 3),
        Tool("clamp", "Bar clamp", "Holds two pieces of wood while the glue dries.", 10),
        Tool("roller", "Paint roller", "Paints a wall in an afternoon. Wash it after.", 2),
    )
}


@dataclass(frozen=True)
class Loan:
    """A tool that somebody has, and the day it is due, as YYYY-MM-DD."""

    slug: str
    borrower: str
    due: str

    @property
    def tool(self) -> Tool:
        """The tool itself."""
        return TOOLS[self.slug]


def find_tools(text: str) -> list[Tool]:
    """Return the tools whose name or use has `text` in it, whatever the case."""
    wanted = text.casefold()
    return [tool for tool in TOOLS.values() if wanted in f"{tool.name} {tool.use}".casefold()]


def parse_loan(form: Mapping[str, str], today: date) -> tuple[Loan, dict[str, str]]:
    """Return the loan a form asks for, and what is wrong with it by field name."""
    slug, borrower, days = (form.get(key, "").strip() for key in ("tool", "borrower", "days"))
    loan = Loan(slug, borrower, today.isoformat())
    wrong: dict[str, str] = {}
    if slug not in TOOLS:
        wrong["tool"] = "Choose one of the tools on the shelf."
    if not borrower:
        wrong["borrower"] = "Write your name, so that we know whom to ask."
    elif len(borrower) > LONGEST_NAME or not borrower.isprintable():
        wrong["borrower"] = f"Write your name on one line of at most {LONGEST_NAME} characters."
    longest = TOOLS[slug].days if slug in TOOLS else 14
    if days.isascii() and days.isdigit() and len(days) < 4 and 1 <= int(days) <= longest:
        loan = replace(loan, due=(today + timedelta(days=int(days))).isoformat())
    else:
        wrong["days"] = f"Write a number of days from 1 to {longest}."
    return loan, wrong


def add_loan(loans: Iterable[Loan], new: Loan) -> list[Loan]:
    """Return the loans with `new`, in place of one for the same tool; ValueError if too many."""
    kept = [loan for loan in loans if loan.slug != new.slug]
    if len(kept) >= MOST_LOANS:
        raise ValueError(f"{MOST_LOANS} tools at a time is the most we lend.")
    return [*kept, new]


def dump_loans(loans: Iterable[Loan]) -> list[dict[str, Any]]:
    """Return the loans as plain values, for a session."""
    return [asdict(loan) for loan in loans]


def parse_loans(stored: Iterable[Mapping[str, str]]) -> list[Loan]:
    """Return what `dump_loans` was given; a tool that is no longer on the shelf is left out."""
    return [Loan(**item) for item in stored if item["slug"] in TOOLS]
