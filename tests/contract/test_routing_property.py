"""Our matcher against Werkzeug's `MapAdapter.match`, over random rule sets and paths."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import (
    BaseConverter,
    Map,
    RequestRedirect,
    Rule,
    ValidationError,
    WebsocketMismatch,
)

from .effort import effort

routing = pytest.importorskip("hipflask.routing")

METHODS = ("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "get")
WORDS = ("a", "b", "ab", "x-1", "7", "v1.2", "é", "left", "A", "a.b", "+", "a b")
SAMPLES = {
    "string": ("a", "ab", "7", "é", "x-1", "abcdef"),
    "string(length=2)": ("ab", "é7", "abc"),
    "string(minlength=2, maxlength=3)": ("ab", "abc", "a", "abcd"),
    "int": ("0", "7", "007", "-7", "12345", "٣", "1" * 5000),
    "int(signed=True)": ("-7", "7", "--7"),
    "int(min=3, max=10)": ("3", "10", "2", "11"),
    "int(fixed_digits=3)": ("007", "7", "0070"),
    "float": ("1.5", "1", "-1.5", "1.", ".5", "00.50"),
    "float(signed=True)": ("-1.5", "1.5"),
    "path": ("a", "a/b", "a/b/c", "a//b", "7/edit"),
    "any(left, right)": ("left", "right", "lefty"),
    "uuid": (str(uuid.UUID(int=5)), str(uuid.UUID(int=5)).upper(), "5"),
    "even": ("2", "3", "44"),
    "tail": ("a/b", "a", "2"),
    "lower": ("abc", "ABC", "a1"),
}  # fmt: skip


class Even(BaseConverter):
    """A converter that refuses after the expression matched."""

    regex = r"\d+"

    def to_python(self, value: str) -> Any:
        if int(value) % 2:
            raise ValidationError
        return ("even", int(value))


class Tail(BaseConverter):
    """A converter that spans segments, lighter than `path`."""

    part_isolating = False
    regex = ".+"
    weight = 150


class Lower(BaseConverter):
    """A converter with groups of its own in its expression."""

    regex = r"(?:[a-z])+"
    weight = 90


CONVERTERS = {"even": Even, "tail": Tail, "lower": Lower}


@dataclass(frozen=True)
class Piece:
    """One segment of a rule and texts that may match it."""

    text: str
    samples: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Everything a rule is made of."""

    pieces: tuple[Piece, ...]
    slash: bool
    options: tuple[tuple[str, Any], ...]

    def rule(self, index: int) -> Rule:
        text = "/" + "/".join(p.text.replace("@", f"v{i}") for i, p in enumerate(self.pieces))
        if self.slash and not text.endswith("/"):
            text += "/"
        options = dict(self.options)
        if options.get("redirect_to"):
            options["redirect_to"] = "elsewhere"
        endpoint = options.pop("endpoint", index)
        return Rule(text, endpoint=f"e{endpoint}", **options)


def dynamic(name: str) -> st.SearchStrategy[Piece]:
    """A segment that is one converter, or has text before or after it."""
    samples = SAMPLES[name]
    around = st.sampled_from((("", ""), ("", ""), ("", ""), ("x-", ""), ("", ".txt"), ("v", ".z")))
    return around.map(
        lambda w: Piece(f"{w[0]}<{name}:@>{w[1]}", tuple(w[0] + s + w[1] for s in samples))
    )


def double(first: str, second: str, between: str) -> Piece:
    """A segment with two converters."""
    texts = [f"{a}{between}{b}" for a in SAMPLES[first][:3] for b in SAMPLES[second][:3]]
    return Piece(f"<{first}:@a>{between}<{second}:@b>", tuple(texts))


ISOLATED = tuple(n for n in SAMPLES if n not in ("path", "tail"))
PIECES = st.one_of(
    st.sampled_from(WORDS[:9]).map(lambda w: Piece(w, (w,))),
    st.sampled_from(("string", "string", "int", "int", *SAMPLES)).flatmap(dynamic),
    st.builds(double, st.sampled_from(ISOLATED), st.sampled_from(ISOLATED), st.sampled_from("-._")),
)
RULE_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "methods": st.sets(st.sampled_from(("GET", "POST", "PUT", "OPTIONS")), min_size=1).map(
            lambda found: tuple(sorted(found))
        ),
        "strict_slashes": st.booleans(),
        "merge_slashes": st.booleans(),
        "endpoint": st.integers(0, 2),
    },
)
RARE_OPTIONS = st.sampled_from(
    ({}, {}, {}, {"build_only": True}, {"websocket": True}, {"alias": True}, {"redirect_to": True},
     {"defaults": (("v0", "d"),)}, {"defaults": (("w", 3),)})
)  # fmt: skip


@st.composite
def plans(draw: st.DrawFn, rare: bool) -> Plan:
    pieces = tuple(draw(st.lists(PIECES, max_size=3)))
    options = dict(draw(RULE_OPTIONS))
    if rare:
        options |= draw(RARE_OPTIONS)
    return Plan(pieces, draw(st.booleans()), tuple(options.items()))


