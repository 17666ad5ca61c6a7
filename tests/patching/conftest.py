"""The module under test: hipflask, and the real Flask that sets the expectation."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(params=["hipflask", "flask"])
def fl(request: Any) -> ModuleType:
    """The module under test: ours, and the original that sets the expectation."""
    if request.param == "flask":
        if importlib.util.find_spec("flask") is None:
            pytest.skip("the real Flask is not installed")
        found = importlib.import_module("flask")
        if found.Flask.__module__ != "flask.app":
            pytest.skip("`import flask` is answered by hipflask here")
        return found
    return importlib.import_module("hipflask")
