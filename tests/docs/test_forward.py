"""docs/lookup/forward.md names all that there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from hipflask import forward

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lookup" / "forward.md"
TEXT = PAGE.read_text(encoding="utf-8")
WORDS = {word for code in re.findall(r"`([^`\n]+)`", TEXT) for word in re.findall(r"\w+", code)}
PUBLIC = re.findall(r" as (\w+)$", inspect.getsource(forward), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name_is_documented(name):
    assert hasattr(forward, name)
    assert name in WORDS


@pytest.mark.parametrize(
    "function",
    [
        forward.Destination,
        forward.Destination.request,
        forward.Destination.make_breaker,
        forward.Request,
        forward.attempt,
        forward.Client,
        forward.Client.send,
        forward.Client.open,
        forward.Deadlines,
        forward.classify,
        forward.idempotency_key,
        forward.join_path,
        forward.Schedule,
        forward.Schedule.next,
        forward.Breaker,
        forward.Breaker.record,
        forward.proxy,
        forward.strangle,
        forward.Limits,
        forward.Compare,
        forward.Rollout,
        forward.Rollout.set,
        forward.add_reports,
    ],
)
def test_each_parameter_is_documented(function):
    assert set(inspect.signature(function).parameters) - {"self"} <= WORDS


@pytest.mark.parametrize("value", [*forward.Kind, *forward.Failure])
def test_each_kind_is_documented(value):
    assert f"`{value}`" in TEXT
