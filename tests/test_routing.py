"""The compiled matcher, with rules, methods and paths alone; Werkzeug has the last word."""

import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import (
    BaseConverter,
    IntegerConverter,
    Map,
    RequestRedirect,
    Rule,
    UnicodeConverter,
    ValidationError,
    WebsocketMismatch,
)

from hipflask.live import Cell
from hipflask.routing import (
    ASK,
    NOT_ALLOWED,
    NOT_FOUND,
    AskingMatcher,
    LiveMap,
    Target,
    compile_map,
)


class Even(IntegerConverter):
    """Refuses after its expression matched."""

    def to_python(self, value):
        if int(value) % 2:
            raise ValidationError
        return int(value)


class Rest(BaseConverter):
    """Spans segments, and leaves the last character to the rule."""

    part_isolating = False
    regex = ".+?"
    weight = 200


CONVERTERS = {"even": Even, "rest": Rest}


def rules(*texts, **options):
    """A rule per text; its endpoint is the text."""
    return [Rule(text, endpoint=text, **options) for text in texts]


def make_map(*given, **options):
    flat = [rule for item in given for rule in (rules(item) if isinstance(item, str) else [item])]
    return Map(flat, converters=CONVERTERS, **options)


def ours(url_map, path, method="GET"):
    """(endpoint, arguments), or the outcome's two parts."""
    found, detail = compile_map(url_map).match(method, path)
    return (found.endpoint, detail) if isinstance(found, Target) else (found, detail)


def werkzeugs(url_map, path, method="GET"):
    """What Werkzeug finds, in the same form; ASK for what only it decides."""
    try:
        return url_map.bind("localhost").match(path, method)
    except MethodNotAllowed as error:
        return NOT_ALLOWED, set(error.valid_methods)
    except NotFound:
        return NOT_FOUND, None
    except (RequestRedirect, WebsocketMismatch):
        return ASK, None


def agreed(url_map, path, method="GET"):
    """What both find; they must find the same."""
    found = ours(url_map, path, method)
    assert found == werkzeugs(url_map, path, method)
    return found


# --- paths without variables ---------------------------------------------------------------


def test_path_without_variables_is_found_by_method():
    url_map = make_map(
        Rule("/a", endpoint="read", methods=["GET"]), Rule("/a", endpoint="write", methods=["POST"])
    )
    assert agreed(url_map, "/a") == ("read", {})
    assert agreed(url_map, "/a", "HEAD") == ("read", {})
    assert agreed(url_map, "/a", "POST") == ("write", {})
    assert agreed(url_map, "/a", "PUT") == (NOT_ALLOWED, {"GET", "HEAD", "POST"})
    assert agreed(url_map, "/b") == (NOT_FOUND, None)


def test_first_of_two_equal_rules_wins():
    url_map = make_map(Rule("/a", endpoint="first"), Rule("/a", endpoint="second"))
    assert agreed(url_map, "/a") == ("first", {})


def test_each_match_gives_arguments_of_its_own():
    matcher = compile_map(make_map(*rules("/a"), Rule("/b", endpoint="b", defaults={"x": 1})))
    for path in ("/a", "/b"):
        first = matcher.match("GET", path)[1]
        first["added"] = True
        assert "added" not in matcher.match("GET", path)[1]


@pytest.mark.parametrize("path", ["", "a", "/", "//", "/ü", "/a/b/c"])
def test_empty_map_finds_nothing(path):
    assert ours(Map(), path)[0] is (ASK if path == "//" else NOT_FOUND)
    assert ours(Map(merge_slashes=False), path)[0] is NOT_FOUND


def test_rule_without_methods_takes_every_method():
    url_map = make_map("/any", "/any/<x>")
    assert agreed(url_map, "/any", "BREW") == ("/any", {})
    assert agreed(url_map, "/any/1", "BREW") == ("/any/<x>", {"x": "1"})


