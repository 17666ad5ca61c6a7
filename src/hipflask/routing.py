"""Werkzeug's rules compiled once into a tree of path segments.

Werkzeug parses a rule, weighs its parts and orders them; `compile_map` takes the ordered
result over and leaves out what costs time per request: no regular expression for the
plain `string` and `int` converters, no scan for a path without variables, one look-up for
the method. What is rare stays Werkzeug's: for redirects, aliases, defaults, WebSocket
rules and rules on a subdomain `match` answers `ASK`, and the caller asks a `MapAdapter`,
whose word is final. A property test holds both against each other.

This module holds no socket, request or application, only rules, methods and paths.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from werkzeug.routing import BaseConverter, IntegerConverter, Map, Rule

from .live import Cell

Convert = Callable[[str], Any]
_Match = Callable[[str], Any]

ASK: Final = "ask"
NOT_FOUND: Final = "not found"
NOT_ALLOWED: Final = "not allowed"

# How one dynamic segment is tested.
_TEXT, _DIGITS, _REGEX = range(3)
_TEXT_PART = r"(?P<__werkzeug_0>[^/]{1,})\Z"
_DIGITS_PART = r"(?P<__werkzeug_0>\d+)\Z"


class LiveMap(Map):
    """A map that empties `cell` when a rule is added or one of its settings is changed."""

    cell: Cell | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # `_remap` going down says that Werkzeug sorted the rules, which changes nothing.
        if self.cell is not None and not (name == "_remap" and value is False):
            self.cell.empty()


class Target:
    """A rule as the end of a path: what to convert, and a place for the caller's plan.

    `plan` is the caller's: dispatch keeps there what it worked out for the rule. A foreign
    one is for WebSockets in a tree that is not, and leads to Werkzeug.
    """

    __slots__ = (
        "ask", "converts", "defaults", "endpoint", "is_foreign", "methods", "names", "one", "plan",
        "rule",
    )  # fmt: skip

    def __init__(self, rule: Rule, websocket: bool = False) -> None:
        self.rule = rule
        self.is_foreign = rule.websocket is not websocket
        self.endpoint = rule.endpoint
        self.methods = rule.methods
        self.defaults = dict(rule.defaults) if rule.defaults else None
        converters = rule._converters
        self.names = tuple(str(name) for name in converters)
        self.converts = tuple(_convert_of(converter) for converter in converters.values())
        #: The name and converter of the only variable, where nothing else makes an argument.
        self.one: tuple[str, Convert] | None = None
        if len(self.names) == 1 and not self.defaults:
            self.one = self.names[0], self.converts[0] or str
        self.ask = self.is_foreign or _needs_werkzeug(rule)
        self.plan: Any = None

    def arguments(self, values: list[str]) -> dict[str, Any] | None:
        """The view's arguments for the path's `values`, or None if a converter refuses one.

        Differs from Flask: a converter's plain ValueError (a number of more than 4,300
        digits) is a refusal too, not a server error.
        """
        arguments: dict[str, Any] = {}
        if not values and not self.defaults:
            return arguments
        try:
            for name, convert, value in zip(self.names, self.converts, values):  # noqa: B905 (a name may stand twice)
                arguments[name] = value if convert is None else convert(value)
        except ValueError:
            return None
        if self.defaults:
            arguments.update(self.defaults)
        return arguments


# What a path and method lead to, `(found, detail)`: a `Target` with the view's arguments, or
# `NOT_ALLOWED` with the set of methods that would have been, or one of these two.
_ASK = (ASK, None)
_NOT_FOUND = (NOT_FOUND, None)


class _Node:
    """One segment deep in the tree: literal children, variable children, rules that end here."""

    __slots__ = ("by_method", "dynamic", "first", "is_sole_way", "literal", "slash", "targets")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        #: The first of the variable children, if it is text or digits: (whether digits, child).
        self.first: tuple[bool, _Node] | None = None
        #: `targets` by method; empty where one of them is not to be taken at sight.
        self.by_method: dict[str, Target] = {}
        #: How a segment is tested, by what; whether that takes the rest of the path, which may
        #: end in a slash; where it leads.
        self.dynamic: tuple[tuple[int, _Match, bool, bool, _Node], ...] = ()
        self.targets: tuple[Target, ...] = ()
        self.slash: _Node | None = None
        #: Whether no variable here or above might have taken a path elsewhere.
        self.is_sole_way = False


class _AskWerkzeug(Exception):
    """The walk met what only Werkzeug decides."""


class Matcher:
    """The compiled map. Immutable, so any thread may match with it."""

    __slots__ = ("_beginnings", "_merge_slashes", "_root", "literal")

    def __init__(self, root: _Node, literal: dict[str, dict[str, Target]], merge: bool) -> None:
        self._root = root
        #: Where a path leads whose last segment may be a variable, by what stands before it.
        self._beginnings: dict[str, _Node] = {}
        _collect_beginnings(root, "", True, self._beginnings)
        #: Rules by path and method, for paths that are sent as they are: in ASCII, with one
        #: slash at the start. A request is looked up here before its path is decoded.
        self.literal = literal
        self._merge_slashes = merge

    def match(self, method: str, path: str) -> tuple[Any, Any]:
        """Find the rule for `path` (decoded, with its leading slash) and `method` (upper case).

        Returns (found, detail). Precedence is Werkzeug's: a literal segment before a variable
        one, then by weight. Linear in the number of segments as long as no two rules share
        a prefix of variables.
        """
        target: Target | None
        # As most paths are: no variable but the last segment.
        beginning, slash, last = path.rpartition("/")
        node = self._beginnings.get(beginning)
        if node is not None and slash and last and last not in node.literal:
            is_number, child = node.first  # type: ignore[misc]  # as it is a beginning
            if (not is_number or last.isdecimal()) and (
                target := child.by_method.get(method)
            ) is not None:
                if (one := target.one) is None:
                    arguments = target.arguments([last])
                else:
                    name, convert = one
                    try:
                        arguments = {name: convert(last)}
                    except ValueError:
                        arguments = None
                if arguments is not None:
                    return target, arguments
        by_method = self.literal.get(path)
        if by_method is not None:
            target = by_method.get(method)
            if target is not None:
                # A fresh dict: hooks may change request.view_args.
                return target, dict(target.defaults) if target.defaults else {}
        values: list[str] = []
        # The way that `_walk` tries first, which is nearly always the right one.
        node = self._root
        parts = path[1:].split("/")
        for part in parts:
            child = node.literal.get(part)
            if child is None:
                first = node.first
                if not part or first is None or (first[0] and not part.isdecimal()):
                    if node.is_sole_way and part and "" not in parts:
                        return _NOT_FOUND
                    break
                values.append(part)
                child = first[1]
            node = child
        else:
            if path and (target := node.by_method.get(method)) is not None:
                arguments = target.arguments(values)
                if arguments is not None:
                    return target, arguments
        allowed: set[str] = set()
        values = []
        try:
            target = _walk(self._root, path.split("/"), 1, method, values, allowed)
        except _AskWerkzeug:
            return _ASK
        if target is not None:
            if target.ask:
                return _ASK
            arguments = target.arguments(values)
            if arguments is not None:
                return target, arguments
        elif self._merge_slashes and "//" in path:
            return _ASK
        if allowed:
            return NOT_ALLOWED, allowed
        return _NOT_FOUND


class AskingMatcher(Matcher):
    """Stands in where nothing can be compiled: each path is Werkzeug's to match."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_Node(), {}, False)

    def match(self, method: str, path: str) -> tuple[Any, Any]:
        return _ASK


