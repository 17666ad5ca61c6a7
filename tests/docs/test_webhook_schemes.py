"""docs/lookup/webhook-schemes.md tells the table of schemes, and names all that there is."""

from __future__ import annotations

import inspect
import re

import pytest

from hipflask import webhooks

from .webhook_schemes import PAGE, make_page

TEXT = PAGE.read_text(encoding="utf-8")
# What receives them has a page of its own.
ALL = TEXT + PAGE.with_name("webhooks.md").read_text(encoding="utf-8")
WORDS = {word for code in re.findall(r"`([^`\n]+)`", ALL) for word in re.findall(r"\w+", code)}
WORDS |= {
    w for block in re.findall(r"```python\n(.*?)```", ALL, re.S) for w in re.findall(r"\w+", block)
}
PUBLIC = re.findall(r" as (\w+)$", inspect.getsource(webhooks), re.MULTILINE)


def test_the_page_is_made_from_the_code():
    assert TEXT == make_page(TEXT), "run: python tests/docs/webhook_schemes.py"


def test_facts_not_confirmed_are_marked():
    for scheme in webhooks.SCHEMES.values():
        for fact in scheme.lenient:
            assert f"- `{scheme.name}` †: {fact}" in TEXT


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name_is_documented(name):
    assert hasattr(webhooks, name)
    assert name in WORDS


@pytest.mark.parametrize(
    "function",
    [
        webhooks.Verifier.__init__,
        webhooks.Verifier.verify,
        webhooks.verify,
        webhooks.sign,
        webhooks.hmac_scheme,
        webhooks.own_scheme,
        webhooks.cloudevents_options,
    ],
)
def test_each_parameter_is_documented(function):
    assert set(inspect.signature(function).parameters) - {"self"} <= WORDS


@pytest.mark.parametrize("reason", list(webhooks.Reason))
def test_each_reason_is_documented(reason):
    assert f"`{reason}`" in TEXT