def test_order_counts_where_one_of_the_rules_takes_every_method():
    url_map = make_map(
        Rule("/a", endpoint="get", methods=["GET"]),
        Rule("/a", endpoint="all"),
        Rule("/a", endpoint="put", methods=["PUT"]),
    )
    assert agreed(url_map, "/a", "GET") == ("get", {})
    assert agreed(url_map, "/a", "PUT") == ("all", {})


def test_build_only_rules_are_not_matched():
    url_map = make_map(Rule("/a", endpoint="a", build_only=True), "/b")
    assert agreed(url_map, "/a") == (NOT_FOUND, None)


# --- variables ------------------------------------------------------------------------------


def test_text_takes_one_segment_that_is_not_empty():
    url_map = make_map("/u/<name>")
    assert agreed(url_map, "/u/ada") == ("/u/<name>", {"name": "ada"})
    assert agreed(url_map, "/u/é b") == ("/u/<name>", {"name": "é b"})
    assert agreed(url_map, "/u/") == (NOT_FOUND, None)
    assert agreed(url_map, "/u/a/b") == (NOT_FOUND, None)


@pytest.mark.parametrize("digits, number", [("0", 0), ("007", 7), ("٣٤", 34), ("१", 1)])
def test_int_takes_decimal_digits_of_every_script(digits, number):
    assert agreed(make_map("/n/<int:n>"), f"/n/{digits}") == ("/n/<int:n>", {"n": number})


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "²", "½", "1_000", "", "x", " 1"])
def test_int_refuses_what_is_not_decimal_digits(text):
    assert agreed(make_map("/n/<int:n>"), f"/n/{text}") == (NOT_FOUND, None)


@pytest.mark.parametrize("rule", ["/n/<int:n>", "/n/<int(min=3):n>"])
def test_number_of_5000_digits_is_not_found(rule):
    # Werkzeug before 3.1.7 lets the ValueError out.
    assert ours(make_map(rule), "/n/" + "1" * 5000) == (NOT_FOUND, None)


@pytest.mark.parametrize(
    "rule, takes, refuses",
    [
        ("<int(signed=True):x>", {"-7": -7, "7": 7}, ["--7"]),
        ("<int(min=3, max=5):x>", {"3": 3, "5": 5}, ["2", "6"]),
        ("<int(fixed_digits=3):x>", {"007": 7}, ["7", "0070"]),
        ("<float:x>", {"1.5": 1.5}, ["1", "1.", ".5", "-1.5"]),
        ("<string(length=2):x>", {"ab": "ab"}, ["a", "abc"]),
        ("<string(minlength=2, maxlength=3):x>", {"ab": "ab", "abc": "abc"}, ["a", "abcd"]),
        ("<any(left, right):x>", {"left": "left"}, ["lefty", "up"]),
        ("<even:x>", {"2": 2}, ["3", "x"]),
    ],
)
def test_converters_take_and_refuse_as_werkzeugs(rule, takes, refuses):
    url_map = make_map(f"/v/{rule}")
    for text, value in takes.items():
        assert agreed(url_map, f"/v/{text}") == (f"/v/{rule}", {"x": value})
    for text in refuses:
        assert agreed(url_map, f"/v/{text}") == (NOT_FOUND, None)


def test_path_takes_what_is_left_and_backtracks():
    url_map = make_map("/f/<path:p>", "/f/<path:p>/edit", "/f/<path:p>/<int:n>/edit")
    assert agreed(url_map, "/f/a/b/c") == ("/f/<path:p>", {"p": "a/b/c"})
    assert agreed(url_map, "/f/a/b/edit") == ("/f/<path:p>/edit", {"p": "a/b"})
    assert agreed(url_map, "/f/a/7/edit")[0] == "/f/<path:p>/<int:n>/edit"
    assert agreed(url_map, "/f/") == (NOT_FOUND, None)