def is_usual_host(host: str | None) -> bool:
    """Whether it is letters, digits, dots and single hyphens, perhaps with a port.

    Then it needs no adapter to judge it. To make one, Werkzeug encodes the name with the codec
    "idna", whose modules take 5 million instructions and 0.27 MB of the first response.
    """
    name, colon, port = (host or "").partition(":")
    return (
        name.isascii()
        and name.replace(".", "").replace("-", "").isalnum()
        and len(name) < 64  # so is each label
        and name[0] != "."
        and ".." not in name
        and "--" not in name  # punycode: xn--
        and (
            not colon or (len(port) < 6 and port.isascii() and port.isdigit() and int(port) < 65536)
        )
    )


def compile_map(url_map: Map, websocket: bool = False) -> Matcher:
    """Compile `url_map` as it is now; rules added later need a new matcher.

    With `websocket` the tree holds the WebSocket rules alone, to be matched as GET. A map with
    host matching gets a matcher that always answers `ASK`.
    """
    if url_map.host_matching:
        return AskingMatcher()
    url_map.update()
    root = url_map._matcher._root.static.get(url_map.default_subdomain)
    if root is None:
        return Matcher(_Node(), {}, url_map.merge_slashes)
    first = root.static.get("")  # every path starts with a slash
    node = _compile_state(first, websocket) if first is not None else _Node()
    if root.dynamic:
        return AskingMatcher()
    literal: dict[str, dict[str, Target]] = {}
    _collect_literal(node, "", literal)
    return Matcher(node, literal, url_map.merge_slashes)


def _compile_state(state: Any, websocket: bool) -> _Node:
    node = _Node()
    node.literal = {text: _compile_state(child, websocket) for text, child in state.static.items()}
    node.slash = node.literal.get("")
    node.dynamic = tuple(
        (
            _kind_of(part),
            re.compile(part.content).match,
            part.final,
            part.suffixed,
            _compile_state(child, websocket),
        )
        for part, child in state.dynamic
    )
    if node.dynamic and (kind := node.dynamic[0][0]) != _REGEX:
        node.first = kind == _DIGITS, node.dynamic[0][4]
    node.targets = tuple(
        Target(rule, websocket) for rule in state.rules if rule.websocket or not websocket
    )
    if not any(target.ask or target.methods is None for target in node.targets):
        for target in node.targets:
            for method in target.methods or ():
                node.by_method.setdefault(method, target)
    return node


