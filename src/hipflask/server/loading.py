"""Loads an application to be served, and has it tell what is wrong with how it was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def load_ready(load: Callable[[], Any]) -> Any:
    """What `load` returns, ready for its first request; what that raises is passed on.

    A stance that nobody can meet, a route that says nothing where others have to, a view that
    cannot work: SetupError now, and not a 500 for whoever comes first.
    """
    app = load()
    # Sealed by looking at it; another framework's application has no such thing.
    getattr(app, "sealed", None)
    return app
