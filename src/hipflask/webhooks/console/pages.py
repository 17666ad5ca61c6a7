"""The console's pages: our templates in the layout that all pages have."""

from __future__ import annotations

from pathlib import Path

from ...database.states import State
from ...look import Look

NAME = "hipflask_hooks"

LOOK = Look(
    NAME,
    Path(__file__).parent / "templates",
    names={"states": tuple(State), "settled": (State.DONE, State.FILTERED)},
)
page, link, guarding_headers = LOOK.page, LOOK.link, LOOK.headers
