"""One field of a form: what an annotation says about widget, words, reading and writing.

| annotation | widget |
|---|---|
| `str`; with a newline in it, or `Multiline` | one line; several |
| `int`, `float`, `Decimal`, `UUID`, others that are one text | one line |
| `bool`; `bool | None` | a check box; yes, no or nothing |
| `date`, `datetime`, `time` | the browser's own |
| `Enum`, `Literal` | a list to choose one from |
| `list[Literal[...]]`, `list[SomeEnum]` | check boxes |
| `list[str]`, `list[int]`, ... | one value a line |
| `Upload`, `list[Upload]` | a file, files |
| `Secret` | typed unseen, and never shown again |

Bounds, lengths and patterns are those of `Annotated`: `msgspec.Meta`, annotated-types.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time
from enum import Enum
from functools import cached_property
from typing import Annotated, Any

import msgspec
from werkzeug.exceptions import RequestEntityTooLarge

from ..api.inputs.uploads import Upload, upload_of
from ..api.kinds import bare, codec_of, is_scalar, members_of
from ..api.kinds.checks import limits_of
from ..api.kinds.shapes import list_in, union_of, without_marks
from ..api.kinds.text import words_of
from ..api.marks import Accepts
from ..api.model import NO_DEFAULT, Flaw, Rejected
from ..scaffold import SetupError
from ..settings.model import Secret


class Multiline(msgspec.Struct, frozen=True):
    """A mark: the text has several lines. `Annotated[str, Multiline()]`, or `Text`."""

    rows: int = 6


#: Text of several lines.
Text = Annotated[str, Multiline()]

_KINDS: dict[Any, str] = {
    bool: "check",
    int: "integer",
    float: "number",
    date: "date",
    datetime: "datetime",
    time: "time",
}
_INPUTS = {"integer": ("inputmode", "numeric"), "number": ("inputmode", "decimal")}
#: What an `<input type="datetime-local">`, `date` or `time` can hold (HTML, 2.3.5).
_TIMES = {
    "date": re.compile(r"(\d{4}-\d\d-\d\d)?").fullmatch,
    "datetime": re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?)?").fullmatch,
    "time": re.compile(r"(\d\d:\d\d(:\d\d(\.\d{1,3})?)?)?").fullmatch,
}
_without_seconds = re.compile(r"((?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d)(Z|[+-]\d\d:\d\d)?").fullmatch
_YES, _NO = "true", "false"
_NO_FILE = Flaw((), "a file, sent by the form of the page", "something else")


def field_of(
    name: str,
    annotation: Any,
    default: Any = NO_DEFAULT,
    *,
    where: str = "",
    label: str = "",
    help: str = "",
    is_required: bool | None = None,
) -> Field:
    """The field for an annotation; SetupError, beginning with `where`, for one without a field."""
    where = where or f"The field {name!r}"
    inner, marks = without_marks(annotation, (Multiline, Accepts))
    try:
        field = Field(name, inner, default, marks)
    except TypeError as error:
        raise SetupError(f"{where}: {error}. A field holds one value, or a list of them.") from None
    metadata = bare(annotation)[1]
    metas = [mark for mark in metadata if isinstance(mark, msgspec.Meta)]
    field.label = label or next((m.title for m in metas if m.title), None) or label_of(name)
    told = [m.description for m in metas if m.description]
    told += [mark.documentation for mark in metadata if hasattr(mark, "documentation")]
    field.help = help or (told[-1] if told else "")
    if is_required is not None:
        field.is_required = is_required
    return field


def label_of(name: str) -> str:
    """`created_at` as people write it: "Created at"."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:] if text else name


