"""Stances by themselves: what they are made of, how they combine, what they decide."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

import pytest

from hipflask import Flask
from hipflask.scaffold import SetupError
from hipflask.security import Identity, allow, authenticated, public, roles
from hipflask.security.stances import ByMethod, stance_of

ADMIN = Identity("ada", roles={"admin"})
CLERK = Identity("cy", roles={"clerk"})
BOTH = Identity("bo", roles={"admin", "clerk"})
NOBODY = Identity("no")


def is_ada(identity):
    return identity.name == "ada"


async def is_ada_async(identity):
    return identity.name == "ada"


def decides(stance, identity, request=None):
    """What both twins say, which must be the same."""
    app = Flask(__name__)
    plain = stance.test(app.ensure_sync)(identity, request)
    assert run(stance.test_async()(identity, request)) is plain
    return plain


def run(coroutine):
    """On a loop and in a thread of its own, whose pool is then its own as well."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@pytest.mark.parametrize(
    ("stance", "lets_in"),
    [
        (public, {"ada", "cy", "bo", "no"}),
        (authenticated, {"ada", "cy", "bo", "no"}),
        (roles("admin"), {"ada", "bo"}),
        (roles("admin", "clerk"), {"ada", "cy", "bo"}),
        (roles("admin") & roles("clerk"), {"bo"}),
        (roles("admin") | roles("clerk"), {"ada", "cy", "bo"}),
        (allow(is_ada), {"ada"}),
        (allow(is_ada_async), {"ada"}),
        (roles("clerk") | allow(is_ada_async), {"ada", "cy", "bo"}),
        (roles("clerk") & allow(is_ada), set()),
        ((roles("clerk") | allow(is_ada)) & roles("admin"), {"ada", "bo"}),
        (public & roles("admin"), {"ada", "bo"}),
        (roles("admin") & public, {"ada", "bo"}),
        (public | roles("admin"), {"ada", "cy", "bo", "no"}),
        (roles("admin") | public, {"ada", "cy", "bo", "no"}),
    ],
    ids=lambda each: " ".join(sorted(each)) if isinstance(each, set) else repr(each),
)
def test_who_is_let_in(stance, lets_in):
    assert {i.name for i in (ADMIN, CLERK, BOTH, NOBODY) if decides(stance, i)} == lets_in


@pytest.mark.parametrize(
    ("stance", "text"),
    [
        (public, "public"),
        (authenticated & roles("a"), "authenticated & roles('a')"),
        ((roles("a") | roles("b")) & allow(is_ada), "(roles('a') | roles('b')) & allow(is_ada)"),
        (roles("a") | roles("b") | roles("c"), "roles('a') | roles('b') | roles('c')"),
        (roles("a") & roles("a"), "roles('a')"),
        (ByMethod({"GET": public}, None), "{GET: public}"),
    ],
)
def test_stances_are_written_as_they_are_declared(stance, text):
    assert repr(stance) == text


def test_stances_are_values():
    assert roles("a", "b") == roles("a", "b", "a")
    assert roles("a") != roles("b")
    assert public != authenticated
    assert len({roles("a"), roles("a"), public}) == 2


def test_words_of_python_do_not_combine_stances():
    for combine in (
        lambda: authenticated and roles("admin"),
        lambda: public or roles("admin"),
        lambda: not public,
    ):
        with pytest.raises(TypeError, match="with & and |"):
            combine()


@pytest.mark.parametrize("other", [None, True, "admin", is_ada, ByMethod({"GET": public}, None)])
def test_only_stances_combine(other):
    with pytest.raises(TypeError):
        roles("admin") & other
    with pytest.raises(TypeError):
        roles("admin") | other


@pytest.mark.parametrize("names", [(), ("",), (["admin"],), (None,), ("a", 1)])
def test_roles_are_texts(names):
    with pytest.raises(SetupError, match="at least one role"):
        roles(*names)


