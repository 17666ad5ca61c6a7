"""Signals that an application outgrows what it is built as, beside limits the team may change.

A signal is a prompt for people, never a verdict: "stay, split or move to a larger framework?"
"""

from __future__ import annotations

from typing import Any

from ..checks.facts import Facts
from .model import Signal
from .traffic import Traffic

#: Past which a signal prompts; `[tool.hipflask.assess]` has others.
LIMITS: dict[str, int | float] = {
    "routes": 60,
    "tables": 25,
    "roles": 8,
    "jobs": 10,
    "pages": 30,
    "websockets": 0,
    "p95_ms": 1000,
}
_PROMPTS = {
    "routes": "stay, split by blueprint into two services, or move to a larger framework?",
    "tables": "stay, or move to a framework with an ORM and admin of its own, such as Django?",
    "roles": "stay, or have a policy service decide who may do what?",
    "jobs": "stay, or give the work a queue and a scheduler of its own?",
    "pages": "stay, or move to a framework made for pages, such as Django?",
    "websockets": "stay on one machine, or give the sockets a broker?",
    "p95_ms": "stay, cache, or move the slow part out of the request?",
}


class WrongLimit(ValueError):
    """`[tool.hipflask.assess]` has a limit that cannot be; names file and key."""


def read_limits(table: Any, path: str) -> dict[str, int | float]:
    """The limits, the team's over ours. Raises WrongLimit."""
    if not isinstance(table, dict):
        raise WrongLimit(f"{path}, tool.hipflask.assess: is to be a table.")
    for key, value in table.items():
        where = f"{path}, tool.hipflask.assess.{key}"
        if key not in LIMITS:
            raise WrongLimit(f"{where}: there is no such limit. There are {', '.join(LIMITS)}.")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise WrongLimit(f"{where}: {value!r} is no number from 0 on.")
    return {**LIMITS, **table}


def signals(facts: Facts, traffic: Traffic | None, limits: dict[str, int | float]) -> list[Signal]:
    """Each signal with its value; None where nobody knows it."""
    roles = {role for route in facts.routes for role in route.roles}
    values: dict[str, tuple[int | float | None, str]] = {
        "routes": (len(facts.own_routes), "url_map"),
        "tables": (
            len(facts.tables) if facts.has_metadata else None,
            "SQLAlchemy metadata" if facts.has_metadata else "no SQLAlchemy metadata",
        ),
        "roles": (len(roles), "stances"),
        "jobs": (facts.jobs, "handlers of webhooks, commands of the app"),
        "pages": (facts.templates, "template folders"),
        "websockets": (sum(one.method == "WEBSOCKET" for one in facts.routes), "url_map"),
        "p95_ms": (
            None if traffic is None else traffic.quantile_ms(0.95),
            "no traffic given" if traffic is None else f"{traffic.name}, to the next bucket",
        ),
    }
    return [
        Signal(
            name=name,
            value=value,
            limit=limits[name],
            source=source,
            prompt=_PROMPTS[name] if value is not None and value > limits[name] else "",
        )
        for name, (value, source) in values.items()
    ]