def test_path_that_may_end_in_a_slash():
    url_map = make_map("/f/<path:p>/")
    assert agreed(url_map, "/f/a/b/") == ("/f/<path:p>/", {"p": "a/b"})
    assert agreed(url_map, "/f/a/b") == (ASK, None)
    lenient = make_map(Rule("/f/<path:p>/", endpoint="f", strict_slashes=False))
    assert agreed(lenient, "/f/a/b") == ("f", {"p": "a/b"})


def test_path_falls_back_to_the_next_rule_where_its_method_is_another():
    url_map = make_map(
        Rule("/<path:p>", endpoint="path", methods=["POST"]),
        Rule("/<rest:r>", endpoint="rest", methods=["GET"]),
    )
    assert agreed(url_map, "/a/b", "POST") == ("path", {"p": "a/b"})
    assert agreed(url_map, "/a/b", "GET") == ("rest", {"r": "a/b"})
    assert agreed(url_map, "/a/b", "PUT") == (NOT_ALLOWED, {"POST", "GET", "HEAD"})


def test_several_variables_in_a_segment():
    url_map = make_map("/<a>-<int:b>", "/<a>.<ext>/x", "/v<int:major>.<int:minor>")
    assert agreed(url_map, "/x-y-3") == ("/<a>-<int:b>", {"a": "x-y", "b": 3})
    assert agreed(url_map, "/a.b.c/x") == ("/<a>.<ext>/x", {"a": "a.b", "ext": "c"})
    assert agreed(url_map, "/v1.20") == ("/v<int:major>.<int:minor>", {"major": 1, "minor": 20})
    assert agreed(url_map, "/x-y") == (NOT_FOUND, None)


def test_more_than_ten_variables_in_a_segment_keep_their_order():
    # Werkzeug before 3.1.7 sorts the eleventh before the third.
    url_map = make_map("/" + "-".join(f"<v{number}>" for number in range(12)))
    _, arguments = ours(url_map, "/" + "-".join("abcdefghijkl"))
    assert list(arguments.items()) == [(f"v{at}", text) for at, text in enumerate("abcdefghijkl")]


def test_groups_inside_a_converters_expression_are_no_variables():
    class Version(BaseConverter):
        regex = r"(?P<major>\d+)\.(?P<minor>\d+)"

    url_map = Map(rules("/<version:v>-<x>"), converters={"version": Version})
    assert agreed(url_map, "/1.2-y") == ("/<version:v>-<x>", {"v": "1.2", "x": "y"})


def test_variable_beside_text_in_a_segment():
    url_map = make_map("/u/@<name>", "/u/<name>.json", "/u/<name>")
    assert agreed(url_map, "/u/@ada") == ("/u/@<name>", {"name": "ada"})
    assert agreed(url_map, "/u/ada.json") == ("/u/<name>.json", {"name": "ada"})
    assert agreed(url_map, "/u/ada") == ("/u/<name>", {"name": "ada"})


def test_converter_classes_like_werkzeugs_own_count_as_what_they_are():
    class Loud(UnicodeConverter):
        def to_python(self, value):
            return value.upper()

    class Number(IntegerConverter):
        pass

    url_map = Map(
        rules("/a/<loud:x>", "/b/<number:x>"), converters={"loud": Loud, "number": Number}
    )
    assert agreed(url_map, "/a/x") == ("/a/<loud:x>", {"x": "X"})
    assert agreed(url_map, "/b/7") == ("/b/<number:x>", {"x": 7})


def test_error_of_a_converter_that_is_no_value_error_is_passed_on():
    class Broken(BaseConverter):
        def to_python(self, value):
            raise LookupError(value)

    url_map = Map(rules("/<broken:x>"), converters={"broken": Broken})
    with pytest.raises(LookupError, match="a"):
        ours(url_map, "/a")


# --- precedence -----------------------------------------------------------------------------


def test_literal_segment_goes_before_a_variable_one():
    url_map = make_map("/<x>/b", "/a/<y>", "/a/b", "/<path:p>")
    assert agreed(url_map, "/a/b") == ("/a/b", {})
    assert agreed(url_map, "/a/c") == ("/a/<y>", {"y": "c"})
    assert agreed(url_map, "/c/b") == ("/<x>/b", {"x": "c"})
    assert agreed(url_map, "/c/d") == ("/<path:p>", {"p": "c/d"})


