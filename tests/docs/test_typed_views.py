"""docs/lookup/typed-views.md names all that there is."""

from __future__ import annotations

import inspect
import re

import pytest

from hipflask import api
from hipflask.api import problems

from .reader import ROOT

PAGE = (ROOT / "docs" / "lookup" / "typed-views.md").read_text(encoding="utf-8")
WORDS = {word for code in re.findall(r"`([^`\n]+)`", PAGE) for word in re.findall(r"\w+", code)}
PUBLIC = {*api._LATER, *re.findall(r" as (\w+)$", inspect.getsource(api), re.MULTILINE)}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name_is_documented(name):
    assert hasattr(api, name)
    assert name in WORDS


@pytest.mark.parametrize("function", [api.describe, api.operation, api.page_of, api.etag_of])
def test_each_parameter_is_documented(function):
    names = set(inspect.signature(function).parameters) - {"app", "items", "value"}
    assert names <= WORDS


def test_functions_about_problems_are_documented():
    assert {"everywhere", "replace", "parse_problem"} <= WORDS & set(vars(problems))
