"""Stances: who may call a route, said where the route, blueprint or application is made.

    app.access = authenticated
    admin.access = roles("admin")                       # a blueprint's routes

    @app.get("/prices", access=public)
    @app.post("/orders", access=roles("clerk") | allow(owns_shop))

A stance is a value: it is declared once, compiled into a test when the application is sealed
(`access.py`), and read by whoever documents the routes. A test answers for an identity that is
known; without one every stance but `public` is a 401, so no test is asked then.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import product
from typing import Any

import msgspec

from ..bridge import in_pool, is_async
from ..scaffold import SetupError
from ..wrappers import Request
from .identity import Identity

Test = Callable[[Identity, Request], bool]
AsyncTest = Callable[[Identity, Request], Awaitable[bool]]
Predicate = (
    Callable[[Identity], bool | Awaitable[bool]]
    | Callable[[Identity, Request], bool | Awaitable[bool]]
)

# Alternatives told of in a document; a stance of more is told as the identity alone.
MOST_ALTERNATIVES = 16


class Stance(msgspec.Struct, frozen=True):
    """Who may call. Combine stances with `&` (both) and `|` (either)."""

    def __and__(self, other: Stance) -> Stance:
        _check_is_stance(other, "&")
        if isinstance(self, _Public) or self == other:
            return other
        return self if isinstance(other, _Public) else _Both((*_parts(self, _Both), other))

    def __or__(self, other: Stance) -> Stance:
        _check_is_stance(other, "|")
        if isinstance(self, _Public) or self == other:
            return self
        return other if isinstance(other, _Public) else _Either((*_parts(self, _Either), other))

    def __bool__(self) -> bool:
        raise TypeError(
            f"The stance {self!r} is neither true nor false by itself. Combine stances with & and"
            " |, not with 'and', 'or' and 'not'; ask 'is None' for whether one is declared."
        )

    def test(self, ensure_sync: Callable[..., Any]) -> Test:
        """A function (identity, request) -> bool that runs in plain code."""
        raise NotImplementedError

    def test_async(self) -> AsyncTest:
        """The same to be awaited; plain predicates run in the pool."""
        test = self.test(_unused)

        async def run(identity: Identity, request: Request) -> bool:
            return test(identity, request)

        return run

    def predicates(self) -> Iterator[Callable[..., Any]]:
        """The functions of the user that it asks."""
        yield from ()

    def role_sets(self) -> tuple[frozenset[str], ...]:
        """The sets of roles that satisfy it, as far as it speaks of roles: any one of them."""
        return (frozenset(),)


class _Public(Stance, frozen=True):
    def test(self, ensure_sync: Callable[..., Any]) -> Test:
        return lambda identity, request: True

    def __repr__(self) -> str:
        return "public"


class _Authenticated(Stance, frozen=True):
    def test(self, ensure_sync: Callable[..., Any]) -> Test:
        return lambda identity, request: True

    def __repr__(self) -> str:
        return "authenticated"


class _Roles(Stance, frozen=True):
    names: tuple[str, ...]

    def test(self, ensure_sync: Callable[..., Any]) -> Test:
        names = frozenset(self.names)
        return lambda identity, request: not names.isdisjoint(identity.roles)

    def role_sets(self) -> tuple[frozenset[str], ...]:
        return tuple(frozenset((name,)) for name in self.names)

    def __repr__(self) -> str:
        return f"roles({', '.join(map(repr, self.names))})"


class _Allow(Stance, frozen=True):
    predicate: Callable[..., Any]
    takes_request: bool

    def test(self, ensure_sync: Callable[..., Any]) -> Test:
        ask = ensure_sync(_as_function(self.predicate))
        place = _place_of(self.predicate)
        if self.takes_request:
            return lambda identity, request: _checked(ask(identity, request), place)
        return lambda identity, request: _checked(ask(identity), place)

    def test_async(self) -> AsyncTest:
        ask = _as_function(self.predicate)
        takes_request = self.takes_request
        place = _place_of(self.predicate)
        runs_on_loop = is_async(ask)

        async def run(identity: Identity, request: Request) -> bool:
            arguments = (identity, request) if takes_request else (identity,)
            answer = await (ask(*arguments) if runs_on_loop else in_pool(ask, *arguments))
            return _checked(answer, place)

        return run

    def predicates(self) -> Iterator[Callable[..., Any]]:
        yield _as_function(self.predicate)

    def __repr__(self) -> str:
        return f"allow({getattr(self.predicate, '__name__', repr(self.predicate))})"


class _Several(Stance, frozen=True):
    """Of stances: all of them have to agree, or any."""

    parts: tuple[Stance, ...]

    def predicates(self) -> Iterator[Callable[..., Any]]:
        for part in self.parts:
            yield from part.predicates()


class _Both(_Several, frozen=True):
    def test(self, ensure_sync: Callable[..., Any]) -> Test:
        tests = [part.test(ensure_sync) for part in self.parts]
        return lambda identity, request: all(test(identity, request) for test in tests)

    def test_async(self) -> AsyncTest:
        tests = [part.test_async() for part in self.parts]

        async def run(identity: Identity, request: Request) -> bool:
            for test in tests:
                if not await test(identity, request):
                    return False
            return True

        return run

    def role_sets(self) -> tuple[frozenset[str], ...]:
        choices = [part.role_sets() for part in self.parts]
        count = 1
        for sets in choices:
            count *= len(sets)
        if count > MOST_ALTERNATIVES:
            return (frozenset(),)
        found = (frozenset[str]().union(*sets) for sets in product(*choices))
        return tuple(dict.fromkeys(found))

    def __repr__(self) -> str:
        return " & ".join(
            f"({part!r})" if isinstance(part, _Either) else repr(part) for part in self.parts
        )


class _Either(_Several, frozen=True):
    def test(self, ensure_sync: Callable[..., Any]) -> Test:
        tests = [part.test(ensure_sync) for part in self.parts]
        return lambda identity, request: any(test(identity, request) for test in tests)

    def test_async(self) -> AsyncTest:
        tests = [part.test_async() for part in self.parts]

        async def run(identity: Identity, request: Request) -> bool:
            for test in tests:
                if await test(identity, request):
                    return True
            return False

        return run

    def role_sets(self) -> tuple[frozenset[str], ...]:
        found = dict.fromkeys(roles for part in self.parts for roles in part.role_sets())
        return tuple(found) if len(found) <= MOST_ALTERNATIVES else (frozenset(),)

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.parts))


class ByMethod(Stance, frozen=True):
    """A stance for each HTTP method, in capitals; `otherwise` for the rest, None for none."""

    stances: dict[str, Stance]
    otherwise: Stance | None

    def for_method(self, method: str) -> Stance | None:
        """The method's stance; HEAD's is GET's unless it has one of its own."""
        found = self.stances.get(method)
        if found is None and method == "HEAD":
            found = self.stances.get("GET")
        return self.otherwise if found is None else found

    def __and__(self, other: Stance) -> Stance:
        raise TypeError("A stance for each method cannot be combined; combine those in it.")

    __or__ = __and__

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{method}: {stance}' for method, stance in self.stances.items())}}}"