def test_lighter_converter_goes_first_whatever_the_order_of_the_rules():
    url_map = make_map("/<path:x>", "/<x>", "/<float:x>", "/<int:x>")
    assert agreed(url_map, "/7")[0] == "/<int:x>"
    assert agreed(url_map, "/7.5")[0] == "/<float:x>"
    assert agreed(url_map, "/seven")[0] == "/<x>"
    assert agreed(url_map, "/a/b")[0] == "/<path:x>"


def test_dead_end_below_a_literal_segment_is_walked_back():
    url_map = make_map("/a/b/c", "/<x>/b/d", "/<x>/<int:n>/<y>", "/<x>/<y>/<z>")
    assert agreed(url_map, "/a/b/c") == ("/a/b/c", {})
    assert agreed(url_map, "/a/b/d") == ("/<x>/b/d", {"x": "a"})
    assert agreed(url_map, "/a/7/d") == ("/<x>/<int:n>/<y>", {"x": "a", "n": 7, "y": "d"})
    assert agreed(url_map, "/a/b/e") == ("/<x>/<y>/<z>", {"x": "a", "y": "b", "z": "e"})


def test_dead_end_leaves_no_values_behind():
    url_map = make_map("/<int:a>/<int:b>/end", "/<c>-<d>/<e>/end", "/<x>/<y>/stop")
    assert agreed(url_map, "/1/2/stop") == ("/<x>/<y>/stop", {"x": "1", "y": "2"})
    assert agreed(url_map, "/1-1/2/stop") == ("/<x>/<y>/stop", {"x": "1-1", "y": "2"})


def test_literal_path_of_another_method_gives_way_to_a_variable_one():
    url_map = make_map(
        Rule("/a", endpoint="literal", methods=["POST"]),
        Rule("/<x>", endpoint="variable", methods=["GET"]),
    )
    assert agreed(url_map, "/a", "GET") == ("variable", {"x": "a"})
    assert agreed(url_map, "/a", "POST") == ("literal", {})
    assert agreed(url_map, "/a", "PUT") == (NOT_ALLOWED, {"POST", "GET", "HEAD"})


def test_refusing_converter_ends_the_search_with_the_methods_seen_so_far():
    url_map = make_map(
        Rule("/2", endpoint="literal", methods=["PUT"]),
        Rule("/3", endpoint="literal", methods=["PUT"]),
        Rule("/<even:x>", endpoint="even", methods=["GET"]),
        Rule("/<x>", endpoint="text", methods=["GET"]),
    )
    assert agreed(url_map, "/2") == ("even", {"x": 2})
    assert agreed(url_map, "/3") == (NOT_ALLOWED, {"PUT"})
    assert agreed(url_map, "/5") == (NOT_FOUND, None)


# --- slashes --------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["/a/", "/<x>/", "/<int:x>/", "/v<x>.<y>/"])
def test_missing_slash_is_for_werkzeug_to_redirect(rule):
    path = {"/a/": "/a", "/<x>/": "/1", "/<int:x>/": "/1", "/v<x>.<y>/": "/v1.2"}[rule]
    assert agreed(make_map(rule), path) == (ASK, None)
    assert agreed(make_map(rule), path + "/")[0] == rule


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_missing_slash_of_another_methods_rule_is_not_found(method):
    url_map = make_map(Rule("/a/", endpoint="a", methods=["GET"]))
    assert agreed(url_map, "/a", method) == (NOT_FOUND, None)


def test_lenient_rule_matches_without_its_slash_and_with_one_too_many():
    url_map = make_map(*rules("/a/", "/b", "/c/<x>", strict_slashes=False))
    for path in ("/a/", "/a"):
        assert agreed(url_map, path) == ("/a/", {})
    for path in ("/b", "/b/"):
        assert agreed(url_map, path) == ("/b", {})
    for path in ("/c/1", "/c/1/"):
        assert agreed(url_map, path) == ("/c/<x>", {"x": "1"})


