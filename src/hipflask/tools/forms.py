"""Forms made of annotations: a function's parameters, or a table's columns, a field each.

    form = form_of(refund, leave_out=("run", "row"))
    filled = form.read(request.form, request.files)
    if filled.is_valid:
        refund(run, row, **filled.values)

What an annotation means is decided by the typed reader (`hipflask.api`), which also says in
words what would have been right; here it gets a widget, a label, and what was typed back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from werkzeug.datastructures import FileStorage

from ..api.model import NO_DEFAULT, Rejected
from ..api.signatures.layers import Layer
from ..scaffold import SetupError
from ..security.access import place_of
from .fields import Field, field_of, plain_words

#: What the names of fields begin with: a column may be named as a field of ours is.
PREFIX = "v."
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def form_of(function: Callable[..., Any], leave_out: Iterable[str] = ()) -> Form:
    """The form of a function's parameters, without those named in `leave_out`.

    Raises SetupError, with the function's file and line, for a parameter that no field can fill.
    """
    layer = Layer(function)
    skipped = frozenset(leave_out)
    fields = []
    for parameter in layer.parameters:
        if parameter.name in skipped:
            continue
        where = f"The parameter {parameter.name!r} of {place_of(function)}"
        if parameter.kind not in _NAMED:
            raise SetupError(f"{where} takes any number of values, or no name: a form has neither.")
        if parameter.annotation is inspect.Parameter.empty:
            raise SetupError(f"{where} has no annotation, so that no field can be made for it.")
        try:
            hint = layer.hint(parameter.name, parameter.annotation)
        except NameError as error:
            raise SetupError(
                f"{where} has an annotation that cannot be resolved: {error}."
            ) from None
        default = NO_DEFAULT if parameter.default is parameter.empty else parameter.default
        fields.append(field_of(parameter.name, hint, default, where=where))
    return Form(fields)


class Form:
    """Fields in their order, and how they are read."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self.fields: tuple[Field, ...] = tuple(fields)

    @property
    def has_files(self) -> bool:
        """Whether the page's form has to be multipart."""
        return bool(self.files)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of fields that files are sent in."""
        return tuple(field.name for field in self.fields if field.kind == "file")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of fields that are never kept, nor shown."""
        return tuple(field.name for field in self.fields if field.is_secret)

    def blank(self, values: Mapping[str, Any] | None = None) -> Filled:
        """The form before anybody typed: with `values` where given, else with the defaults."""
        given = values or {}
        texts = {
            field.name: field.dump(given.get(field.name, field.default)) for field in self.fields
        }
        return Filled(self, texts)

    def read(self, form: Any, files: Any = None) -> Filled:
        """What a page's form has sent: MultiDicts of texts and of files."""
        filled = Filled(self, {})
        for field in self.fields:
            name = PREFIX + field.name
            if field.kind == "file":
                parts = [part for part in files.getlist(name) if part.filename] if files else []
                filled._take(field, lambda field=field, parts=parts: field.read_files(parts))  # type: ignore[misc]
                continue
            texts = form.getlist(name)
            filled.texts[field.name] = [] if field.is_secret else texts
            filled._take(field, lambda field=field, texts=texts: field.read_form(texts))  # type: ignore[misc]
        return filled

    def read_texts(
        self, texts: Mapping[str, list[str]], files: Mapping[str, list[FileStorage]] | None = None
    ) -> Filled:
        """Values written as text, by the fields' names: of a command, or as `dump` gave them.

        What is left out gets its default. Names that are no field's are an error.
        """
        given: dict[str, Any] = {**texts, **(files or {})}

        def read(field: Field, value: Any) -> Any:
            is_sent = field.kind == "file" and files and field.name in files
            return field.read_files(value) if is_sent else field.read_texts(value)

        return self._read(given, read)

    def read_builtins(self, values: Mapping[str, Any]) -> Filled:
        """Values out of JSON, by the fields' names."""
        return self._read(values, lambda field, given: field.read_builtins(given))

    def dump(self, values: Mapping[str, Any]) -> dict[str, list[str]]:
        """Values as texts, which `read_texts` reads as equal ones; without secrets and files."""
        return {
            field.name: field.dump(values[field.name])
            for field in self.fields
            if field.name in values and not field.is_secret and field.kind != "file"
        }

    def _read(self, given: Mapping[str, Any], read: Callable[[Field, Any], Any]) -> Filled:
        filled = Filled(self, {})
        for field in self.fields:
            if field.name in given:
                value = given[field.name]
                filled._take(field, lambda field=field, value=value: read(field, value))  # type: ignore[misc]
            elif field.default is not NO_DEFAULT:
                filled.values[field.name] = field.default
            else:
                filled.errors[field.name] = f"Missing: {field.expected}."
        known = {field.name for field in self.fields}
        for name in given:
            if name not in known:
                filled.errors[str(name)[:80]] = "There is no parameter of this name."
        return filled