#: Anybody may call.
public: Stance = _Public()
#: Whoever is known to one of the application's providers may call.
authenticated: Stance = _Authenticated()


def roles(*names: str) -> Stance:
    """Whoever has any of the roles may call; `roles("a") & roles("b")` asks for both.

    Raises SetupError for no name, or one that is no text.
    """
    given: tuple[Any, ...] = names
    if not given or not all(isinstance(name, str) and name for name in given):
        raise SetupError(
            f"roles{names!r} must name at least one role, each as text: roles('admin', 'clerk')."
        )
    return _Roles(tuple(dict.fromkeys(names)))


def allow(predicate: Predicate) -> Stance:
    """Whoever `predicate(identity)` or `predicate(identity, request)` says True of may call.

    It is plain or async, and asked for a known identity only: without one the answer is 401.
    A plain one may wait (for a database), as a plain view may. What it returns must be a bool:
    TypeError, and with it a 500, for anything else. Raises SetupError for a function of other
    parameters.

        def owns_order(identity: Identity, request: Request) -> bool:
            return owner_of(request.view_args["number"]) == identity.name

        @app.get("/orders/<int:number>", access=allow(owns_order))
    """
    given: Any = predicate
    if isinstance(given, Stance) or not callable(given):
        raise SetupError(f"allow() takes a function that returns a bool, not {predicate!r}.")
    return _Allow(predicate, _takes_request(predicate))


