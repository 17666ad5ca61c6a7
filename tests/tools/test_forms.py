"""Typed forms: a value shown in a form and sent by a browser is the same value again."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import FileStorage, MultiDict

from hipflask.look import Look
from hipflask.scaffold import SetupError
from hipflask.tools import Accepts, Multiline, Secret, Text, Upload, form_of
from hipflask.tools.fields import field_of
from hipflask.tools.forms import Form

TEMPLATES = Path(__file__).parents[2] / "src/hipflask/tools/templates"
LOOK = Look("none", TEMPLATES)


class Colour(Enum):
    RED = "red"
    DEEP_BLUE = "deep blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 10


# What HTML can hold: no NUL, no lone surrogate, and no CR, which becomes LF.
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")
texts = st.text(letters, min_size=1)
zones = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]
)
floats = st.floats(allow_nan=False, allow_infinity=False)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None)

KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "str": (str, texts),
    "multi-line": (Text, texts),
    "int": (int, st.integers()),
    "float": (float, floats),
    "Decimal": (Decimal, decimals),
    "bool": (bool, st.booleans()),
    "optional bool": (bool | None, st.none() | st.booleans()),
    "date": (date, st.dates()),
    "datetime": (datetime, st.datetimes() | st.datetimes(timezones=zones)),
    "time": (time, st.times()),
    "Enum": (Colour, st.sampled_from(Colour)),
    "IntEnum": (Size, st.sampled_from(Size)),
    "Literal": (Literal["a", "<b>", 3], st.sampled_from(["a", "<b>", 3])),
    "choices": (
        list[Colour],
        st.sets(st.sampled_from(Colour)).map(
            lambda found: [each for each in Colour if each in found]
        ),
    ),
    "set": (set[Literal["x", "y"]], st.sets(st.sampled_from(["x", "y"]))),
    "list": (list[int], st.lists(st.integers())),
    "optional": (int | None, st.none() | st.integers()),
    "optional text": (str | None, st.none() | texts),
    "bounds": (Annotated[Decimal, msgspec.Meta(gt=0, le=500)], st.decimals(1, 500, places=2)),
    "length": (
        Annotated[str, msgspec.Meta(min_length=2, max_length=9)],
        st.text(letters, min_size=2, max_size=9),
    ),
    "pattern": (Annotated[str, msgspec.Meta(pattern="^[a-z]+$")], st.text("abc", min_size=1)),
    "UUID": (UUID, st.uuids()),
    "duration": (timedelta, st.timedeltas(timedelta(0), timedelta(days=1000))),
}


class Browser(HTMLParser):
    """What a browser would send of a form's widgets, with nothing touched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self._area: str | None = None
        self._select: str | None = None
        self._text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        if tag == "textarea":
            self._area, self._text = found["name"], ""
        elif tag == "select":
            self._select = found["name"]
        elif tag == "option" and "selected" in found:
            self.sent.append((str(self._select), found["value"]))
        elif tag == "input" and found["type"] == "checkbox":
            if "checked" in found:
                self.sent.append((found["name"], found["value"]))
        elif tag == "input" and found["type"] != "file":
            value = found.get("value", "")
            # A one-line field loses line ends, and one of a kind what is not of that kind.
            assert "\n" not in value
            self.sent.append((found["name"], value))

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.sent.append((str(self._area), self._text.removeprefix("\n").replace("\n", "\r\n")))
            self._area = None


def shown(form: Form, filled: Any) -> str:
    template = LOOK.environment.from_string(
        '{% from "parts.html" import field, errors %}{{ errors(filled) }}'
        "{% for each in filled.shown %}{{ field(each) }}{% endfor %}"
    )
    return str(template.render(filled=filled))


def sent(form: Form, filled: Any) -> MultiDict[str, str]:
    return MultiDict(Browser(shown(form, filled)).sent)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_comes_back(kind: str) -> None:
    annotation, values = KINDS[kind]
    form = Form([field_of("each", annotation)])

    @given(values)
    def comes_back(value: Any) -> None:
        again = form.read(sent(form, form.blank({"each": value})))
        assert again.errors == {}
        assert again.values == {"each": value}
        assert type(again.values["each"]) is type(value)
        # As a run keeps it, too.
        kept = form.read_texts(form.dump({"each": value}))
        assert kept.values == {"each": value}

    comes_back()