class Field:
    """A field; made by `field_of`."""

    label = ""
    help = ""
    #: Whether the page says of a field that may stay empty that it may.
    tells_optional = True

    def __init__(self, name: str, annotation: Any, default: Any, marks: list[Any]) -> None:
        self.name = name
        self.default = default
        members = members_of(annotation)
        others = [part for part in members if bare(part)[0] is not types.NoneType]
        self.is_optional = len(others) < len(members)
        #: The annotation without None; marks outside of the union hold for what is left.
        outer = bare(annotation)[1] if self.is_optional else ()
        self.type: Any = union_of(others) if self.is_optional else annotation
        if outer:
            self.type = Annotated[self.type, *outer]
        self._inner = bare(self.type)[0]
        self._accepts = next((m for m in marks if isinstance(m, Accepts)), None)
        self._multiline = next((m for m in marks if isinstance(m, Multiline)), None)
        self.is_secret = self._inner is Secret
        if self.is_secret:
            self.type = Annotated[str, *bare(self.type)[1]] if bare(self.type)[1] else str
        self._listed = list_in(self.type)
        self.kind = self._kind()
        #: Whether something has to be typed: empty text is a value only where it is the default.
        self.is_required = default is NO_DEFAULT and not self.is_optional
        if self.kind in ("check", "choices", "lines"):
            self.is_required = False  # nothing chosen is a value, unless a length forbids it
        if self.kind != "file":
            self._from_text: Callable[[list[str]], Any] = codec_of(self.type).from_text

    def _kind(self) -> str:
        if self._is_upload:
            return "file"
        if self.is_secret:
            return "secret"
        if self._listed is not None:
            parts = [part for part in typing.get_args(self._listed) if part is not ...]
            return "choices" if len(parts) == 1 and _choices(parts[0]) else "lines"
        if not is_scalar(self.type):
            raise TypeError(f"{_shown(self.type)} is no text, number, date, choice, file or secret")
        if _choices(self.type):
            return "choice"
        if self._multiline is not None:
            return "multiline"
        kind = _KINDS.get(self._inner, "text")
        if kind == "check" and self.is_optional:
            return "choice"
        return "number" if getattr(self._inner, "__name__", "") == "Decimal" else kind

    @cached_property
    def _is_upload(self) -> bool:
        inner = self._inner
        parts = typing.get_args(inner) if typing.get_origin(inner) is list else (inner,)
        return len(parts) == 1 and bare(parts[0])[0] is Upload

    @property
    def is_several(self) -> bool:
        """Whether the value is a list."""
        return self._listed is not None or typing.get_origin(self._inner) is list

    @property
    def expected(self) -> str:
        """What a value is, in words: "an integer of at least 1"."""
        return "a file" if self.kind == "file" else plain_words(words_of(self.type))

    @cached_property
    def hint(self) -> str:
        """What is worth telling before anything is wrong: limits, and forms of writing."""
        if self.kind == "file":
            accepts = self._accepts
            said = list(accepts.types) if accepts else []
            size = f"at most {accepts.max_bytes:,} bytes" if accepts and accepts.max_bytes else ""
            return _sentence(", ".join(part for part in (" or ".join(said), size) if part))
        words = self.expected
        if self.kind == "lines":
            return _sentence(words.replace("one value or more, each", "one a line, each"))
        has_limits = bool(limits_of(bare(self.type)[1]))
        is_odd = self._inner not in (*_KINDS, str) and self.kind == "text"
        return _sentence(words) if has_limits or is_odd else ""

    @cached_property
    def options(self) -> list[tuple[str, str]]:
        """Texts and labels of what can be chosen; with an empty one where nothing may be."""
        type = self.type
        if self.kind == "choices":
            return _choices(typing.get_args(self._listed)[0])
        if self.kind != "choice":
            return []
        found = [(_YES, "Yes"), (_NO, "No")] if self._inner is bool else _choices(type)
        if any(text == "" for text, _ in found):
            return found
        # Without an empty one the first would be chosen by whoever overlooks the field.
        return [("", "none" if self.is_optional else "choose"), *found]

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Further attributes of the widget."""
        limits = limits_of(bare(self.type)[1])
        found = {}
        if self.kind in ("text", "multiline", "secret") and "max_length" in limits:
            # Not more than may be sent; one that is too long is refused with words, not cut.
            found["data-longest"] = str(limits["max_length"])
        if self.kind in _INPUTS:
            name, value = _INPUTS[self.kind]
            found[name] = value
        if self.kind == "multiline" and self._multiline is not None:
            found["rows"] = str(self._multiline.rows)
        if self.kind == "file" and self._accepts and self._accepts.types:
            found["accept"] = ",".join(self._accepts.types)
        return found

    def kind_for(self, text: str) -> str:
        """The widget for a text: another one where the usual one would lose some of it."""
        if self.kind in _TIMES and not _TIMES[self.kind](text):
            return "text"
        if self.kind in ("text", "integer", "number") and "\n" in text:
            return "multiline"
        return self.kind

    # Reading

    def read_form(self, texts: list[str]) -> Any:
        """A value of what a page's form sent; Rejected for what is none."""
        if self.kind == "check":
            return bool(texts) and texts[-1] != _NO
        if self.kind == "lines":
            lines = [line.strip() for text in texts for line in text.splitlines()]
            return self._several([line for line in lines if line])
        if self.kind == "choices":
            return self._several([text for text in texts if text])
        text = texts[-1] if texts else ""
        if not text:
            return self._nothing()
        return self.read_texts([text])

    def read_texts(self, texts: list[str]) -> Any:
        """A value of texts as `dump` writes them."""
        if self.kind == "file":
            raise Rejected([_NO_FILE])
        if self.is_several:
            return self._several(texts)
        if self.is_optional and texts in ([], [""]):
            return None
        texts = [_line_ends(texts[-1])] if texts else [""]
        if self.kind not in ("text", "multiline", "secret", "choice"):
            texts = [with_seconds(texts[0].strip())]
        value = self._from_text(texts)
        return Secret(value) if self.is_secret else value

    def read_builtins(self, value: Any) -> Any:
        """A value out of JSON."""
        if value is None:
            if self.is_optional:
                return None
            raise Rejected([Flaw((), self.expected, "null")])
        if self.kind == "file":
            raise Rejected([_NO_FILE])
        value = codec_of(self.type).from_builtins(value, lax=isinstance(value, str))
        return Secret(value) if self.is_secret else value

    def read_files(self, parts: list[Any]) -> Any:
        """The files that a form's parts are."""
        is_list = typing.get_origin(self._inner) is list
        if not parts:
            if is_list and not self.is_required:
                return []
            return self._nothing()
        try:
            found = [upload_of(part, self._accepts) for part in parts]
        except RequestEntityTooLarge:
            most = self._accepts.max_bytes if self._accepts else None
            raise Rejected(
                [Flaw((), f"a file of at most {most:,} bytes", "a longer one")]
            ) from None
        return found if is_list else found[-1]

    def _several(self, texts: list[str]) -> Any:
        if not texts and not self.is_required and self.default is None:
            return None
        return self._from_text(texts)

    def _nothing(self) -> Any:
        """The value of a field that was left empty."""
        if self.is_optional:
            return None
        is_text = self.kind in ("text", "multiline") and self._inner is str
        if is_text and not self.is_required:
            return self._from_text([""])
        if self.kind == "choice" and any(
            text == "" and label != "choose" for text, label in self.options
        ):
            return self._from_text([""])
        raise Rejected([Flaw((), self.expected, "nothing")])

    # Writing

    def dump(self, value: Any) -> list[str]:
        """The texts of a value, as a form holds them; none for no value, and for a secret."""
        if value is NO_DEFAULT or value is None or self.is_secret or self.kind == "file":
            return []
        if self.is_several:
            return [_text_of(each) for each in value]
        if self.kind == "check":
            return ["on"] if value else [_NO]
        return [_text_of(value)]


