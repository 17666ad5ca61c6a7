"""How a tool's pages are made: the look of all pages, and what tables need of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..look import Look
from .cells import LONG, cell_of

_HERE = Path(__file__).parent


def look_of(tool: Any) -> Look:
    """The look of a tool's pages."""
    return Look(
        tool.endpoint,
        _HERE / "templates",
        filters={"cell": cell_of, "whole": lambda value: cell_of(value, LONG)},
        names={"tool": tool},
    )
