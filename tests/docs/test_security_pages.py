"""The pages about security say what the code does."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from hipflask.config import DEFAULTS

from .reader import ROOT
from .security_pages import CHECKLIST, LIMITS, limits, make_page

ASVS = ROOT / "docs" / "lookup" / "asvs.md"
_ROW = re.compile(r"^\| (V?\d+\.\d+\.\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("page", [LIMITS, CHECKLIST], ids=lambda page: page.stem)
def test_what_is_made_from_the_code_is_current(page):
    text = page.read_text(encoding="utf-8")
    assert text == make_page(text), "run: python -m tests.docs.security_pages"


def test_each_limit_of_the_configuration_is_in_the_table():
    told = " ".join(word for row in limits() for word in row)
    for key in DEFAULTS:
        if key.startswith("MAX_"):
            assert f"`{key}`" in told, key


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_each_row_of_asvs_is_met_by_tests_that_exist_or_is_the_applications():
    rows = _ROW.findall(ASVS.read_text(encoding="utf-8"))
    assert len(rows) >= 60
    assert len({row[0] for row in rows}) == len(rows)
    for number, _, state, shown in rows:
        assert state in ("met", "by the application", "both"), number
        named = _TEST.findall(shown)
        assert named or state == "by the application", f"{number} names no test"
        for path, name in named:
            assert name in names_in(path), f"{number}: {path} has no {name}"