@st.composite
def worlds(draw: st.DrawFn, rare: bool) -> tuple[Map, list[tuple[str, str]]]:
    """A map, and methods and paths to try on it: near its rules, bent, or invented."""
    found = draw(st.lists(plans(rare), min_size=1, max_size=7))
    url_map = Map(
        converters=CONVERTERS,
        strict_slashes=draw(st.booleans()),
        merge_slashes=draw(st.booleans()),
    )
    for index, plan in enumerate(found):
        options = dict(plan.options)
        if "defaults" in options:
            plan = Plan(
                plan.pieces,
                plan.slash,
                tuple((options | {"defaults": dict(options["defaults"])}).items()),
            )
        try:
            url_map.add(plan.rule(index))
        except (ValueError, TypeError, LookupError):
            # Two rules alike: newer Werkzeug refuses the second.
            continue
    assume(list(url_map.iter_rules()))
    trials = []
    for _ in range(draw(st.integers(3, 10))):
        pieces = draw(st.sampled_from(found)).pieces
        parts = [draw(st.sampled_from((*p.samples, *p.samples, *WORDS))) for p in pieces]
        path = "/" + "/".join(parts)
        path = draw(
            st.sampled_from(
                (path, path, path, path + "/", "/" + path, path.replace("/", "//"), path + "//")
            )
        )
        if draw(st.integers(0, 9)) == 0:
            path = "/" + draw(st.text("ab/.7é%-\n ", max_size=8))
        trials.append((draw(st.sampled_from(METHODS)), path))
    return url_map, trials


def ask_werkzeug(url_map: Map, method: str, path: str) -> tuple[str, Any]:
    """What Werkzeug says, as a kind and its detail."""
    adapter = url_map.bind("localhost")
    try:
        rule, arguments = adapter.match(path, method, return_rule=True)
    except RequestRedirect as redirect:
        return "redirect", redirect.new_url
    except WebsocketMismatch:
        return "websocket", None
    except MethodNotAllowed as refused:
        return "not allowed", frozenset(refused.valid_methods or ())
    except NotFound:
        return "not found", None
    except ValueError:
        return "failure", None
    return "found", (rule, dict(arguments))


def hold(url_map: Map, trials: list[tuple[str, str]], plain: bool) -> None:
    matcher = routing.compile_map(url_map)
    for method, path in trials:
        kind, detail = ask_werkzeug(url_map, method, path)
        # A request's path starts with exactly one slash, on both.
        found, ours = matcher.match(method.upper(), "/" + path.lstrip("/"))
        shown = (
            f"{method} {path!r} on {list(url_map.iter_rules())}: {kind} {detail}, {found} {ours}"
        )
        if found == routing.ASK:
            # Always allowed, but plain rules and a plain path must do without.
            assert not plain or kind != "found" or "//" in path, shown
        elif kind == "failure":
            assert found in (routing.NOT_FOUND, routing.NOT_ALLOWED) or found.rule, shown
        elif kind == "not allowed":
            assert found == routing.NOT_ALLOWED and frozenset(ours) == detail, shown
        elif kind == "not found":
            assert found == routing.NOT_FOUND, shown
        else:
            assert kind == "found" and not isinstance(found, str), shown
            assert found.rule is detail[0], shown
            assert ours == detail[1], shown
            assert [type(v) for v in ours.values()] == [type(detail[1][k]) for k in ours], shown


@effort(400)
@given(worlds(rare=False))
def test_plain_rules_match_as_in_werkzeug(world: tuple[Map, list[tuple[str, str]]]) -> None:
    hold(*world, plain=True)


@effort(300)
@given(worlds(rare=True))
def test_rare_rules_match_as_in_werkzeug(world: tuple[Map, list[tuple[str, str]]]) -> None:
    hold(*world, plain=False)


def test_rules_added_after_compiling_need_a_new_matcher_that_sees_them() -> None:
    url_map = Map([Rule("/a", endpoint="a")])
    first = routing.compile_map(url_map)
    assert first.match("GET", "/b")[0] == routing.NOT_FOUND
    url_map.add(Rule("/b", endpoint="b"))
    assert routing.compile_map(url_map).match("GET", "/b")[0].endpoint == "b"


def test_a_long_number_is_not_found_and_never_an_error() -> None:
    url_map = Map([Rule("/<int:n>", endpoint="n")])
    assert routing.compile_map(url_map).match("GET", "/" + "9" * 6000)[0] == routing.NOT_FOUND


def test_a_thousand_rules_of_one_shape_find_each_their_own() -> None:
    url_map = Map([Rule(f"/r{n}/<x>", endpoint=f"e{n}") for n in range(1000)])
    matcher = routing.compile_map(url_map)
    for n in range(0, 1000, 37):
        found, arguments = matcher.match("GET", f"/r{n}/y")
        assert (found.endpoint, arguments) == (f"e{n}", {"x": "y"})