def test_lenient_rule_of_another_method_counts_among_the_allowed():
    url_map = make_map(Rule("/b", endpoint="b", methods=["POST"], strict_slashes=False))
    assert agreed(url_map, "/b/") == (NOT_ALLOWED, {"POST"})
    assert agreed(url_map, "/b/", "POST") == ("b", {})


def test_strict_rule_refuses_one_slash_too_many():
    assert agreed(make_map("/b"), "/b/") == (NOT_FOUND, None)


def test_doubled_slashes_are_for_werkzeug_to_merge_unless_the_map_says_no():
    assert agreed(make_map("/a/b"), "/a//b") == (ASK, None)
    assert ours(make_map("/a/b"), "/x//y")[0] is ASK
    plain = make_map(*rules("/a/b", "/p/<path:p>"), merge_slashes=False)
    assert agreed(plain, "/a//b") == (NOT_FOUND, None)
    assert agreed(plain, "/p/a//b") == ("/p/<path:p>", {"p": "a//b"})


def test_path_keeps_doubled_slashes_inside_where_its_rule_matches():
    url_map = make_map("/p/<path:p>")
    assert agreed(url_map, "/p/a//b") == ("/p/<path:p>", {"p": "a//b"})


# --- what Werkzeug decides ------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        Rule("/old", endpoint="new", alias=True),
        Rule("/old", endpoint="old", redirect_to="/new"),
        Rule("/old", endpoint="socket", websocket=True),
    ],
    ids=["alias", "redirect", "websocket"],
)
def test_rare_rules_are_asked_of_werkzeug(rule):
    url_map = make_map(Rule("/new", endpoint="new"), rule)
    assert agreed(url_map, "/old") == (ASK, None)
    assert agreed(url_map, "/new") == ("new", {})


def test_asking_holds_for_every_method_of_the_path():
    url_map = make_map(
        Rule("/a", endpoint="get", methods=["GET"]),
        Rule("/a", endpoint="old", redirect_to="/new", methods=["PUT"]),
        Rule("/new", endpoint="new"),
    )
    assert agreed(url_map, "/a", "GET") == ("get", {})
    assert agreed(url_map, "/a", "PUT") == (ASK, None)


@pytest.mark.parametrize("path", ["/s/", "/s", "/t/", "/t", "/u/1"])
def test_path_of_a_websocket_rule_is_asked_whatever_its_slash(path):
    url_map = make_map(
        Rule("/s/", endpoint="s", websocket=True),
        Rule("/t", endpoint="t", websocket=True, strict_slashes=False),
        Rule("/u/<x>", endpoint="u", websocket=True),
    )
    assert ours(url_map, path) == (ASK, None)
    assert werkzeugs(url_map, path)[0] in (ASK, NOT_FOUND)


def test_variables_that_an_earlier_rule_supplies_by_default_are_asked():
    url_map = make_map(
        Rule("/page", endpoint="page", defaults={"n": 1}),
        Rule("/page/<int:n>", endpoint="page"),
    )
    assert agreed(url_map, "/page") == ("page", {"n": 1})
    assert agreed(url_map, "/page/1") == (ASK, None)
    # Werkzeug finds that nothing is to be redirected.
    assert ours(url_map, "/page/2") == (ASK, None)
    assert werkzeugs(url_map, "/page/2") == ("page", {"n": 2})


def test_defaults_that_are_not_to_be_redirected_are_matched_here():
    both = [
        Rule("/page", endpoint="page", defaults={"n": 1}),
        Rule("/page/<int:n>", endpoint="page", defaults={"kind": "x"}),
    ]
    assert agreed(make_map(*both, redirect_defaults=False), "/page/1") == (
        "page",
        {"n": 1, "kind": "x"},
    )