@pytest.mark.parametrize("wrong", [public, "admin", None, True])
def test_allow_takes_a_function(wrong):
    with pytest.raises(SetupError, match="returns a bool"):
        allow(wrong)


def test_predicates_get_the_request_where_they_ask_for_it():
    class Object:
        def __call__(self, identity, request):
            return request == "it"

    class AsyncObject:
        async def __call__(self, identity, request):
            return request == "it"

    def wants_both(identity, request):
        return request == "it"

    def may_have_it(identity, request=None):
        return request == "it"

    def has_other_defaults(identity, limit=3):
        return limit == 3

    for predicate in (
        wants_both,
        may_have_it,
        has_other_defaults,
        Object(),
        AsyncObject(),
        functools.partial(lambda word, identity, request: request == word, "it"),
        lambda *anything: len(anything) == 1,
    ):
        assert decides(allow(predicate), ADMIN, "it") is True


@pytest.mark.parametrize(
    "predicate",
    [lambda: True, lambda a, b, c: True, lambda *, identity: True, lambda a, *, word: True],
)
def test_predicates_of_other_parameters_are_refused_with_their_place(predicate):
    with pytest.raises(SetupError, match=r"test_stances\.py:\d+"):
        allow(predicate)


@pytest.mark.parametrize("answer", [1, 0, None, "yes", [ADMIN]])
def test_a_predicate_must_say_true_or_false(answer):
    stance = allow(lambda identity: answer)
    with pytest.raises(TypeError, match=r"test_stances\.py:\d+\) returned a"):
        stance.test(lambda function: function)(ADMIN, None)
    with pytest.raises(TypeError, match="True or False"):
        run(stance.test_async()(ADMIN, None))


def test_a_coroutine_that_nobody_awaits_lets_nobody_in():
    stance = allow(lambda identity: is_ada_async(identity))
    with pytest.raises(TypeError, match="async def"):
        stance.test(lambda function: function)(ADMIN, None)


def test_a_builtin_may_be_a_predicate():
    assert decides(allow({ADMIN.name: True}.__contains__), ADMIN.name) is True
    assert decides(allow(callable), ADMIN) is False


def test_role_sets_tell_the_alternatives():
    a, b, c = (frozenset(name) for name in "abc")
    assert public.role_sets() == (frozenset(),)
    assert roles("a", "b").role_sets() == (a, b)
    assert (roles("a") & roles("b", "c")).role_sets() == (a | b, a | c)
    assert (roles("a") | roles("a", "b")).role_sets() == (a, b)
    assert (roles("a") & allow(is_ada)).role_sets() == (a,)


def test_role_sets_do_not_explode():
    many = [roles(*(f"{letter}{n}" for n in range(9))) for letter in "abcdefgh"]
    assert functools.reduce(lambda x, y: x & y, many).role_sets() == (frozenset(),)
    assert functools.reduce(lambda x, y: x | y, many).role_sets() == (frozenset(),)


def test_a_mapping_is_a_stance_for_each_method():
    stance = stance_of({"get": public, "POST": roles("a")}, "it", authenticated)
    assert stance.for_method("GET") == public
    assert stance.for_method("HEAD") == public
    assert stance.for_method("POST") == roles("a")
    assert stance.for_method("PUT") == authenticated
    assert stance_of({"HEAD": public}, "it").for_method("GET") is None
    with pytest.raises(TypeError, match="each method"):
        stance & public
    with pytest.raises(TypeError, match="each method"):
        stance | public


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("admin", "'admin', which is no stance"),
        (True, "no stance"),
        ({}, "no stance"),
        (roles, r"Call it: roles\(\.\.\.\)"),
        (allow, r"Call it: allow\(\.\.\.\)"),
        ({"GTE": public}, "GTE, no HTTP method"),
        ({"GET": "admin"}, "the orders, GET is 'admin'"),
    ],
)
def test_what_is_no_stance_is_refused_with_the_way_out(value, words):
    with pytest.raises(SetupError, match=words):
        stance_of(value, "the orders")