def stance_of(value: Any, where: str, otherwise: Stance | None = None) -> Stance:
    """A declared value as a stance; SetupError, naming `where`, for what is none.

    A mapping of methods to stances is one for each method, `otherwise` for the others.
    """
    if isinstance(value, Stance):
        return value
    if isinstance(value, Mapping) and value:
        by_method = {str(method).upper(): stance for method, stance in value.items()}
        unknown = sorted(by_method.keys() - _METHODS)
        if unknown:
            raise SetupError(
                f"The access of {where} names {', '.join(unknown)}, no HTTP method. Methods are"
                f" {', '.join(sorted(_METHODS))}."
            )
        stances = {
            method: stance_of(stance, f"{where}, {method}") for method, stance in by_method.items()
        }
        return ByMethod(stances, otherwise)
    hint = ""
    if value is roles or value is allow:
        hint = f" Call it: {value.__name__}(...)."
    raise SetupError(
        f"The access of {where} is {value!r}, which is no stance. Use public, authenticated,"
        f" roles('admin') or allow(predicate) of hipflask.security, or a mapping of methods to"
        f" these.{hint}"
    )


_METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}


def _parts(stance: Stance, kind: type[_Several]) -> tuple[Stance, ...]:
    return stance.parts if isinstance(stance, kind) else (stance,)


def _check_is_stance(other: Any, sign: str) -> None:
    if isinstance(other, ByMethod) or not isinstance(other, Stance):
        raise TypeError(f"{sign} combines two stances; {other!r} is none.")


def _as_function(predicate: Callable[..., Any]) -> Callable[..., Any]:
    """The predicate so that `is_async` sees what it is: an object's `__call__` is looked at."""
    if is_async(predicate) or inspect.isroutine(predicate):
        return predicate
    call = getattr(predicate, "__call__", None)  # noqa: B004 (not whether, but which)
    return call if call is not None and is_async(call) else predicate


def _takes_request(predicate: Callable[..., Any]) -> bool:
    try:
        parameters = list(inspect.signature(predicate).parameters.values())
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    has_rest = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    needed = [p for p in required if p in positional]
    named = [p for p in required if p.kind is p.KEYWORD_ONLY]
    if named or len(needed) > 2 or not (positional or has_rest):
        raise SetupError(
            f"The predicate {_place_of(predicate)} takes {inspect.signature(predicate)}; allow()"
            " calls it with the identity, or with the identity and the request."
        )
    return len(needed) == 2 or (len(positional) >= 2 and positional[1].name == "request")


def _checked(answer: Any, place: str) -> bool:
    if answer is True or answer is False:
        return bool(answer)
    if inspect.iscoroutine(answer):
        answer.close()
    raise TypeError(
        f"The predicate {place} returned a {type(answer).__name__}, where access is decided by"
        " True or False. Write it as 'async def' if it awaits, and return a bool."
    )


def _place_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", repr(function))
    code = getattr(function, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def _unused(predicate: Callable[..., Any]) -> Callable[..., Any]:
    return predicate