def test_rule_with_defaults_is_the_canonical_one_whatever_the_order_of_the_rules():
    url_map = make_map(
        Rule("/page/<int:n>", endpoint="page"),
        Rule("/page", endpoint="page", defaults={"n": 1}),
        Rule("/page/all", endpoint="page"),
    )
    assert agreed(url_map, "/page/1") == (ASK, None)
    assert agreed(url_map, "/page") == ("page", {"n": 1})
    assert agreed(url_map, "/page/all") == ("page", {})


def test_rule_taken_out_of_the_map_by_hand_spoils_no_other_path():
    # What applications do to drop the static route; Werkzeug's matcher keeps it, and fails.
    url_map = make_map("/a", Rule("/b", endpoint="b"), Rule("/c", endpoint="c"))
    url_map.update()
    del url_map._rules_by_endpoint["b"]
    url_map._rules_by_endpoint["c"].clear()
    assert agreed(url_map, "/a") == ("/a", {})
    assert agreed(url_map, "/c") == ("c", {})
    assert ours(url_map, "/b") == (ASK, None)
    with pytest.raises(KeyError):
        werkzeugs(url_map, "/b")


def test_map_with_host_matching_is_always_asked():
    matcher = compile_map(Map([Rule("/a", endpoint="a", host="a.test")], host_matching=True))
    assert isinstance(matcher, AskingMatcher)
    assert matcher.match("GET", "/a") == (ASK, None)


def test_map_with_a_rule_that_begins_without_a_slash_is_always_asked():
    class Bare(Rule):
        def __init__(self, text, **options):
            super().__init__(f"/{text}", **options)
            self.rule = text

    assert isinstance(compile_map(make_map(Bare("<x>/a", endpoint="a"))), AskingMatcher)


def test_rules_of_other_subdomains_are_left_out():
    url_map = make_map(Rule("/api", endpoint="api", subdomain="api"), "/a")
    assert agreed(url_map, "/a") == ("/a", {})
    assert agreed(url_map, "/api") == (NOT_FOUND, None)
    only = make_map(Rule("/api", endpoint="api", subdomain="api"), merge_slashes=False)
    assert agreed(only, "/api") == (NOT_FOUND, None)
    assert agreed(only, "/a//b") == (NOT_FOUND, None)


def test_default_subdomain_of_the_map_is_the_one_matched():
    url_map = make_map("/a", default_subdomain="www")
    assert agreed(url_map, "/a") == ("/a", {})


def test_outcome_names_its_parts():
    outcome = compile_map(make_map("/a")).match("GET", "/none")
    assert outcome == (NOT_FOUND, None)


def test_ten_thousand_segments_are_found_missing_without_recursion():
    url_map = make_map("/a", "/<path:p>/end", "/<x>/<y>")
    assert ours(url_map, "/x" * 10_000) == (NOT_FOUND, None)
    assert ours(make_map("/<path:p>"), "/x" * 10_000)[0] == "/<path:p>"


# --- LiveMap --------------------------------------------------------------------------------


def test_map_empties_its_cell_when_a_rule_is_added_or_a_setting_changed():
    url_map = LiveMap()
    url_map.cell = cell = Cell()
    cell.plan = "worked out"
    url_map.add(Rule("/a", endpoint="a"))
    assert cell.plan is None
    cell.plan = "worked out"
    url_map.strict_slashes = False
    assert cell.plan is None


def test_sorting_the_rules_or_matching_does_not_empty_the_cell():
    url_map = LiveMap([Rule("/b", endpoint="b")])
    url_map.cell = cell = Cell()
    url_map.add(Rule("/a", endpoint="a"))
    cell.plan = "worked out"
    url_map.update()
    assert url_map.bind("localhost").match("/a") == ("a", {})
    assert cell.plan == "worked out"


def test_map_without_a_cell_is_a_plain_map():
    url_map = LiveMap()
    url_map.add(Rule("/a", endpoint="a"))
    url_map.strict_slashes = False
    assert agreed(url_map, "/a") == ("a", {})