def _kind_of(part: Any) -> int:
    if part.final or part.suffixed:
        return _REGEX
    return {_TEXT_PART: _TEXT, _DIGITS_PART: _DIGITS}.get(part.content, _REGEX)


def _collect_literal(node: _Node, path: str, found: dict[str, dict[str, Target]]) -> None:
    """File every path without variables by method, first rule first."""
    by_method: dict[str, Target] = {}
    for target in node.targets:
        if target.is_foreign:
            continue  # the rules beside it do not wait for it
        if target.ask or target.methods is None:
            # Its order among the others counts: leave the whole path to the walk.
            by_method.clear()
            break
        for method in target.methods:
            by_method.setdefault(method, target)
    if by_method and path.isascii() and path[:1] == "/" and path[:2] != "//":
        found[path] = by_method
    for text, child in node.literal.items():
        _collect_literal(child, f"{path}/{text}", found)


def _collect_beginnings(node: _Node, path: str, is_sole_way: bool, found: dict[str, _Node]) -> None:
    """File every node without variables above it that has one below it, told at sight."""
    node.is_sole_way = is_sole_way and not node.dynamic
    if node.first is not None:
        found[path] = node
    for text, child in node.literal.items():
        if text and text.isascii():
            _collect_beginnings(child, f"{path}/{text}", node.is_sole_way, found)


def _convert_of(converter: BaseConverter) -> Convert | None:
    if type(converter).to_python is BaseConverter.to_python:
        return None
    if type(converter) is IntegerConverter and not (
        converter.fixed_digits or converter.min is not None or converter.max is not None
    ):
        return int
    return converter.to_python


def _needs_werkzeug(rule: Rule) -> bool:
    if rule.alias or rule.redirect_to is not None:
        return True
    if not rule.map.redirect_defaults:
        return False
    # An earlier rule of the endpoint that supplies our variables by default is the
    # canonical URL, and the request is redirected to it.
    siblings = rule.map._rules_by_endpoint.get(rule.endpoint)
    if siblings is None:
        return True  # taken out of the map by hand; the rest of the map must not suffer
    for other in siblings:
        if other is rule:
            return False
        if other.provides_defaults_for(rule):
            return True
    return False


def _walk(
    node: _Node, parts: list[str], at: int, method: str, values: list[str], allowed: set[str]
) -> Target | None:
    """Follow `parts[at:]` down from `node`; on success `values` holds the variables' texts."""
    target: Target | None
    if at == len(parts):
        for target in node.targets:
            if target.is_foreign:
                raise _AskWerkzeug
            if target.methods is None or method in target.methods:
                return target
            allowed |= target.methods
        if node.slash is not None:
            return _end_without_slash(node.slash, method)
        return None
    part = parts[at]
    child = node.literal.get(part)
    if child is not None:
        target = _walk(child, parts, at + 1, method, values, allowed)
        if target is not None:
            return target
    for kind, match, takes_rest, may_end_in_slash, child in node.dynamic:
        if kind == _TEXT:
            if not part:
                continue
            values.append(part)
            added = 1
        elif kind == _DIGITS:
            if not part.isdecimal():
                continue
            values.append(part)
            added = 1
        else:
            found = match("/".join(parts[at:]) if takes_rest else part)
            if found is None:
                continue
            texts = _variables_of(found)
            added = len(texts)
            values.extend(texts)
            if takes_rest:
                rest = ["", ""] if may_end_in_slash and found.groups()[-1] == "/" else [""]
                target = _walk(child, rest, 1, method, values, allowed)
                if target is not None:
                    return target
                del values[len(values) - added :]
                continue
        target = _walk(child, parts, at + 1, method, values, allowed)
        if target is not None:
            return target
        del values[len(values) - added :]
    if not part and at + 1 == len(parts):
        # A trailing slash that a rule without one does not mind.
        for target in node.targets:
            if target.rule.strict_slashes:
                continue
            if target.is_foreign:
                raise _AskWerkzeug
            if target.methods is None or method in target.methods:
                return target
            allowed |= target.methods
    return None


def _end_without_slash(slash: _Node, method: str) -> Target | None:
    """The path lacks the slash its rule ends in: a redirect, or a match if the rule is lenient."""
    for target in slash.targets:
        if target.is_foreign:
            raise _AskWerkzeug
        if target.methods is None or method in target.methods:
            if target.rule.strict_slashes:
                raise _AskWerkzeug
            return target
    return None


def _variables_of(found: re.Match[str]) -> list[str]:
    # In the order of the expression, which Werkzeug before 3.1.7 mixed up from the eleventh
    # on. Converters may have groups of their own in it.
    named = found.groupdict()
    return [text for name, text in named.items() if name.startswith("__werkzeug_")]
