"""All parsers, by name: importing the modules that list them fills the table."""

from __future__ import annotations

from . import guarding, hooks, http, keeping, texts, typed
from .parser import PARSERS, Parser

MODULES = (http, typed, hooks, texts, guarding, keeping)

__all__ = ["MODULES", "PARSERS", "Parser"]
