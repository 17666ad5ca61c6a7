"""Constraints of annotated-types, and those that msgspec has no test for."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from hipflask.api.kinds import codec_of
from hipflask.api.kinds.checks import checker_of, limits_of, translated
from hipflask.api.model import Rejected

at = pytest.importorskip("annotated_types")


def flaws(type: Any, data: bytes) -> list[tuple[Any, str, str]]:
    with pytest.raises(Rejected) as caught:
        codec_of(type).decode_json(data)
    return [(flaw.location, flaw.expected, flaw.got) for flaw in caught.value.flaws]


@pytest.mark.parametrize(
    ("type", "same"),
    [
        (Annotated[int, at.Ge(1)], Annotated[int, Meta(ge=1)]),
        (Annotated[int, at.Gt(1)], Annotated[int, Meta(gt=1)]),
        (Annotated[float, at.Le(1)], Annotated[float, Meta(le=1)]),
        (Annotated[float, at.Lt(1)], Annotated[float, Meta(lt=1)]),
        (Annotated[int, at.Interval(ge=1, le=3)], Annotated[int, Meta(ge=1, le=3)]),
        (Annotated[int, at.MultipleOf(2)], Annotated[int, Meta(multiple_of=2)]),
        (Annotated[str, at.MinLen(2)], Annotated[str, Meta(min_length=2)]),
        (Annotated[str, at.MaxLen(2)], Annotated[str, Meta(max_length=2)]),
        (
            Annotated[list[int], at.Len(1, 2)],
            Annotated[list[int], Meta(min_length=1, max_length=2)],
        ),
        (Annotated[str, re.compile("^a")], Annotated[str, Meta(pattern="^a")]),
        (Annotated[datetime.time, at.Timezone(...)], Annotated[datetime.time, Meta(tz=True)]),
        (Annotated[datetime.time, at.Timezone(None)], Annotated[datetime.time, Meta(tz=False)]),
        (list[Annotated[int, at.Ge(1)]], list[Annotated[int, Meta(ge=1)]]),
        (dict[str, Annotated[int, at.Ge(1)] | None], dict[str, Annotated[int, Meta(ge=1)] | None]),
        (tuple[Annotated[int, at.Ge(1)], ...], tuple[Annotated[int, Meta(ge=1)], ...]),
        (Annotated[int, "kept", at.Ge(1)], Annotated[int, "kept", Meta(ge=1)]),
        (Annotated[int, Meta(title="t"), at.Ge(1)], Annotated[int, Meta(title="t"), Meta(ge=1)]),
    ],
)
def test_marks_become_meta_where_msgspec_takes_them(type: Any, same: Any) -> None:
    assert translated(type) == same
    assert checker_of(translated(type)) is None


def test_types_without_foreign_marks_stay_as_they_are() -> None:
    for type in (int, list[int], Annotated[int, Meta(ge=1)], dict[str, Annotated[str, "note"]]):
        assert translated(type) is type


@pytest.mark.parametrize(
    ("type", "good", "bad", "expected", "got"),
    [
        (
            Annotated[Decimal, at.Ge(1)],
            b"1",
            b"0.5",
            "a decimal number of at least 1",
            "a smaller one",
        ),
        (
            Annotated[Decimal, at.Ge(0.1)],
            b'"0.1"',
            b"0",
            "a decimal number of at least 0.1",
            "a smaller one",
        ),
        (
            Annotated[Decimal, Meta(le=1)],
            b"1",
            b"2",
            "a decimal number of at most 1",
            "a greater one",
        ),
        (
            Annotated[Decimal, at.MultipleOf(0.05)],
            b"0.15",
            b"0.16",
            "a decimal number that is a multiple of 0.05",
            "another one",
        ),
        (
            Annotated[Decimal, at.Gt(1)] | None,
            b"null",
            b"1",
            "a decimal number above 1",
            "a smaller one",
        ),
        (
            Annotated[datetime.date, at.Lt(datetime.date(2020, 1, 1))],
            b'"2019-12-31"',
            b'"2020-01-01"',
            "a date (RFC 3339) below 2020-01-01",
            "a greater one",
        ),
        (
            Annotated[datetime.datetime, at.Ge(datetime.datetime(2020, 1, 1))],
            b'"2020-01-01T00:00:00"',
            b'"2021-01-01T00:00:00Z"',
            "a date and time (RFC 3339) of at least 2020-01-01 00:00:00",
            "a smaller one",
        ),
        (Annotated[int, at.Ge(1.5)], b"2", b"1", "an integer of at least 1.5", "a smaller one"),
        (
            Annotated[int, at.Gt(1), Meta(gt=3)],
            b"4",
            b"2",
            "an integer of at least 4",
            "a smaller one",
        ),
        (
            Annotated[int, at.Predicate(lambda v: v % 2)],
            b"1",
            b"2",
            "an integer that passes the test 'lambda'",
            "another one",
        ),
        (
            Annotated[str, at.Predicate(str.islower)],
            b'"a"',
            b'"A"',
            "text that passes the test 'islower'",
            "another one",
        ),
        (
            Annotated[int | None, at.Ge(2)],
            b"null",
            b"1",
            "an integer of at least 2",
            "a smaller one",
        ),
    ],
)
def test_what_msgspec_cannot_test(
    type: Any, good: bytes, bad: bytes, expected: str, got: str
) -> None:
    codec_of(type).decode_json(good)
    assert flaws(type, bad) == [((), expected, got)]


class Leaf(Struct):
    n: Annotated[int, at.Ge(5)]
    kids: list[Leaf] = []
    by_name: dict[Annotated[str, at.MaxLen(2)], Annotated[int, at.Lt(3)]] = {}
    name: Annotated[str, at.MinLen(2)] | None = None
    late: Annotated[int, at.Gt(0)] | UnsetType = UNSET
    both: tuple[int, Annotated[int, at.MultipleOf(2)]] = (0, 0)


def test_marks_in_fields_of_a_class_hold_and_all_flaws_are_told() -> None:
    assert codec_of(Leaf).decode_json(b'{"n":5,"kids":[{"n":6}]}') == Leaf(5, [Leaf(6)])
    data = (
        b'{"n":5,"kids":[{"n":1},{"n":5,"kids":[{"n":2}]}],"by_name":{"abc":9},'
        b'"name":"x","late":0,"both":[1,3]}'
    )
    assert flaws(Leaf, data) == [
        (("kids", 0, "n"), "an integer of at least 5", "a smaller one"),
        (("kids", 1, "kids", 0, "n"), "an integer of at least 5", "a smaller one"),
        (("by_name", "*"), "text of length at most 2", "a longer one"),
        (("by_name", "*"), "an integer below 3", "a greater one"),
        (("name",), "text of length at least 2", "a shorter one"),
        (("late",), "an integer above 0", "a smaller one"),
        (("both", 1), "an integer that is a multiple of 2", "another one"),
    ]


class Record(TypedDict):
    n: Annotated[int, at.Ge(1)]
    m: NotRequired[Annotated[int, at.Ge(1)]]


@dataclasses.dataclass
class Data:
    s: Annotated[str, re.compile("^a")]
    t: Annotated[datetime.time, at.Timezone(...)] = datetime.time(tzinfo=datetime.UTC)


class Tuple(NamedTuple):
    n: Annotated[int, at.Ge(1)] = 1


@pytest.mark.parametrize(
    ("type", "data", "location"),
    [
        (Record, b'{"n":0}', ("n",)),
        (Record, b'{"n":1,"m":0}', ("m",)),
        (Data, b'{"s":"b"}', ("s",)),
        (Data, b'{"s":"a","t":"00:00:00"}', ("t",)),
        (list[Tuple], b"[[0]]", (0, "n")),
        (Mapping[str, Record], b'{"x":{"n":0}}', ("*", "n")),
        (Leaf | int, b'{"n":1}', ("n",)),
    ],
)
def test_marks_in_every_kind_of_record(type: Any, data: bytes, location: Any) -> None:
    assert [flaw[0] for flaw in flaws(type, data)] == [location]


def test_checks_hold_for_msgpack_builtins_and_text_as_well() -> None:
    codec = codec_of(Annotated[Decimal, at.Ge(1)])
    for read in (
        lambda: codec.decode_msgpack(b"\xa10"),
        lambda: codec.from_builtins("0"),
        lambda: codec.from_text(["0"]),
    ):
        with pytest.raises(Rejected, match="a decimal number of at least 1"):
            read()


def test_limits_of_gathers_all_of_them() -> None:
    assert limits_of((Meta(ge=1), at.Lt(5), at.Len(2, 3), re.compile("x"), "note")) == {
        "ge": 1,
        "lt": 5,
        "min_length": 2,
        "max_length": 3,
        "pattern": "x",
    }
    moved = translated(Annotated[Decimal, Meta(ge=1, title="price")])
    assert limits_of(moved.__metadata__) == {"ge": 1}
    assert moved.__metadata__[0].title == "price"
