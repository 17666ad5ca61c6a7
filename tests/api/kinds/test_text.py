"""What text is read as which value, and that all other text is refused."""

# ruff: noqa: UP045 (both spellings of a union are tested)
from __future__ import annotations

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional

import pytest
from msgspec import Meta

from hipflask.api.kinds import codec_of
from hipflask.api.kinds.text import accepts_empty
from hipflask.api.model import Rejected

UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Lenient(enum.Enum):
    A = "a"

    @classmethod
    def _missing_(cls, value: object) -> Lenient | None:
        return cls.A if value == "A" else None


def flaws(type: Any, *texts: str) -> list[tuple[Any, str, str]]:
    with pytest.raises(Rejected) as caught:
        codec_of(type).from_text(list(texts))
    return [(flaw.location, flaw.expected, flaw.got) for flaw in caught.value.flaws]


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (str, "", ""),
        (str, " x ", " x "),
        (int, "1", 1),
        (int, "-1", -1),
        (int, "007", 7),
        (int, "9" * 4300, int("9" * 4300)),
        (UserId, "5", 5),
        (float, "1", 1.0),
        (float, "-1.5e2", -150.0),
        (bool, "true", True),
        (bool, "FALSE", False),
        (bool, "1", True),
        (bool, "0", False),
        (bool, "On", True),
        (bool, "off", False),
        (Decimal, "1.50", Decimal("1.50")),
        (Decimal, "+1.", Decimal(1)),
        (Decimal, ".5e1", Decimal(5)),
        (
            uuid.UUID,
            "12345678123456781234567812345678",
            uuid.UUID(int=0x12345678123456781234567812345678),
        ),
        (datetime.date, "2020-02-29", datetime.date(2020, 2, 29)),
        (
            datetime.datetime,
            "2020-01-01T00:00:00Z",
            datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        ),
        (datetime.time, "12:30:00", datetime.time(12, 30)),
        (datetime.timedelta, "PT1H", datetime.timedelta(hours=1)),
        (bytes, "aGk=", b"hi"),
        (Color, "red", Color.RED),
        (Level, "2", Level.HIGH),
        (Lenient, "A", Lenient.A),
        (Literal["a", 1, True], "a", "a"),
        (Literal["a", 1, True], "1", 1),
        (Literal["a", 1, True], "true", True),
        (Literal["1", 1], "1", "1"),
        (Optional[int], "1", 1),
        (Optional[str], "null", "null"),
        (Optional[str], "", ""),
        (int | str, "1", 1),
        (int | str, "1.5", "1.5"),
        (bool | int, "1", 1),
        (bool | int, "true", True),
        (datetime.date | str, "2020-01-01", datetime.date(2020, 1, 1)),
        (datetime.date | str, "soon", "soon"),
        (Color | int, "4", 4),
        (Annotated[int, Meta(ge=1)], "1", 1),
    ],
)
def test_text_is_read(type: Any, text: str, value: Any) -> None:
    read = codec_of(type).from_text([text])
    assert read == value
    assert read.__class__ is value.__class__


@pytest.mark.parametrize("type", [int, float, bool, Optional[int], uuid.UUID, Color, Level])
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " 1",
        "1 ",
        "1_0",
        "+1",
        "١",
        "1.",
        ".5",
        "0x1",
        "nan",
        "inf",
        "Infinity",
        "--1",
        "1e",
        "1\n",
        "null",
        "９",
    ],  # noqa: RUF001
)
def test_no_number_in_other_forms(type: Any, text: str) -> None:
    ((location, _, got),) = flaws(type, text)
    assert location == ()
    assert got in ("text", "other text", "empty text")