@pytest.mark.parametrize(
    ("annotation", "typed", "said"),
    [
        (int, "many", "an integer"),
        (Annotated[int, msgspec.Meta(ge=1)], "0", "at least 1"),
        (float, "nan", "a number"),
        (Decimal, "1,5", "a decimal number"),
        (date, "31.12.2026", "such as 2026-11-23"),
        (datetime, "now", "such as 2026-11-23T08:30"),
        (time, "noon", "such as 08:30"),
        (UUID, "me", "a UUID"),
        (Colour, "green", "one of"),
        (Literal["a", "b"], "c", "one of"),
        (list[int], "1\n<i>", "an integer"),
        (Annotated[str, msgspec.Meta(max_length=3)], "long<er>", "at most 3"),
        (int, "", "Enter an integer"),
        (str, "", "Enter text"),
        (bool | None, "perhaps", "true or false"),
    ],
    ids=lambda each: getattr(each, "__name__", None) or repr(each),
)
def test_bad_input_is_kept_and_told(annotation: Any, typed: str, said: str) -> None:
    form = Form([field_of("each", annotation)])
    filled = form.read(MultiDict({"v.each": typed}))
    assert said in filled.errors["each"]
    page = shown(form, filled)
    assert "field-0-error" in page
    assert 'aria-invalid="true"' in page or "<fieldset" in page
    assert 'href="#field-0"' in page
    assert "<i>" not in page
    if annotation is not Colour and typed:
        assert Browser(page).sent[0][1].replace("\r\n", "\n") == typed


def refund(
    run: object,
    row: object,
    amount: Annotated[Decimal, msgspec.Meta(gt=0, title="How much", description="In EUR.")],
    receipt: Annotated[Upload, Accepts("image/png", max_bytes=10)] | None = None,
    key: Secret | None = None,
    note: Annotated[str, Multiline(3)] = "thanks",
    more: list[Upload] = [],  # noqa: B006 (a default to look at)
) -> None: ...


def test_a_function_is_a_form() -> None:
    form = form_of(refund, leave_out=("run", "row"))
    assert [field.name for field in form.fields] == ["amount", "receipt", "key", "note", "more"]
    assert form.fields[0].label == "How much"
    assert form.has_files
    assert form.secrets == ("key",)
    page = shown(form, form.blank())
    assert "In EUR." in page
    assert ">\nthanks</textarea>" in page
    assert 'accept="image/png"' in page
    filled = form.read(MultiDict({"v.amount": "3", "v.key": "hunter2", "v.note": ""}), MultiDict())
    assert filled.errors == {}
    assert filled.values["note"] == ""
    assert filled.values["receipt"] is None
    assert filled.values["key"].reveal() == "hunter2"
    assert "hunter2" not in shown(form, filled)
    assert "key" not in form.dump(filled.values)


def _file(data: bytes, name: str = "a.png", kind: str = "image/png") -> FileStorage:
    return FileStorage(io.BytesIO(data), name, content_type=kind)


def test_files_are_read_and_refused() -> None:
    form = form_of(refund, leave_out=("run", "row"))

    def read(*parts: tuple[str, FileStorage]) -> Any:
        return form.read(MultiDict({"v.amount": "1"}), MultiDict(parts))

    good = read(("v.receipt", _file(b"png")), ("v.more", _file(b"1")), ("v.more", _file(b"2")))
    assert good.values["receipt"].read() == b"png"
    assert [each.read() for each in good.values["more"]] == [b"1", b"2"]
    assert "at most 10 bytes" in read(("v.receipt", _file(b"x" * 11))).errors["receipt"]
    assert "image/png" in read(("v.receipt", _file(b"x", "a.txt", "text/plain"))).errors["receipt"]


def test_json_is_read_as_strictly() -> None:
    form = form_of(refund, leave_out=("run", "row"))
    good = form.read_builtins({"amount": "3.50", "key": "k"})
    assert good.values["amount"] == Decimal("3.50")
    assert good.values["note"] == "thanks"
    bad = form.read_builtins({"note": 3, "extra": 1})
    assert set(bad.errors) == {"amount", "note", "extra"}


def _no_annotation(value): ...  # type: ignore[no-untyped-def]
def _record(value: dict[str, int]) -> None: ...
def _many(*values: int) -> None: ...
def _unknown(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_no_annotation, "has no annotation"),
        (_record, "is no text, number, date"),
        (_many, "takes any number of values"),
        (_unknown, "cannot be resolved"),
    ],
    ids=["none", "record", "many", "unknown"],
)
def test_what_no_field_can_fill_is_told(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(SetupError, match=said) as caught:
        form_of(function)
    assert "test_forms.py" in str(caught.value)


def test_two_choices_of_one_text_are_refused() -> None:
    with pytest.raises(SetupError, match="two values that are written '1'"):
        field_of("each", Literal[1, "1"])


def test_infinity_is_no_number_of_a_form() -> None:
    form = Form([field_of("each", float)])
    assert form.read(sent(form, form.blank({"each": math.inf}))).errors
