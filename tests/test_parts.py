"""Parts made when first asked for, on instances that get no `__dict__` for it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.wrappers import Response as WerkzeugResponse

from hipflask import Flask, Response, g, request, session
from hipflask.globals import request_ctx
from hipflask.parts import kept, lazy, set_aside


def has_dict(instance: Any, name: str) -> bool:
    """Whether CPython made the `__dict__` that an attribute is in; to ask for it would make it."""
    return any(type(held) is dict and name in held for held in gc.get_referents(instance))


class Thing:
    made = 0
    _name: str | None = None

    @lazy
    def part(self) -> int:
        self.made += 1
        return self.made

    @kept
    def name(self) -> str:
        self.made += 1
        return f"thing {self.made}"


@pytest.fixture
def thing() -> Iterator[Thing]:
    yield Thing()


def test_a_lazy_part_is_made_once(thing: Thing) -> None:
    assert (thing.part, thing.part) == (1, 1)
    thing.part = 7
    assert thing.part == 7
    assert isinstance(Thing.part, lazy)


def test_a_kept_part_tells_whether_it_was_made(thing: Thing) -> None:
    assert thing._name is None
    assert (thing.name, thing.name) == ("thing 1", "thing 1")
    assert thing._name == "thing 1"
    thing.name = "seven"
    assert (thing.name, thing._name) == ("seven", "seven")
    del thing.name
    assert thing.name == "thing 2"
    assert isinstance(Thing.name, kept)


def test_no_part_makes_a_dict(thing: Thing) -> None:
    assert thing.part
    assert thing.name
    assert not has_dict(thing, "part")
    assert vars(thing)
    assert has_dict(thing, "part")


def test_a_request_with_a_session_makes_no_dict() -> None:
    app = Flask(__name__)
    app.secret_key = "secret"
    seen: list[Any] = []

    @app.get("/<name>")
    def visit(name: str) -> Response:
        session["name"] = g.name = name + request.args["x"]
        response = app.make_response(name)
        response.headers["X-Name"] = name
        ctx = request_ctx._get_current_object()
        seen.extend(((ctx, "app"), (ctx.request, "args"), (response, "response")))
        return response

    assert app.test_client().get("/Ada?x=1").headers["X-Name"] == "Ada"
    assert [has_dict(instance, name) for instance, name in seen] == [False] * 3


def test_places_are_set_aside_for_attributes_that_come_late() -> None:
    class Known:
        first: Any

    class Unknown(Known):
        pass

    set_aside(Known, ("first", "second", "third"))
    for kind in (Known, Unknown):
        for _ in range(40):
            kind().first = 1
    late = [Known(), Unknown()]
    for each in late:
        each.first, each.second, each.third = 1, 2, 3  # type: ignore[attr-defined]
    assert [has_dict(each, "third") for each in late] == [False, True]


def test_nothing_of_the_class_is_called_to_set_places_aside() -> None:
    class Own:
        def __init__(self) -> None:
            raise AssertionError

        def __setattr__(self, name: str, value: Any) -> None:
            raise AssertionError

        @property
        def part(self) -> int:
            raise AssertionError

        @part.setter
        def part(self, value: int) -> None:
            raise AssertionError

    class Ended(Own):
        ended = 0

        def __del__(self) -> None:
            Ended.ended += 1

    set_aside(Own, ("part", "other"))
    set_aside(Ended, ("part", "other"))
    assert Ended.ended == 0


def test_a_response_of_werkzeugs_keeps_its_headers_and_what_is_called_at_its_end() -> None:
    closed: list[bool] = []
    theirs = WerkzeugResponse("text", headers={"X-Own": "1"})
    theirs.call_on_close(lambda: closed.append(True))
    ours = Response.force_type(theirs)
    assert type(ours) is Response
    assert ours.headers["X-Own"] == "1"
    ours.close()
    assert closed == [True]