class Filled:
    """A form with what was typed: `values` where it could be read, `errors` by field where not."""

    def __init__(self, form: Form, texts: dict[str, list[str]]) -> None:
        self.form = form
        self.texts = texts
        self.values: dict[str, Any] = {}
        self.errors: dict[str, str] = {}

    @property
    def is_valid(self) -> bool:
        return not self.errors

    @property
    def shown(self) -> list[Shown]:
        """The fields as a page shows them."""
        return [
            Shown(field, number, self.texts.get(field.name, []), self.errors.get(field.name, ""))
            for number, field in enumerate(self.form.fields)
        ]

    def refuse(self, name: str, error: str) -> None:
        """Say that a value was no good, beyond what its annotation tells."""
        self.errors[name] = error

    def _take(self, field: Field, read: Callable[[], Any]) -> None:
        try:
            self.values[field.name] = read()
        except Rejected as rejected:
            self.errors[field.name] = "; ".join(_sentence(flaw) for flaw in rejected.flaws)


def _sentence(flaw: Any) -> str:
    where = "".join(f" {part + 1}" for part in flaw.location if isinstance(part, int))
    expected = plain_words(flaw.expected)
    if flaw.got in ("nothing", "empty text"):
        return f"Enter {expected}."
    return f"Value{where} must be {expected}."


class Option(msgspec.Struct, frozen=True):
    """One of several values to choose from."""

    text: str
    label: str
    is_chosen: bool


class Shown:
    """One field on a page: what its widget, its label and its messages are named and hold."""

    def __init__(self, field: Field, number: int, texts: list[str], error: str) -> None:
        self.field = field
        #: No name of anybody's goes into an id.
        self.id = f"field-{number}"
        self.name = PREFIX + field.name
        self.label = field.label
        self.help = field.help
        self.hint = field.hint
        self.error = error
        self.is_required = field.is_required
        self.is_optional = field.tells_optional and not field.is_required
        self.texts = [kept(text) for text in texts]

    @property
    def text(self) -> str:
        return self.texts[-1] if self.texts else ""

    @property
    def kind(self) -> str:
        """The widget, which has to be able to hold the text that is there."""
        return self.field.kind_for(self.text)

    @property
    def lines(self) -> str:
        """Several values, one a line."""
        return "\n".join(self.texts)

    @property
    def is_checked(self) -> bool:
        return self.text.lower() in ("on", "true", "1")

    @property
    def options(self) -> list[Option]:
        chosen = set(self.texts)
        found = [Option(text, label, text in chosen) for text, label in self.field.options]
        known = {option.text for option in found}
        # What was sent, or is stored, and is none of them: it is shown, and refused when changed.
        return found + [Option(text, text, True) for text in self.texts if text not in known]

    @property
    def attributes(self) -> dict[str, str]:
        """Further attributes of the widget."""
        return self.field.attributes

    @property
    def described_by(self) -> str:
        """The ids of what tells more about the field; "" where nothing does."""
        parts = (("error", self.error), ("help", self.help), ("hint", self.hint))
        return " ".join(f"{self.id}-{name}" for name, text in parts if text)


def kept(text: str) -> str:
    """The text as a browser keeps it in a form: LF ends a line, what cannot be sent is U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
