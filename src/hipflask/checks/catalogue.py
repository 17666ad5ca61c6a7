"""All checks by id: ours, and those of plug-ins under their own prefix."""

from __future__ import annotations

import importlib.metadata
import re
from functools import cache

from . import access, configuration, contracts, conventions, operating, staged, structure, tested
from .declaring import Check

GROUP = "hipflask.checks"
_is_ours = re.compile(r"[A-Z]\d\d").fullmatch


class WrongPlugin(ValueError):
    """A plug-in gives what is no check, or one outside of its prefix."""


@cache
def catalogue() -> dict[str, Check]:
    """The checks in the order of their ids. Raises WrongPlugin."""
    checks = {
        check.id: check
        for module in (
            access,
            configuration,
            contracts,
            structure,
            conventions,
            operating,
            tested,
            staged,
        )
        for check in module.CHECKS
    }
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda one: one.name):
        for check in _of_plugin(entry):
            if check.id in checks:
                raise WrongPlugin(f"The plug-in {entry.value} gives {check.id}, which is taken.")
            checks[check.id] = check
    return checks


def _of_plugin(entry: importlib.metadata.EntryPoint) -> list[Check]:
    try:
        given = list(entry.load())
    except Exception as error:
        raise WrongPlugin(f"The plug-in {entry.value} cannot be used: {error}") from error
    prefix = entry.name.upper()
    for check in given:
        if not isinstance(check, Check):
            raise WrongPlugin(f"The plug-in {entry.value} gives {check!r}, which is no Check.")
        if not check.id.startswith(prefix) or _is_ours(check.id) or len(check.id) == len(prefix):
            raise WrongPlugin(
                f"The plug-in {entry.value} gives {check.id!r}: its ids begin with {prefix!r}, the"
                " name of its entry point, and are none of ours (a letter and two digits)."
            )
    return given
