"""CONVENTIONS.md says what the checks say: L03."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .declaring import Check, Found, Look, found


def conventions_drift(look: Look) -> Iterator[Found]:
    """L03."""
    # It is made from the catalogue, which this stands in.
    from ..stages.conventions import FILE, drift

    told = drift(Path(look.project.root))
    if told:
        yield found(FILE, told, FILE)


CHECKS = [
    Check(
        id="L03",
        name="conventions-drift",
        levels=("W", "E", "E"),
        needs="project",
        inspects="CONVENTIONS.md, if there is one, says what the enabled checks and the policy say",
        why="who reads it, people and programs, writes what is then refused",
        fix="hipflask conventions",
        find=conventions_drift,
    )
]