@pytest.mark.parametrize(
    ("type", "text", "expected", "got"),
    [
        (int, "1.0", "an integer", "text"),
        (int, "1e2", "an integer", "text"),
        (int, "1" * 4301, "an integer", "text"),
        (int, "", "an integer", "empty text"),
        (float, "1e999", "a number", "text"),
        (float, "1" * 4000, "a number", "text"),
        (Decimal, "", "a decimal number", "empty text"),
        (Decimal, " 1", "a decimal number", "text"),
        (Decimal, "1_0", "a decimal number", "text"),
        (Decimal, "١", "a decimal number", "text"),
        (Decimal, "NaN", "a decimal number", "text"),
        (Decimal, ".", "a decimal number", "text"),
        (Decimal, "1e9999", "a finite decimal number of at most 4300 digits", "another one"),
        (bool, "yes", "true or false", "text"),
        (Color, "green", 'one of "red", "blue"', "text"),
        (Lenient, "b", 'one of "a"'.replace("one of ", ""), "another value"),
        (Literal["a", 1, True], "TRUE", 'one of "a", 1, true', "text"),
        (bool | int, "x", "an integer or true or false", "other text"),
        (datetime.date, "2021-02-29", "a date (RFC 3339)", "other text"),
        (datetime.datetime, "1700000000", "a date and time (RFC 3339)", "other text"),
        (Annotated[int, Meta(ge=1)], "0", "an integer of at least 1", "a smaller one"),
        (Annotated[int | None, Meta(ge=1)], "0", "an integer of at least 1", "a smaller one"),
        (Annotated[str, Meta(min_length=1)], "", "text of length at least 1", "a shorter one"),
    ],
)
def test_other_text_is_refused(type: Any, text: str, expected: str, got: str) -> None:
    assert flaws(type, text) == [((), expected, got)]


def test_a_scalar_is_the_last_of_its_values() -> None:
    assert codec_of(int).from_text(["x", "2"]) == 2
    assert codec_of(str).from_text(["x", "y"]) == "y"


@pytest.mark.parametrize(
    ("type", "texts", "value"),
    [
        (list[int], ["1", "2"], [1, 2]),
        (list[str], [""], [""]),
        (set[Color], ["red", "red"], {Color.RED}),
        (frozenset[int], ["1"], frozenset({1})),
        (tuple[int, ...], ["1", "2"], (1, 2)),
        (tuple[int, str], ["1", "2"], (1, "2")),
        (list[int] | None, ["1"], [1]),
        (list[int | str], ["1", "a"], [1, "a"]),
        (list[datetime.date], ["2020-01-01"], [datetime.date(2020, 1, 1)]),
        (list[uuid.UUID], [str(uuid.UUID(int=1))], [uuid.UUID(int=1)]),
        (list[Decimal], ["1.5"], [Decimal("1.5")]),
        (list[bytes], ["aGk="], [b"hi"]),
        (list[datetime.timedelta], ["PT1S"], [datetime.timedelta(seconds=1)]),
        (list[Literal["a", 1]], ["a", "1"], ["a", 1]),
    ],
)
def test_a_list_takes_all_values(type: Any, texts: list[str], value: Any) -> None:
    assert codec_of(type).from_text(texts) == value


def test_every_wrong_value_of_a_list_is_told() -> None:
    assert flaws(list[int], "1", "x", "3", "") == [
        ((1,), "an integer", "text"),
        ((3,), "an integer", "empty text"),
    ]


def test_limits_of_the_list_and_of_its_values() -> None:
    both = Annotated[list[Annotated[int, Meta(ge=1)]], Meta(max_length=2)]
    assert flaws(both, "0") == [((0,), "an integer of at least 1", "a smaller one")]
    assert flaws(both, "1", "2", "3") == [((), "a list of length at most 2", "a longer one")]
    assert flaws(tuple[int, str], "1") == [((), "a list of length 2", "another length")]
    assert flaws(tuple[int, str], "1", "2", "3") == [((), "a list of length 2", "another length")]


@pytest.mark.parametrize("type", [dict[str, int], list[list[int]], object, complex])
def test_a_type_that_text_cannot_hold(type: Any) -> None:
    with pytest.raises(TypeError, match=r"is no scalar and no list of scalars"):
        codec_of(type).from_text  # noqa: B018


def test_where_empty_text_is_a_value() -> None:
    assert accepts_empty(str)
    assert accepts_empty(str | None)
    assert accepts_empty(Annotated[str, Meta(max_length=3)] | int)
    assert not accepts_empty(int | None)
    assert not accepts_empty(Color)