def _text_of(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return _YES if value else _NO
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    return str(msgspec.to_builtins(value))


def _choices(type: Any) -> list[tuple[str, str]]:
    """Texts and labels of a Literal's values or an Enum's members; none for other types."""
    members = members_of(type)
    found: list[tuple[str, str]] = []
    for member in members:
        inner = bare(member)[0]
        if typing.get_origin(inner) is typing.Literal:
            values = [value for value in typing.get_args(inner) if value is not None]
            found += [(_text_of(value), str(_text_of(value))) for value in values]
        elif isinstance(inner, builtin_type) and issubclass(inner, Enum):
            found += [(_text_of(each), _name_of(each)) for each in inner]
        else:
            return []
    texts = [text for text, _ in found]
    twice = {text for text in texts if texts.count(text) > 1}
    if twice:
        raise TypeError(f"{_shown(type)} has two values that are written {sorted(twice)[0]!r}")
    return found


builtin_type = type


def _name_of(member: Enum) -> str:
    return label_of(member.value if isinstance(member.value, str) else member.name.lower())


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n")


def with_seconds(text: str) -> str:
    """A time as RFC 3339 has it: browsers, and people, leave out seconds that are zero."""
    found = _without_seconds(text)
    return f"{found[1]}:00{found[2] or ''}" if found else text


#: Examples in place of the standards' names, which few people know by heart.
_EXAMPLES = {
    "a date (RFC 3339)": "a date such as 2026-11-23",
    "a date and time (RFC 3339)": "a date and time such as 2026-11-23T08:30",
    "a time of day (RFC 3339)": "a time of day such as 08:30",
    "a duration (ISO 8601)": "a duration such as PT1H30M",
}


def plain_words(words: str) -> str:
    """What was expected, for people."""
    for formal, example in _EXAMPLES.items():
        words = words.replace(formal, example)
    return words


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _shown(type: Any) -> str:
    return getattr(type, "__name__", None) or repr(type)
