from __future__ import annotations

import pytest
from werkzeug.routing import BaseConverter, Map, Rule

from hipflask.api.openapi.paths import host_of, refuses, takes_slashes, template_of, variable_schema


class Code(BaseConverter):
    regex = "[A-Z]{2}[0-9]+"


class Look(BaseConverter):
    regex = "(?!x)[a-z]+"


def rule_of(text, **options):
    rule = Rule(text, endpoint="e", **options)
    Map([rule], converters={"code": Code, "look": Look}, host_matching="host" in options)
    return rule


@pytest.mark.parametrize(
    ("text", "template", "names"),
    [
        ("/", "/", ()),
        ("/orders/<int:number>", "/orders/{number}", ("number",)),
        ("/a/<b>/<any(x,'y>z'):c>-<path:d>", "/a/{b}/{c}-{d}", ("b", "c", "d")),
        ("/a{b}/<c>", "/a%7Bb%7D/{c}", ("c",)),
    ],
)
def test_templates_name_the_variables(text, template, names):
    assert template_of(rule_of(text)) == (template, names)


def test_skeletons_are_without_names():
    assert template_of(rule_of("/a/<b>/<c>")).skeleton == "/a/{}/{}"


@pytest.mark.parametrize(
    ("converter", "schema"),
    [
        ("", {"type": "string", "minLength": 1}),
        ("string(length=2):", {"type": "string", "minLength": 2, "maxLength": 2}),
        ("string(minlength=2):", {"type": "string", "minLength": 2}),
        ("string(minlength=2,maxlength=3):", {"type": "string", "minLength": 2, "maxLength": 3}),
        ("int:", {"type": "integer", "minimum": 0}),
        ("int(signed=True):", {"type": "integer"}),
        ("int(min=2,max=5):", {"type": "integer", "minimum": 2, "maximum": 5}),
        ("int(fixed_digits=3):", {"type": "string", "pattern": "^[0-9]{3}$"}),
        ("float:", {"type": "number", "minimum": 0}),
        ("uuid:", {"type": "string", "format": "uuid"}),
        ("any(b,a):", {"type": "string", "enum": ["a", "b"]}),
        ("path:", {"type": "string", "minLength": 1}),
        ("code:", {"type": "string", "pattern": "^(?:[A-Z]{2}[0-9]+)$"}),
        ("look:", {"type": "string"}),
    ],
)
def test_converters_say_what_a_variable_may_be(converter, schema):
    assert variable_schema(rule_of(f"/<{converter}x>"), "x") == schema


def test_which_rules_refuse_values():
    assert not refuses(rule_of("/a"))
    assert not refuses(rule_of("/<a>"))
    assert refuses(rule_of("/<int:a>"))


def test_which_variables_take_slashes():
    assert takes_slashes(rule_of("/<path:a>"), "a")
    assert not takes_slashes(rule_of("/<a>"), "a")


def test_hosts_have_variables_too():
    assert host_of(rule_of("/", subdomain="<shop>.api"), False) == "{shop}.api"
    assert host_of(rule_of("/", host="x.test"), True) == "x.test"
    assert host_of(rule_of("/"), False) == ""
