"""A view's annotations -> `Signature`: each parameter's place, and what the answer is.

    signature_of(view, url_variables=["order_id"])

What an annotation means is decided here, once, when the application is sealed; all that is
wrong with it is a SetupError with the view's file and line and the way out.

The place of a parameter, the first that fits: what a mark says (`Query[...]`, `Provide(...)`,
`Supplied[...]`); a variable of the URL; `Request`, `WebSocket`, `Identity`, `BodyStream` and
`Upload`, known by their type; a record, or a list, dict or union of records: the body; a
scalar or a list of scalars: the query. Parameters without annotation are left alone.

Flask's views often name types that are imported for type checkers alone. Where such a name is
all that a view's annotations say, of its answer or of the URL's variables, the view is Flask's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from inspect import Parameter
from typing import Any, NoReturn

import msgspec

from ...scaffold import SetupError
from ..kinds import codec_of
from ..kinds.shapes import (
    fields_of,
    is_scalar,
    is_scalar_list,
    is_structured,
    without_marks,
)
from ..marks import Accepts, In, Name, Place, Provided
from ..model import NO_DEFAULT, Input, Output, Signature
from .layers import (
    Layer,
    every_layer,
    hidden_in,
    is_for_checkers,
    layers_of,
    name_of,
    place_of,
)
from .places import is_record, known_place, last, record_in, shown
from .providing import given_by, mismatch
from .returning import output_of

_MARKS = (In, Name, Accepts, Provided)
_SPREAD = (Place.QUERY, Place.HEADER, Place.COOKIE, Place.FORM)


def function_of(view: Callable[..., Any], method: str | None = None) -> Callable[..., Any]:
    """Return the innermost function of a view: the one the user wrote, out of its decorators."""
    return every_layer(view, method)[-1].function  # type: ignore[no-any-return]


def signature_of(
    view: Callable[..., Any], url_variables: Iterable[str] = (), method: str | None = None
) -> Signature:
    """Return what a view reads and answers, by its annotations.

    `url_variables` are the names that the rule fills; with a mapping of names to the types
    that their converters give, variables annotated with that very type need nothing done.
    `method` chooses among the methods of a `MethodView`. Raises SetupError.
    """
    return _Reader(view, url_variables, method).signature()


class _Reader:
    """Reads one view, or one provider of it."""

    def __init__(
        self,
        view: Any,
        url_variables: Iterable[str],
        method: str | None = None,
        used_by: tuple[Any, ...] = (),
    ) -> None:
        self.view = view
        self.url_variables = url_variables
        self.converted = dict(url_variables) if isinstance(url_variables, dict) else {}
        self.layers = layers_of(view, method)
        #: The providers that led here, the first one first.
        self.used_by = used_by
        self.inner = self.layers[-1]
        #: What is wrong with the annotations that say nothing here, and the way out of it.
        self.unknown: list[tuple[str, str]] = []

    def signature(self) -> Signature:
        self._refuse_hidden()
        inputs = self.inputs()
        _Bodies(self).check(inputs)
        signature = Signature(inputs, self._output())
        if self.unknown and signature.is_typed:
            self.fail(*self.unknown[0])
        return signature

    def inputs(self) -> tuple[Input, ...]:
        found = [self._input(*each) for each in self._parameters()]
        return tuple(each for each in found if each is not None)

    def _parameters(self) -> list[tuple[Parameter, Any]]:
        """Return the named parameters of all layers with their annotations resolved."""
        found: dict[str, tuple[Parameter, Any, Layer]] = {}
        for layer in self.layers:
            for parameter in layer.parameters:
                if parameter.kind is Parameter.POSITIONAL_ONLY:
                    if parameter.annotation is not Parameter.empty:
                        self.refuse(
                            parameter.name,
                            "is positional-only",
                            "Parameters of views are filled by name: take the / away.",
                        )
                    continue
                if parameter not in layer.named:
                    continue
                hint = self._hint(layer, parameter.name, parameter.annotation)
                known = found.get(parameter.name)
                if known is None or known[1] is Parameter.empty:
                    found[parameter.name] = (parameter, hint, layer)
                elif hint is not Parameter.empty and hint != known[1]:
                    self.refuse(
                        parameter.name,
                        f"is {shown(known[1])} for the decorator {known[2].decorator}"
                        f" ({known[2].place}), and {shown(hint)} for the view",
                        "Give both the same annotation, or mark the one of the view"
                        " Supplied[...] and give the decorator's another name.",
                    )
        return [(parameter, hint) for parameter, hint, _ in found.values()]

    def _hint(self, layer: Layer, name: str, annotation: Any) -> Any:
        if annotation is Parameter.empty:
            return annotation
        # functools.wraps copies annotations: their names are those of the module they came from.
        owner = layer
        index = self.layers.index(layer)
        for deeper in self.layers[index + 1 :]:
            if getattr(deeper.function, "__annotations__", {}).get(name) == annotation:
                owner = deeper
        try:
            return layer.hint(name, annotation, owner)
        except NameError as error:
            flaw = (
                f"{_told(name)}: the name {error.name!r} in {annotation!r} is not known in its"
                " module",
                "Import it at module level (not under TYPE_CHECKING), and define types of"
                " views at module level.",
            )
            may_be_plain = not self.used_by and (name == "return" or name in self.url_variables)
            if not may_be_plain or not is_for_checkers(owner.function, error.name or ""):
                self.fail(*flaw)
            self.unknown.append(flaw)
            return Parameter.empty
        except Exception as error:
            what = _told(name)
            self.fail(f"{what}: {annotation!r} cannot be evaluated: {error}", "Correct it.")

    def _input(self, parameter: Parameter, hint: Any) -> Input | None:
        name, default = parameter.name, parameter.default
        if hint is Parameter.empty:
            if isinstance(default, Provided):
                return self._provided(name, None, default)
            return None
        type, marks = without_marks(hint, _MARKS)
        if default is Parameter.empty:
            default = NO_DEFAULT
        if isinstance(default, Provided):
            return self._provided(name, type, default)
        if (provided := last(marks, Provided)) is not None:
            return self._provided(name, type, provided)
        place = self._place(name, type, marks)
        if place is None:
            return None
        return self._placed(name, type, marks, place, default)

    def _place(self, name: str, type: Any, marks: list[Any]) -> Place | None:
        mark = last(marks, In)
        if mark is not None:
            return mark.place  # type: ignore[no-any-return]
        if name in self.url_variables:
            plain = self.converted.get(name, str)
            return Place.PATH if is_scalar(type) and type is not plain else None
        known = known_place(type)
        if known is not None:
            return known
        if is_structured(type):
            return Place.BODY
        if is_scalar(type) or is_scalar_list(type):
            return Place.QUERY
        self.refuse(
            name,
            f"{shown(type)} is neither a record (Struct, dataclass, TypedDict, attrs or pydantic"
            " class), nor a scalar, nor a list of scalars",
            f"For a JSON body write Body[{shown(type)}]; for what a function gives,"
            f" = Provide(function); for what a decorator fills, Supplied[{shown(type)}]"
            f"{self._decorators()}.",
        )

    def _placed(self, name: str, type: Any, marks: list[Any], place: Place, default: Any) -> Input:
        named = last(marks, Name)
        key = named.name if named is not None else name
        if named is None and place is Place.HEADER:
            key = name.replace("_", "-")
        if place in (Place.PROVIDED, Place.SUPPLIED, Place.STREAM):
            return Input(name, place, "", type, default)
        if place is Place.FILE:
            return Input(name, place, key, type, default, accepts=last(marks, Accepts))
        if place is Place.PATH and name not in self.url_variables:
            self.refuse(
                name,
                "is marked Path, but the rule has no such variable",
                f"Add <{name}> to the rule.",
            )
        if place in _SPREAD and is_record(type):
            fields = self._spread(name, record_in(type), place)
            return Input(name, place, "", type, default, fields)
        if place is Place.BODY:
            self._check(name, type, "decode_json")
            return Input(name, place, "", codec_of(type).type, default)
        if not (is_scalar(type) or is_scalar_list(type)):
            self.refuse(
                name,
                f"{shown(type)} cannot be read from text ({place.value})",
                "Only scalars, lists of scalars and records of these can; read it from the body"
                f" with Body[{shown(type)}].",
            )
        self._check(name, type, "from_text")
        return Input(name, place, key, codec_of(type).type, default)

    def _spread(self, name: str, record: Any, place: Place) -> tuple[Input, ...]:
        """Return an input for each field of a record that gathers a query, a form..."""
        inputs = []
        try:
            fields = fields_of(record)
        except (TypeError, NameError) as error:
            self.refuse(name, f"{shown(record)} cannot be read: {error}", "Correct the class.")
        for field in fields:
            type, marks = without_marks(field.type, _MARKS)
            field_place = place
            if place is Place.FORM and known_place(type) is Place.FILE:
                field_place = Place.FILE
            if is_record(type):
                self.refuse(
                    f"{name}.{field.name}",
                    f"{shown(type)} cannot be a field of a {place.value}, which has no"
                    " records in it",
                    "Spread its fields, or read a JSON body.",
                )
            if field.key != field.name and last(marks, Name) is None:
                marks = [*marks, Name(field.key)]
            one = self._placed(f"{name}.{field.name}", type, marks, field_place, field.default)
            inputs.append(
                msgspec.structs.replace(one, name=field.name, key=_own_key(one, field, marks))
            )
        return tuple(inputs)

    def _check(self, name: str, type: Any, function: str) -> None:
        try:
            getattr(codec_of(type), function)
        except (TypeError, NameError) as error:
            self.refuse(name, f"{shown(type)} cannot be read: {error}", "Choose another type.")

    def _provided(self, name: str, type: Any, provided: Provided) -> Input:
        provider = provided.provider
        if provider in self.used_by or provider is self.view:
            chain = [name_of(each) for each in (*self.used_by, self.view, provider)]
            start = chain.index(chain[-1])
            self.refuse(
                name,
                f"its provider needs itself: {' -> '.join(chain[start:])}",
                "Break the circle.",
            )
        if not callable(provider):
            self.refuse(name, f"Provide({provider!r}) has no function in it", "Give it a callable.")
        reader = _Reader(provider, self.url_variables, None, (*self.used_by, self.view))
        needs = reader.inputs()
        given = given_by(reader.layers, reader._hint)
        if type is None:
            type = Any if given is Parameter.empty else given
        elif given is not Parameter.empty and (why := mismatch(given, type)):
            self.refuse(
                name,
                f"is {shown(type)}, but its provider {name_of(provider)}"
                f" ({place_of(reader.inner.function)}) gives {shown(given)}",
                why,
            )
        if provided.scope == "app":
            for need in needs:
                if need.provided is None or need.provided.scope != "app":
                    self.refuse(
                        name,
                        f"its provider {name_of(provider)} lives as long as the application, but"
                        f" its parameter {need.name!r} is of one request",
                        'Take the parameter away, or leave out scope="app".',
                    )
        return Input(name, Place.PROVIDED, "", type, NO_DEFAULT, provided=provided, needs=needs)

    def _output(self) -> Output | None:
        layer = self.inner
        annotation = (
            inspect.signature(layer.call, follow_wrapped=False).return_annotation
            if _has_signature(layer)
            else Parameter.empty
        )
        if annotation is inspect.Signature.empty:
            return None
        hint = self._hint(layer, "return", annotation)
        output = None if hint is Parameter.empty else output_of(hint)
        if output is not None:
            try:
                codec_of(output.type).encode_json  # noqa: B018
            except (TypeError, NameError) as error:
                self.fail(
                    f"the return annotation: {shown(hint)} cannot be written: {error}",
                    "Choose another type.",
                )
        return output

    def _refuse_hidden(self) -> None:
        hidden = hidden_in(self.inner)
        if hidden is None:
            return
        try:
            signature = _Reader(hidden, self.url_variables).signature()
        except SetupError:
            return
        if signature.is_typed and any(
            each.place is not Place.SUPPLIED for each in signature.inputs
        ):
            raise SetupError(
                f"{place_of(hidden)}: view {name_of(hidden)}: the decorator {self.inner.decorator}"
                f" ({self.inner.place}) hides its parameters. Let the decorator's wrapper take"
                " **kwargs and decorate it with functools.wraps(view)."
            )

    def _decorators(self) -> str:
        names = [layer.decorator for layer in self.layers[:-1]]
        return f" (around this view: {', '.join(names)})" if names else ""

    def refuse(self, name: str, what: str, way_out: str) -> NoReturn:
        self.fail(
            f"parameter {name!r}: {what}"
            if not what.startswith("is ")
            else f"parameter {name!r} {what}",
            way_out,
        )

    def fail(self, what: str, way_out: str) -> NoReturn:
        kind = "provider" if self.used_by else "view"
        function = self.inner.function
        raise SetupError(f"{place_of(function)}: {kind} {name_of(function)}: {what}. {way_out}")


class _Bodies:
    """Refuses what would read the body twice."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.found: list[tuple[str, Input]] = []

    def check(self, inputs: tuple[Input, ...]) -> None:
        self._gather(inputs, set())
        whole = [each for each in self.found if each[1].place in (Place.BODY, Place.STREAM)]
        if len(whole) > 1 or (whole and len(self.found) > 1):
            names = " and ".join(f"{name!r} ({input.place.value})" for name, input in self.found)
            self.reader.fail(
                f"{names} all want the request's body",
                "Gather what one body holds in one class; for a record from the query write"
                " Query[...]; for what a decorator fills, Supplied[...]"
                f"{self.reader._decorators()}.",
            )

    def _gather(self, inputs: tuple[Input, ...], seen: set[Any]) -> None:
        for input in inputs:
            if input.place in (Place.BODY, Place.STREAM, Place.FORM, Place.FILE):
                self.found.append((input.name, input))
            if input.provided is not None and id(input.provided.provider) not in seen:
                seen.add(id(input.provided.provider))
                self._gather(input.needs, seen)


def _told(name: str) -> str:
    return "the return annotation" if name == "return" else f"parameter {name!r}"


def _has_signature(layer: Layer) -> bool:
    try:
        inspect.signature(layer.call, follow_wrapped=False)
    except (TypeError, ValueError):
        return False
    return True


def _own_key(input: Input, field: Any, marks: list[Any]) -> str:
    named = last(marks, Name)
    if named is not None:
        return str(named.name)
    return field.name.replace("_", "-") if input.place is Place.HEADER else str(field.name)
