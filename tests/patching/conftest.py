"""The module under test: hipflask behind each door, and the real Flask, as the judge."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

import pytest

from hipflask.doors import DOORS

from . import support


@pytest.fixture(params=["flask", *(f"hipflask {door}" for door in DOORS)])
def fl(request: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module under test, whose apps `ask` and the test client ring at the door named."""
    name, _, door = request.param.partition(" ")
    if name == "hipflask":
        monkeypatch.setattr(support, "door", door)
        monkeypatch.setenv("HIPFLASK_TEST_DOOR", door)
        return importlib.import_module("hipflask")
    if importlib.util.find_spec("flask") is None:
        pytest.skip("the real Flask is not installed")
    found = importlib.import_module("flask")
    if found.Flask.__module__ != "flask.app":
        pytest.skip("`import flask` is answered by hipflask here")
    return found
