"""Which return annotations describe an answer, and which keep Flask's meaning."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterable, Iterator
from types import NoneType
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar

import msgspec
import pytest

from hipflask import Response
from hipflask.api.marks import conditional, exclude_unset, status
from hipflask.api.model import Output
from hipflask.api.signatures.returning import output_of

T = TypeVar("T")


class Item(msgspec.Struct):
    price: int


class Other(msgspec.Struct, tag=True):
    price: int


class Paged(msgspec.Struct, Generic[T]):
    items: list[T]


class Paper(TypedDict):
    title: str


@pytest.mark.parametrize(
    "hint",
    [
        str,
        bytes,
        dict,
        list,
        list[int],
        dict[str, Any],
        dict[str, str],
        Response,
        NoneType,
        Any,
        int,
        tuple[str, int],
        tuple[str, int, dict[str, str]],
        Iterator[str],
        Generator[bytes, None, None],
        Response | str,
        Response | tuple[str, int],
        str | None,
        Annotated[str, "note"],
        Literal["a"],
    ],
)
def test_annotations_that_keep_flasks_meaning(hint: Any) -> None:
    assert output_of(hint) is None


@pytest.mark.parametrize(
    ("hint", "type"),
    [
        (Item, Item),
        (Paper, Paper),
        (list[Item], list[Item]),
        (dict[str, Item], dict[str, Item]),
        (Item | None, Item | None),
        (Item | str, Item | str),
        (Paged[Item], Paged[Item]),
        (Item | Response, Item),
        (Response | list[Item] | None, list[Item] | None),
        (tuple[Item, int], Item),
        (tuple[list[Item], Literal[201]], list[Item]),
        (tuple[Item, dict[str, str]], Item),
        (tuple[Item, int, dict[str, str]], Item),
        (tuple[Item, int] | Response, Item),
        (tuple[Item, int] | Item | None, Item | None),
        (tuple[Item, ...], tuple[Item, ...]),
        (tuple[Item, Item], tuple[Item, Item]),
        (Awaitable[Item], Item),
    ],
)
def test_records_are_answers(hint: Any, type: Any) -> None:
    assert output_of(hint) == Output(type)


@pytest.mark.parametrize(
    "hint",
    [
        Iterator[Item],
        Iterable[Item],
        AsyncIterator[Item],
        Generator[Item, None, None],
        AsyncGenerator[Item, None],
    ],
)
def test_iterators_of_records_are_lines(hint: Any) -> None:
    assert output_of(hint) == Output(Item, is_lines=True)


@pytest.mark.parametrize(
    ("hint", "output"),
    [
        (Annotated[Item, status(201)], Output(Item, status=201)),
        (Annotated[None, status(204)], Output(NoneType, status=204)),
        (Annotated[str, status(200)], Output(str)),
        (Annotated[dict[str, Any], status(202)], Output(dict[str, Any], status=202)),
        (
            Annotated[Item, exclude_unset, conditional],
            Output(Item, exclude_unset=True, conditional=True),
        ),
        (Annotated[Item, status(201)] | Response, Output(Item, status=201)),
        (tuple[Annotated[Item, status(201)], int], Output(Item, status=201)),
        (Annotated[Iterator[int], status(200)], Output(int, is_lines=True)),
        (Annotated[Annotated[Item, status(201)], status(202)], Output(Item, status=202)),
        (Annotated[Item, "kept", status(201)], Output(Annotated[Item, "kept"], status=201)),
    ],
)
def test_marks_of_an_answer(hint: Any, output: Output) -> None:
    assert output_of(hint) == output
