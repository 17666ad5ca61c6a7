"""Both modules for the contract, and the apps to hold them to it with."""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from . import exchanges  # noqa: F401  (its apps register)
from .catalog import SUBJECTS, Subject
from .harness import DOORS


@pytest.fixture(scope="package", autouse=True)
def flask_defaults() -> Iterator[None]:
    """Both sides with Flask's own defaults, and nobody else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIPFLASK_DEFAULTS", "flask")
        yield


def load_flask() -> ModuleType:
    """The real Flask, or a skip that says why there is none."""
    if importlib.util.find_spec("flask") is None:
        pytest.skip("the contract needs the real Flask beside hipflask: pip install 'flask==3.1.3'")
    flask = importlib.import_module("flask")
    if flask.Flask.__module__ != "flask.app":
        pytest.skip("`import flask` is answered by hipflask here, there is nothing to compare with")
    return flask


@pytest.fixture(scope="session")
def real() -> ModuleType:
    return load_flask()


@pytest.fixture(scope="session")
def hip() -> ModuleType:
    return importlib.import_module(os.environ.get("CONTRACT_SUBJECT", "hipflask"))


@pytest.fixture
def collect_within_the_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(params=sorted(SUBJECTS))
def topic(request: Any) -> Subject:
    found = SUBJECTS[request.param]
    if found.needs and importlib.util.find_spec(found.needs) is None:
        pytest.skip(f"app {found.name!r} needs {found.needs}")
    return found


@pytest.fixture(params=sorted(DOORS))
def door(request: Any) -> str:
    return str(request.param)
