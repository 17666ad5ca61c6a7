"""Views that are Flask's own kind are told from others without loading what those need."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from uuid import UUID

import pytest
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Response as WerkzeugResponse

from hipflask import Response, views
from hipflask.plain import converted_types, is_plain


class Own(BaseConverter):
    pass


def rule_of(text: str = "/<name>/<int:number>/<float:share>/<uuid:key>/<path:rest>") -> Rule:
    rule = Rule(text, endpoint="view")
    Map([rule], converters={"own": Own})
    return rule


def bare(name, number=1, **values): ...  # type: ignore[no-untyped-def]


def told(name: str, number: int, share: float, key: UUID, rest: str) -> str: ...


def anything(name: typing.Any, other: object = None) -> typing.Any: ...


def answers(name: str) -> dict | None: ...  # type: ignore[type-arg]


def pair(name: str) -> tuple[str, int] | Response: ...


def answers_of_werkzeug(name: str) -> WerkzeugResponse: ...  # type: ignore[empty-body]


def quoted(name: str) -> str | WerkzeugResponse: ...  # type: ignore[empty-body]


def pieces(name: str) -> typing.Iterator[str]: ...


def pieces_later(name: str) -> "collections.abc.AsyncIterator[bytes]": ...  # type: ignore[name-defined]  # noqa: F821, UP037


class Own_:
    class Response:
        """A class of the user's own."""


def own(name: str) -> str: ...


own.__annotations__["return"] = Own_.Response


def query(name: str, page: int = 1) -> str: ...


def converted(name: int) -> str: ...


def typed_answer(name: str) -> typing.Annotated[str, 201]: ...


def items(name: str) -> dict[str, UUID]: ...


def unknown(name: str, page: NotThere) -> str: ...  # type: ignore[name-defined]  # noqa: F821


class Page(views.MethodView):
    def get(self, name: str) -> str: ...


class TypedPage(views.MethodView):
    def get(self, name: str, page: int) -> str: ...


@functools.wraps(query)
def wrapped(*args: object, **values: object) -> object: ...


@pytest.mark.parametrize(
    "view",
    [
        bare, told, anything, answers, pair, pieces, pieces_later, Page.as_view("page"),
        answers_of_werkzeug, quoted, lambda: "",
    ],
)  # fmt: skip
def test_a_plain_view(view: Callable[..., typing.Any]) -> None:
    assert is_plain(view, rule_of())


@pytest.mark.parametrize(
    "view",
    [
        query, converted, typed_answer, unknown, wrapped, functools.partial(query, name="x"),
        TypedPage.as_view("page"), items, own,
    ],
)  # fmt: skip
def test_a_view_to_be_looked_at_closely(view: Callable[..., typing.Any]) -> None:
    assert not is_plain(view, rule_of())


def test_what_converters_give() -> None:
    assert converted_types(rule_of()) == {
        "name": str, "number": int, "share": float, "key": UUID, "rest": str,
    }  # fmt: skip
    assert converted_types(rule_of("/<own:thing>")) == {"thing": None}


def test_an_object_of_a_class_that_says_so_is_looked_at_closely() -> None:
    class Mark:
        __typed__ = True

        def __call__(self) -> str: ...

    def marked(number=Mark()): ...  # type: ignore[no-untyped-def]

    assert not is_plain(Mark(), rule_of())
    assert not is_plain(marked, rule_of())


def test_an_object_that_answers_to_every_name_is_none_of_those() -> None:
    class Anything:
        def __getattr__(self, name: str) -> bool:
            return True

    def view(found=Anything()): ...  # type: ignore[no-untyped-def]

    assert is_plain(view, rule_of())
