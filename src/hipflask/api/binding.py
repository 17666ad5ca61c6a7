"""What a request to a typed view runs: guard, inputs, providers, the view, its answer, the end.

`bind` puts it together once, when the application is sealed, out of what the other files
make: one function for plain code and one for the event loop. A shape that needs less has
less in it, and nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from types import FunctionType
from typing import Any, NamedTuple

from werkzeug.routing import Rule

from ..bridge import in_pool, is_async
from ..ctx import RequestContext
from ..plain import converted_types
from ..scaffold import SetupError, declared_access
from .details import details_of, headers_of
from .inputs.reading import UNREAD, Leaf, Read, reader_of, sole_reader
from .marks import Place
from .model import Input
from .outputs.versions import Versions, refuse_wrapped
from .outputs.writing import writer_of
from .problems import problem_response
from .providers.calling import (
    AppValues,
    Node,
    Opened,
    app_values,
    close,
    close_async,
    open_node,
    open_node_async,
)
from .providers.held import hold, is_streamed
from .providers.needs import Needs, refuse_unknowable
from .signatures.places import wants_identity
from .signatures.signature import signature_of

Call = Callable[[RequestContext], Any]
AsyncCall = Callable[[RequestContext], Awaitable[Any]]

# A body from this size on is read in the pool, so that decoding it holds nobody up.
LARGE_BYTES = 256 * 1024


class Bound(NamedTuple):
    """What a route runs in place of its view."""

    call: Call
    call_async: AsyncCall
    #: Makes the response of an HTTP exception; None for a plain view that is only guarded.
    problem: Callable[[Any, Any], Any] | None
    #: Whether the view reads the body itself.
    streams: bool
    #: Whether nothing in it has to be awaited.
    is_sync: bool


def bind(app: Any, rule: Rule, view: Callable[..., Any], is_typed: bool) -> Bound | None:
    """What `view` becomes under `rule`; None where Flask's own way does all there is to do.

    `is_typed` says whether its annotations count. Raises SetupError for a view that cannot
    work, naming its file and line.
    """
    bound = _bound(app, rule, view) if is_typed else None
    if getattr(rule, "idempotent", None) is not None:
        bound = _keeping(app, rule, view, bound)
    if not any(True for _ in declared_access(app, rule, rule.endpoint)):
        return bound
    from ..security.access import access_of, guard_of, needs_loop  # who declares none has none

    stance = access_of(app, rule, rule.endpoint)
    guard, guard_async = guard_of(app, stance)
    if guard is None or guard_async is None:
        return bound
    call, call_async = (bound.call, bound.call_async) if bound else _plain(app, view)
    return Bound(
        *_guarded(call, call_async, guard, guard_async),
        bound.problem if bound else None,
        bound.streams if bound else False,
        (bound.is_sync if bound else not is_async(view)) and not needs_loop(app, stance),
    )


def _keeping(app: Any, rule: Any, view: Callable[..., Any], bound: Bound | None) -> Bound:
    """The same, with answers kept by their Idempotency-Key."""
    from ..state.idempotency import transaction, wrap  # who declares none needs no database

    if bound is None:
        bound = Bound(*_plain(app, view), None, False, not is_async(view))
    if bound.streams:
        raise SetupError(
            f"The route {rule.rule!r} is idempotent=..., and its view reads the body as a stream,"
            " so it cannot be told whether two requests with one key are the same. Take the body"
            " as a whole."
        )
    if not bound.is_sync and isinstance(view, FunctionType):
        signature = signature_of(view, converted_types(rule), None)
        if _asks_for(signature.inputs, transaction):
            raise SetupError(
                f"The route {rule.rule!r} takes Provide(transaction), which stays on one thread,"
                " and its view or another provider of it is async. Make them plain, or write in a"
                " transaction of your own."
            )
    call, call_async = wrap(app, rule, rule.idempotent, bound.call, bound.call_async, bound.is_sync)
    return bound._replace(call=call, call_async=call_async)


def _asks_for(inputs: Sequence[Input], provider: Callable[..., Any]) -> bool:
    return any(
        (each.provided is not None and each.provided.provider is provider)
        or _asks_for(each.needs, provider)
        for each in inputs
    )


def _guarded(
    call: Call, call_async: AsyncCall, guard: Call, guard_async: AsyncCall
) -> tuple[Call, AsyncCall]:
    def guarded(ctx: RequestContext) -> Any:
        guard(ctx)
        return call(ctx)

    async def guarded_async(ctx: RequestContext) -> Any:
        await guard_async(ctx)
        return await call_async(ctx)

    return guarded, guarded_async


def _bound(app: Any, rule: Rule, view: Any) -> Bound | None:
    if isinstance(view, Versions):
        parts = {version: _part_of(app, rule, each) for version, each in view.views.items()}
        by_view = {id(each): parts[version] for version, each in view.views.items()}

        def calls_of(each: Any) -> tuple[Call, AsyncCall] | None:
            part = by_view[id(each)]
            return None if part is None else (part.call, part.call_async)

        call, call_async = view.calls(calls_of)
        waits = any(
            is_async(each) if parts[version] is None else not parts[version].is_sync  # type: ignore[union-attr]
            for version, each in view.views.items()
        )
        streams = any(part.streams for part in parts.values() if part is not None)
        return Bound(call, call_async, problem_response, streams, not waits)
    refuse_wrapped(view)
    if getattr(view, "view_class", None) is None:
        return _part_of(app, rule, view)
    methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}) or ["GET"]
    if rule.methods and "HEAD" in rule.methods and hasattr(view.view_class, "head"):
        methods.append("HEAD")
    return _by_method(app, view, {each: _part_of(app, rule, view, each) for each in methods})


def _by_method(app: Any, view: Any, parts: dict[str, Bound | None]) -> Bound | None:
    """One for the methods of a class-based view, each of which may read something else."""
    found = [part for part in parts.values() if part is not None]
    if not found:
        return None
    if "GET" in parts:
        parts.setdefault("HEAD", parts["GET"])
    plain, plain_async = _plain(app, view)

    def call(ctx: RequestContext) -> Any:
        part = parts.get(ctx.request.method)
        return plain(ctx) if part is None else part.call(ctx)

    async def call_async(ctx: RequestContext) -> Any:
        part = parts.get(ctx.request.method)
        return await (plain_async(ctx) if part is None else part.call_async(ctx))

    is_sync = not is_async(view) and all(part.is_sync for part in found)
    streams = any(part.streams for part in found)
    return Bound(call, call_async, problem_response, streams, is_sync)


def _plain(app: Any, view: Callable[..., Any]) -> tuple[Call, AsyncCall]:
    """The view called as Flask does."""
    plain, awaited = app.ensure_sync(view), app.ensure_async(view)
    return (
        lambda ctx: plain(**ctx.request.view_args),
        lambda ctx: awaited(**ctx.request.view_args),
    )


def _part_of(app: Any, rule: Rule, view: Any, method: str | None = None) -> Bound | None:
    signature = signature_of(view, converted_types(rule), method)
    fields = headers_of(details_of(view, method))
    if not signature.is_typed and not fields:
        return None
    if wants_identity(signature.inputs):
        refuse_unknowable(app, rule, view, method)
    needs = Needs(app, rule)
    for input in signature.inputs:
        needs.add_of_view(input)
    write = None if signature.output is None else writer_of(signature.output, app, view)
    if fields:
        write = _with_fields(write, fields)
    read = reader_of(app, needs.leaves)
    streams = any(leaf.input.place is Place.STREAM for leaf in needs.leaves)
    reads_body = any(leaf.input.place in _OF_BODY for leaf in needs.leaves)
    if needs.nodes:
        parts = _Parts(app, view, read, write, needs, reads_body)
        calls: tuple[Call, AsyncCall] = parts.call, parts.call_async
    else:
        sole = sole_reader(app, needs.leaves) if _takes_first(view, needs.leaves) else None
        calls = _calls(app, view, read, write, reads_body, sole)
    waits = is_async(view) or any(node.is_async for node in needs.nodes) or needs.waits
    return Bound(*calls, problem_response, streams, not waits)


_OF_BODY = (Place.BODY, Place.FORM, Place.FILE)


def _with_fields(
    write: Callable[[Any, Any], Any] | None, fields: Sequence[tuple[str, str]]
) -> Callable[[Any, Any], Any]:
    """A writer that adds header fields: that the view is deprecated, and when it ends."""

    def write_with_fields(ctx: Any, answer: Any) -> Any:
        response = ctx.plan.make(ctx, answer if write is None else write(ctx, answer))
        for name, value in fields:
            response.headers.setdefault(name, value)
        return response

    return write_with_fields


# Without providers.


def _calls(
    app: Any,
    view: Callable[..., Any],
    read: Read,
    write: Callable[[Any, Any], Any] | None,
    reads_body: bool,
    sole: Call | None,
) -> tuple[Call, AsyncCall]:
    plain = app.ensure_sync(view)
    if write is None:

        def call(ctx: RequestContext) -> Any:
            return plain(**read(ctx))
    elif sole is not None and plain is view:

        def call(ctx: RequestContext) -> Any:
            value = UNREAD if _has_arguments(ctx) else sole(ctx)
            if value is UNREAD:
                return write(ctx, plain(**read(ctx)))
            return write(ctx, plain(value))
    else:

        def call(ctx: RequestContext) -> Any:
            return write(ctx, plain(**read(ctx)))

    if not is_async(view):

        async def call_async(ctx: RequestContext) -> Any:
            return await in_pool(call, ctx)

        return call, call_async

    async def await_view(ctx: RequestContext) -> Any:
        if reads_body and is_large(ctx):
            answer = await view(**await in_pool(read, ctx))
        elif sole is None or _has_arguments(ctx) or (value := sole(ctx)) is UNREAD:
            answer = await view(**read(ctx))
        else:
            answer = await view(value)
        return answer if write is None else write(ctx, answer)

    return call, await_view


def _has_arguments(ctx: RequestContext) -> bool:
    """Whether the URL has variables, or a hook gave the view some."""
    request = ctx._request
    return bool(ctx.arguments if request is None else request.view_args)


def _takes_first(view: Any, leaves: Sequence[Leaf]) -> bool:
    """Whether the view may be called with the first of what it reads, and without its name."""
    if not isinstance(view, FunctionType) or hasattr(view, "__wrapped__"):
        return False
    code = view.__code__
    return bool(leaves) and code.co_argcount > 0 and code.co_varnames[0] == leaves[0].key


def is_large(ctx: RequestContext) -> bool:
    """Whether the body, which has come, takes the event loop too long to read."""
    body = getattr(ctx._exchange, "body", b"")
    return not isinstance(body, bytes) or len(body) >= LARGE_BYTES


# With providers.


class _Parts:
    """The call of a view with providers."""

    def __init__(
        self,
        app: Any,
        view: Callable[..., Any],
        read: Read,
        write: Callable[[Any, Any], Any] | None,
        needs: Needs,
        reads_body: bool,
    ) -> None:
        self._plain = app.ensure_sync(view)
        self._view = view
        self._read = read
        self._write = write
        self._provided = needs.provided
        self._reads_body = reads_body
        # Those of the application depend on none of a request.
        self._of_app = [node for node in needs.nodes if node.is_of_app]
        self._nodes = [node for node in needs.nodes if not node.is_of_app]
        self._values: AppValues = app_values(app)
        #: Neighbours of a colour; plain ones share a hop, the last of them with a plain view.
        self._groups = [
            (waits, tuple(nodes)) for waits, nodes in groupby(self._nodes, lambda n: n.is_awaited)
        ]
        self._last: tuple[Node, ...] = ()
        if not is_async(view) and self._groups and not self._groups[-1][0]:
            self._last = self._groups.pop()[1]

    def call(self, ctx: RequestContext) -> Any:
        """Answer in plain code."""
        values = self._read(ctx)
        ready = self._values.ready
        for node in self._of_app:
            given = ready.get(node.provider, _MISSING)
            values[node.key] = self._values.obtain(node) if given is _MISSING else given
        opened: Opened = []
        try:
            response = self._answer(ctx, values, opened, self._nodes)
        except BaseException as error:
            failed = close(opened, error)
            if failed is None or failed is error:
                raise
            raise failed from failed.__cause__
        if opened:
            self._end(ctx, response, opened)
            failed = close(opened, None)
            if failed is not None:
                raise failed
        return response

    async def call_async(self, ctx: RequestContext) -> Any:
        """Answer on the event loop: what is async is awaited, what is not runs in the pool."""
        if self._reads_body and is_large(ctx):
            values = await in_pool(self._read, ctx)
        else:
            values = self._read(ctx)
        for node in self._of_app:
            values[node.key] = await self._values.obtain_async(node)
        opened: Opened = []
        try:
            response = await self._answer_async(ctx, values, opened)
        except BaseException as error:
            failed = await close_async(opened, error)
            if failed is None or failed is error:
                raise
            raise failed from failed.__cause__
        if opened:
            self._end(ctx, response, opened)
            failed = await close_async(opened, None)
            if failed is not None:
                raise failed
        return response

    def _answer(
        self, ctx: RequestContext, values: dict[Any, Any], opened: Opened, nodes: Sequence[Node]
    ) -> Any:
        for node in nodes:
            values[node.key] = open_node(node, values, opened)
        return self._written(ctx, self._plain(**self._arguments(values)), opened)

    async def _answer_async(
        self, ctx: RequestContext, values: dict[Any, Any], opened: Opened
    ) -> Any:
        for waits, nodes in self._groups:
            if waits:
                for node in nodes:
                    values[node.key] = await open_node_async(node, values, opened)
            else:
                await in_pool(_open_all, nodes, values, opened)
        if not is_async(self._view):
            return await in_pool(self._answer, ctx, values, opened, self._last)
        return self._written(ctx, await self._view(**self._arguments(values)), opened)

    def _arguments(self, values: dict[Any, Any]) -> dict[str, Any]:
        arguments = {name: value for name, value in values.items() if name.__class__ is str}
        for name, key in self._provided:
            arguments[name] = values[key]
        return arguments

    def _written(self, ctx: RequestContext, answer: Any, opened: Opened) -> Any:
        if self._write is not None:
            answer = self._write(ctx, answer)
        # What follows the yield of a provider comes after the answer is made.
        return ctx.plan.make(ctx, answer) if opened else answer

    @staticmethod
    def _end(ctx: RequestContext, response: Any, opened: Opened) -> None:
        """Leave the end to the response, if that is still to be made while it is sent."""
        if is_streamed(ctx, response):
            hold(response, opened)


_MISSING: Any = object()


def _open_all(nodes: Sequence[Node], values: dict[Any, Any], opened: Opened) -> None:
    for node in nodes:
        values[node.key] = open_node(node, values, opened)
