"""A handler: which events it wants, and what its function is called with.

Read from the function's signature at setup, so that handling an event is one call:

    def paid(event: InvoicePaid, tx: Connection, delivery: Received): ...

`tx`, or a parameter annotated with SQLAlchemy's `Connection`, is the connection of the
transaction that ends the event; `delivery`, or one annotated `Received`, is what came; the one
other parameter is the event. Each of them may be left out.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from ..bridge import is_async
from ..scaffold import SetupError
from .events import Read, reader_of
from .places import place_of
from .received import Received

Opener = Callable[[], Any]


class Handler:
    """A function that handles the events of a source, or some of them.

    `name` is unique in its source and is what the inbox remembers of it (`done_by`): a handler
    that is renamed runs again for events that are not done. `retries` is its schedule as it was
    given, None for the source's. `wants` and `call` are for the worker.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        source: str,
        name: str | None = None,
        types: Sequence[str] = (),
        when: Callable[..., Any] | None = None,
        retries: Any = None,
    ) -> None:
        self.function = function
        self.name: str = name or str(getattr(function, "__name__", ""))
        self.source = source
        self.types = tuple(types)
        self.when = when
        self.retries = retries
        #: Whether `call` returns a coroutine.
        self.is_async = is_async(function)
        self.place = place_of(function)
        where = f"The handler {self.place} of the source {source!r}"
        if not self.name:
            raise SetupError(f"{where} has no name of its own: give one with name=.")
        self._binding = Binding(function, where)
        #: Whether the function takes the transaction's connection.
        self.takes_tx = self._binding.takes("tx")
        if when is not None and is_async(when):
            raise SetupError(f"{where}: when= is asked in plain code; write it without async.")
        self._condition = None if when is None else Binding(when, f"{where}, when=")
        if self._condition is not None and self._condition.takes("tx"):
            raise SetupError(f"{where}: when= only looks at the event, it gets no tx.")

    def wants_type(self, type: str | None) -> bool:
        """Whether one of its types is `type`, or names the part of it before a dot."""
        return not self.types or (type is not None and is_among(type, self.types))

    def wants(self, received: Received) -> bool:
        """Whether the event is for this handler: its type, and what `when` says of it.

        Raises what `when` raises, and Permanent for an event that cannot be read.
        """
        if not self.wants_type(received.type):
            return False
        condition = self._condition
        return condition is None or bool(condition.call(received, no_tx))

    def call(self, received: Received, tx: Opener) -> Any:
        """Handle the event; the coroutine that does where `is_async`.

        `tx` returns the connection of the transaction that ends the event; it is called if the
        function takes one. Raises what the function raises, and Permanent for bad data.
        """
        return self._binding.call(received, tx)

    def __repr__(self) -> str:
        return f"<Handler {self.name!r} of {self.source!r}>"


def is_among(type: str, wanted: tuple[str, ...]) -> bool:
    """Whether `type` is one of `wanted`, or below one: "issues.opened" is below "issues"."""
    return any(type == one or type.startswith(f"{one}.") or one == "*" for one in wanted)


def no_tx() -> Any:
    """What opens a transaction where there is none."""
    raise AssertionError("no transaction here")  # refused at setup


class Binding:
    """The parameters of a function, by what each is given."""

    def __init__(self, function: Callable[..., Any], where: str) -> None:
        self._function = function
        self._given: list[tuple[str, str]] = []
        self._read: Read = reader_of(None)
        for parameter in _parameters(function, where):
            given = self._given_to(parameter, where)
            if given in (what for _, what in self._given):
                raise SetupError(
                    f"{where} has two parameters for the {given}. It takes the event, tx and"
                    " delivery, each once."
                )
            self._given.append((parameter.name, given))
        self._names = {what: name for name, what in self._given}

    def takes(self, what: str) -> bool:
        """Whether a parameter is given "event", "tx" or "delivery"."""
        return what in self._names

    def call(self, received: Received, tx: Opener) -> Any:
        """Call the function with what its parameters ask for."""
        arguments: dict[str, Any] = {}
        for name, what in self._given:
            if what == "event":
                arguments[name] = self._read(received)
            else:
                arguments[name] = received if what == "delivery" else tx()
        return self._function(**arguments)

    def _given_to(self, parameter: inspect.Parameter, where: str) -> str:
        name, annotation = parameter.name, parameter.annotation
        if annotation is Received or name == "delivery":
            return "delivery"
        if name == "tx" or _is_connection(annotation):
            return "tx"
        if annotation is _unknown:
            raise SetupError(
                f"{where}: the annotation of {name!r} names what is not there when the handler is"
                " registered. Import it outside TYPE_CHECKING, or leave the annotation out."
            )
        try:
            self._read = reader_of(None if annotation is parameter.empty else annotation)
        except (TypeError, SetupError) as error:
            raise SetupError(f"{where}: {name}: {annotation!r} cannot be read: {error}") from error
        return "event"


_unknown: Any = object()


def _parameters(function: Callable[..., Any], where: str) -> list[inspect.Parameter]:
    """The parameters that are given by name, their annotations resolved."""
    if not callable(function):
        raise SetupError(f"{where} is a {type(function).__name__}, which cannot be called.")
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise SetupError(f"{where}: {parameter.name!r} cannot be given by name. Leave out '/'.")
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SetupError(
                f"{where} takes *{parameter.name}. Name what it takes: the event, tx, delivery."
            )
        annotation = parameter.annotation
        if isinstance(annotation, str):
            annotation = _resolved(function, annotation)
        found.append(parameter.replace(annotation=annotation))
    return found


def _resolved(function: Callable[..., Any], annotation: str) -> Any:
    inner = inspect.unwrap(function)
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        names = getattr(inner, "__globals__", {})
        return typing.get_type_hints(holder, names, include_extras=True)["it"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return _unknown


def _is_connection(annotation: Any) -> bool:
    module = getattr(annotation, "__module__", "")
    return module.startswith("sqlalchemy") and getattr(annotation, "__name__", "") == "Connection"
