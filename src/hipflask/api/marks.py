"""What an annotation says beyond the type: where a value comes from, and what becomes of it.

    def search(
        words: str,                                     # the query: ?words=...
        filters: Query[Filters],                        # the query, a field each
        trace: Header[str] = "",                        # the header field "trace"
        version: Annotated[Header[str], Name("X-Version")] = "1",
        user: User = Provide(current_user),             # whatever current_user() gives
    ) -> Annotated[list[Item], status(203)]: ...

Marks are read once, when the application is sealed (`signatures/`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar, overload

import msgspec

T = TypeVar("T")


class Place(StrEnum):
    """Where the value of a view's parameter comes from."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"
    #: The whole body: JSON or msgpack.
    BODY = "body"
    #: The whole body: a form, urlencoded or multipart.
    FORM = "form"
    #: One part of a multipart form, an uploaded file.
    FILE = "file"
    #: The body as it arrives.
    STREAM = "stream"
    #: A provider's result.
    PROVIDED = "provided"
    #: A decorator fills it; neither read nor documented.
    SUPPLIED = "supplied"


class In(msgspec.Struct, frozen=True):
    """The mark behind `Query[...]` and its like."""

    place: Place


Body = Annotated[T, In(Place.BODY)]
Query = Annotated[T, In(Place.QUERY)]
Path = Annotated[T, In(Place.PATH)]
Header = Annotated[T, In(Place.HEADER)]
Cookie = Annotated[T, In(Place.COOKIE)]
Form = Annotated[T, In(Place.FORM)]
File = Annotated[T, In(Place.FILE)]
#: A parameter that a decorator around the view fills.
Supplied = Annotated[T, In(Place.SUPPLIED)]


class Name(msgspec.Struct, frozen=True):
    """The name on the wire, where it is not the parameter's: `Annotated[Header[str], Name("X-A")]`.

    Without it a header field is named as the parameter, underscores as dashes.
    """

    name: str


class Accepts:
    """What an `Upload` may be: `Annotated[Upload, Accepts("image/png", max_bytes=1 << 20)]`.

    `types` are media types, `image/*` among them; none means any.
    """

    __slots__ = ("max_bytes", "types")

    def __init__(self, *types: str, max_bytes: int | None = None) -> None:
        self.types = types
        self.max_bytes = max_bytes


class Status(msgspec.Struct, frozen=True):
    """The status of a view's usual answer; see `status`."""

    code: int


def status(code: int) -> Status:
    """Mark a return annotation: `-> Annotated[Item, status(201)]`. 200 to 299."""
    if not 200 <= code <= 299:
        raise ValueError(f"status({code}): the status of a view's usual answer is 200 to 299.")
    return Status(code)


class Flag(msgspec.Struct, frozen=True):
    """A mark that says one thing about a return annotation."""

    name: str


#: Leave out the fields nobody set: msgspec's UNSET, and of a pydantic model those not given.
exclude_unset = Flag("exclude_unset")
#: Give the answer an ETag made of its bytes, and answer If-None-Match with 304 (RFC 9110, 13).
conditional = Flag("conditional")

Scope = Literal["request", "app"]


class Provided(msgspec.Struct, frozen=True):
    """The mark behind `Provide(...)`."""

    # As a default it makes a view a typed one: `plain.py` asks, which does not import this.
    __typed__ = True

    provider: Callable[..., Any]
    scope: Scope = "request"


@overload
def Provide(
    provider: Callable[..., Generator[T, Any, Any] | AsyncGenerator[T, Any]],
    *,
    scope: Scope = "request",
) -> T: ...
@overload
def Provide(
    provider: Callable[..., Iterator[T] | AsyncIterator[T]], *, scope: Scope = "request"
) -> T: ...
@overload
def Provide(provider: Callable[..., Awaitable[T]], *, scope: Scope = "request") -> T: ...
@overload
def Provide(provider: Callable[..., T], *, scope: Scope = "request") -> T: ...
def Provide(provider: Callable[..., Any], *, scope: Scope = "request") -> Any:
    """Mark a parameter whose value `provider` gives, for one request or for the application.

    As a default (`user: User = Provide(current_user)`), where a type checker compares both
    types, or in the annotation (`user: Annotated[User, Provide(current_user)]`). A provider
    is plain or async, its own parameters are read as a view's, and it is called once a
    request however many ask. A generator gives one value; what follows the `yield` runs when
    the answer is made (after the last piece of a streamed one), and gets the exception if
    there was one. With `scope="app"` it is called once, at first use or before serving, and
    cleaned up after serving.
    """
    return Provided(provider, scope)
