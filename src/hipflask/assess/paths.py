"""Harden, replace or stop: what each needs and gives up, side by side, with no verdict."""

from __future__ import annotations

from collections.abc import Sequence

from .dimensions import Known, tables_of
from .model import Dimension, Line, Path


def paths(known: Known, dimensions: Sequence[Dimension]) -> list[Path]:
    """The three, always all of them."""
    facts, traffic = known.facts, known.traffic
    routes = facts.own_routes
    gaps = sum(len(one.gaps) for one in dimensions)
    documented = sum(1 for one in routes if one.documented)
    asked = Line(
        label="requests that somebody makes",
        value=None if traffic is None else traffic.requests,
        source="" if traffic is None else traffic.name,
        why="give --traffic FILE" if traffic is None else "",
    )
    secrets = sum(len(names) for names in facts.settings.values())
    return [
        Path(
            name="harden",
            does="close the gaps below and go on as the next stage",
            needs=[
                Line(label="gaps to close", value=gaps, source="this sheet"),
                Line(
                    label="errors of check",
                    value=sum(1 for one in known.findings if one.level == "E" and not one.silenced),
                    source="hipflask check",
                ),
            ],
            gives_up="nothing of what is there; what was tried stays what one has to live with",
        ),
        Path(
            name="replace",
            does="keep what was learned, build or buy another, and switch over",
            needs=[
                Line(label="routes to serve elsewhere", value=len(routes), source="url_map"),
                Line(
                    label="of these with a written contract",
                    value=documented,
                    of=len(routes),
                    source="OpenAPI",
                ),
                tables_of(facts, "tables to move"),
                Line(
                    label="senders and hosts to point elsewhere",
                    value=len(facts.webhooks) + len(facts.hosts),
                    source="hooks, forward",
                ),
                asked,
            ],
            gives_up="the code; both run side by side for a time",
        ),
        Path(
            name="stop",
            does="answer the question, tell users the day, export, delete",
            needs=[
                asked,
                tables_of(facts, "tables to export and delete"),
                Line(label="settings and secrets to take back", value=secrets,
                     source="Settings classes"),
                Line(label="senders to tell", value=len(facts.webhooks), source="hooks"),
            ],
            gives_up="the service; the answer to the question stays",
        ),
    ]  # fmt: skip
