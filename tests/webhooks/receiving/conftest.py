"""A server for each door, shared by the tests of a module."""

from __future__ import annotations

import importlib.util

import pytest

from .serving import DOORS, SERVERS, running


@pytest.fixture(scope="module", params=SERVERS)
def everywhere(request, tmp_path_factory):
    """Each server that people run."""
    module = SERVERS[request.param][0]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    with running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture(scope="module", params=DOORS)
def door(request, tmp_path_factory):
    """Each of our own doors."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server
