"""A view as its annotations describe it: what it reads, what it answers, what is told of it.

Made once (`signatures/`), then read by `binding.py`, which makes the code that a request
runs, and by `openapi/`, which makes the document. Nothing here knows a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from werkzeug.routing import Rule

from .marks import Accepts, Place, Provided

#: "No default", where None is one.
NO_DEFAULT: Any = msgspec.NODEFAULT


class Flaw(msgspec.Struct, frozen=True):
    """One thing that is wrong with what a request sent; never with the value itself in it."""

    #: Where: ("query", "page") or ("body", "items", 3, "price").
    location: tuple[str | int, ...]
    #: What would have been right: "an integer of at least 1".
    expected: str
    #: What came instead, by its kind: "text", "null", "nothing".
    got: str


class Rejected(ValueError):
    """What was sent cannot be read: not well-formed (`is_malformed`), or not of the type."""

    def __init__(self, flaws: list[Flaw], is_malformed: bool = False) -> None:
        super().__init__("; ".join(f"{flaw.location}: {flaw.expected}" for flaw in flaws))
        self.flaws = flaws
        self.is_malformed = is_malformed


class Input(msgspec.Struct, frozen=True):
    """One parameter of a view, or of a provider it uses."""

    #: The parameter's name.
    name: str
    place: Place
    #: The name on the wire; "" for a body.
    key: str
    #: The annotation with its constraints, our own marks taken out: `Annotated[int, Meta(ge=1)]`.
    type: Any
    default: Any = NO_DEFAULT
    #: For a struct that gathers a query, headers, cookies or a form: its fields, an input each.
    #: The parameter then gets the struct built of them.
    fields: tuple[Input, ...] = ()
    #: What gives the value, where `place` is PROVIDED.
    provided: Provided | None = None
    #: The parameters of that provider.
    needs: tuple[Input, ...] = ()
    #: What an upload may be.
    accepts: Accepts | None = None

    @property
    def is_required(self) -> bool:
        return self.default is NO_DEFAULT


class Output(msgspec.Struct, frozen=True):
    """What the return annotation says. None in its place: Flask's meaning, whatever it is."""

    #: The type of the answer, or of one line of it.
    type: Any
    #: An iterator, plain or async: sent as a line of JSON each.
    is_lines: bool = False
    status: int = 200
    exclude_unset: bool = False
    conditional: bool = False


class Signature(msgspec.Struct, frozen=True):
    """A view's parameters and answer."""

    inputs: tuple[Input, ...]
    output: Output | None

    @property
    def is_typed(self) -> bool:
        """Whether anything is to be done that Flask would not do."""
        return self.output is not None or any(
            input.place is not Place.SUPPLIED for input in self.inputs
        )


class Details(msgspec.Struct, frozen=True):
    """What `@operation(...)` tells of a view beyond its annotations and docstring."""

    summary: str | None = None
    description: str | None = None
    operation_id: str | None = None
    tags: tuple[str, ...] | None = None
    #: Further answers: status -> text, or a type (its docstring is the text), or (type, text).
    responses: Mapping[int, Any] = msgspec.field(default_factory=dict)
    #: Examples: "body", "response" or a parameter's name -> value.
    examples: Mapping[str, Any] = msgspec.field(default_factory=dict)
    #: Since when, as an ISO date or datetime; True without a date (RFC 9745).
    deprecated: Any = None
    #: When it ends, as an ISO date or datetime (RFC 8594).
    sunset: Any = None
    #: Left out of the document.
    is_hidden: bool = False


class Operation(msgspec.Struct, frozen=True):
    """One method of one rule, as the document tells of it and as a request runs it."""

    rule: Rule
    #: "GET", "POST", ...; HEAD and OPTIONS are no operations of their own.
    method: str
    endpoint: str
    #: The function itself, out of its decorators: whose name and docstring count.
    function: Callable[..., Any]
    signature: Signature
    details: Details
    #: The access stance that holds for it (`security.access`), or None where nobody declared one.
    access: Any = None
