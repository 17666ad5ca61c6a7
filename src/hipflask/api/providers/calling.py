"""What `Provide(...)` asks for: called once a request, or once for the application.

A provider may be a function, a coroutine function, or a generator function of either kind
that gives one value; what stands after its `yield` runs at the end, last opened first, and
gets the exception if there was one. It may raise another in its place, and cannot swallow it.

    def session() -> Iterator[Session]:
        session = Session(engine)
        try:
            yield session
            session.commit()
        finally:
            session.close()

The end of a request is when its answer is made, or the last piece of a streamed one is sent
or its client has left. The end of the application is the end of the worker: `after_serving`
under `serve` and every ASGI server, the exit of the interpreter under other WSGI servers.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ...bridge import async_to_sync, in_pool, is_async
from ...scaffold import SetupError

if TYPE_CHECKING:
    from concurrent.futures import Future

PLAIN, ASYNC, GENERATOR, ASYNC_GENERATOR = "plain", "async", "generator", "async generator"

#: Open generators, in the order they were opened; whether each is async.
Opened = list[tuple[bool, Any]]
#: Which of a provider's own parameters is found where among the values of the request.
Arguments = tuple[tuple[str, Hashable], ...]


class Node(NamedTuple):
    """One provider, once for all who ask for it."""

    #: Where its value goes among the values of the request.
    key: Hashable
    provider: Callable[..., Any]
    kind: str
    arguments: Arguments
    is_of_app: bool
    #: What is called on the event loop instead, where that is another function.
    on_loop: Callable[..., Any] | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether the event loop is its place, when it is opened from there."""
        return self.is_async or self.on_loop is not None

    @property
    def is_async(self) -> bool:
        return self.kind in (ASYNC, ASYNC_GENERATOR)


def kind_of(provider: Any) -> str:
    """How the provider gives its value."""
    function = provider
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = getattr(function, "__call__", function)  # noqa: B004 (an object's own)
    if inspect.isasyncgenfunction(function):
        return ASYNC_GENERATOR
    if inspect.isgeneratorfunction(function):
        return GENERATOR
    return ASYNC if is_async(function) or is_async(provider) else PLAIN


def name_of(provider: Any) -> str:
    """The provider with its file and line, for messages."""
    code = getattr(inspect.unwrap(provider), "__code__", None)
    name = getattr(provider, "__qualname__", repr(provider))
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


# Opening one.


def _arguments_of(node: Node, values: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: values[key] for name, key in node.arguments if key in values}


def open_node(node: Node, values: Mapping[Any, Any], opened: Opened) -> Any:
    """The provider's value, in plain code; a generator is noted in `opened`."""
    given = node.provider
    arguments = _arguments_of(node, values)
    if node.kind is PLAIN:
        return given(**arguments)
    if node.kind is ASYNC:
        return async_to_sync(given)(**arguments)
    source = given(**arguments)
    if node.kind is ASYNC_GENERATOR:
        value = async_to_sync(_first_async)(node, source)
        opened.append((True, source))
        return value
    try:
        value = next(source)
    except StopIteration:
        raise _gave_nothing(node) from None
    opened.append((False, source))
    return value


async def open_node_async(node: Node, values: Mapping[Any, Any], opened: Opened) -> Any:
    """The same on the event loop; plain providers are opened in the pool."""
    if node.on_loop is not None:
        return await node.on_loop()
    if not node.is_async:
        return await in_pool(open_node, node, values, opened)
    made = node.provider(**_arguments_of(node, values))
    if node.kind is ASYNC:
        return await made
    value = await _first_async(node, made)
    opened.append((True, made))
    return value


async def _first_async(node: Node, source: Any) -> Any:
    try:
        return await anext(source)
    except StopAsyncIteration:
        raise _gave_nothing(node) from None


def _gave_nothing(node: Node) -> RuntimeError:
    return RuntimeError(
        f"The provider {name_of(node.provider)} ended without a yield, so that it gave no value."
    )


# Closing what was opened.


def close(opened: Opened, error: BaseException | None) -> BaseException | None:
    """End the generators, last opened first; returns what is to be raised, if anything.

    That is `error`, or what a generator raised in its place, or on its way out.
    """
    while opened:
        is_of_loop, source = opened.pop()
        try:
            (async_to_sync(_end_async) if is_of_loop else _end)(source, error)
        except BaseException as raised:
            error = raised
    return error


async def close_async(opened: Opened, error: BaseException | None) -> BaseException | None:
    """The same on the event loop; neighbouring plain generators share a hop into the pool."""
    while opened:
        if not opened[-1][0]:
            plain: Opened = []
            while opened and not opened[-1][0]:
                plain.insert(0, opened.pop())
            error = await in_pool(close, plain, error)
            continue
        source = opened.pop()[1]
        try:
            await _end_async(source, error)
        except BaseException as raised:
            error = raised
    return error


def _end(source: Any, error: BaseException | None) -> None:
    try:
        if error is None:
            next(source)
        else:
            source.throw(error)
    except StopIteration:
        return _swallowed(error)
    source.close()
    raise _gave_more(source)


async def _end_async(source: Any, error: BaseException | None) -> None:
    try:
        if error is None:
            await anext(source)
        else:
            await source.athrow(error)
    except StopAsyncIteration:
        return _swallowed(error)
    await source.aclose()
    raise _gave_more(source)


def _swallowed(error: BaseException | None) -> None:
    if error is not None:
        raise error


def _gave_more(source: Any) -> RuntimeError:
    code = getattr(source, "gi_code", None) or getattr(source, "ag_code", None)
    place = "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
    return RuntimeError(
        f"The provider {source.__qualname__}{place} yields a second time; a provider gives one"
        " value, and what follows its yield is the end."
    )


# One for the application.


class AppValues:
    """The values that providers gave for the whole application, in this process."""

    def __init__(self) -> None:
        #: provider -> value
        self.ready: dict[Any, Any] = {}
        #: What is planned: made before serving, in this order.
        self.nodes: dict[Any, Node] = {}
        self._making: dict[Any, Future[Any]] = {}
        self._opened: list[tuple[Any, tuple[bool, Any]]] = []
        self._lock = threading.Lock()
        self._is_serving = False
        self._ends_at_exit = False

    def obtain(self, node: Node) -> Any:
        """The provider's value; made by whoever asks first, while the others wait."""
        future, is_mine = self._claim(node)
        if not is_mine:
            return future.result()
        opened: Opened = []
        try:
            value = open_node(node, self._values_for(node), opened)
        except BaseException as error:
            self._failed(node, future, error)
            raise
        return self._made(node, future, value, opened)

    async def obtain_async(self, node: Node) -> Any:
        """The same on the event loop."""
        if node.provider in self.ready:
            return self.ready[node.provider]
        future, is_mine = self._claim(node)
        if not is_mine:
            import asyncio  # who comes here runs on a loop

            return await asyncio.wrap_future(future)
        opened: Opened = []
        try:
            values = {key: await self.obtain_async(self._node_of(key)) for _, key in node.arguments}
            value = await open_node_async(node, values, opened)
        except BaseException as error:
            self._failed(node, future, error)
            raise
        return self._made(node, future, value, opened)

    def _claim(self, node: Node) -> tuple[Future[Any], bool]:
        from concurrent.futures import Future  # who has such a provider pays for it

        with self._lock:
            future = self._making.get(node.provider)
            if future is not None:
                return future, False
            future = self._making[node.provider] = Future()
            return future, True

    def _values_for(self, node: Node) -> dict[Any, Any]:
        return {key: self.obtain(self._node_of(key)) for _, key in node.arguments}

    def _node_of(self, key: Hashable) -> Node:
        return next(node for node in self.nodes.values() if node.key == key)

    def _failed(self, node: Node, future: Future[Any], error: BaseException) -> None:
        with self._lock:
            self._making.pop(node.provider, None)
        future.set_exception(error)

    def _made(self, node: Node, future: Future[Any], value: Any, opened: Opened) -> Any:
        with self._lock:
            self.ready[node.provider] = value
            self._opened += [(node.provider, each) for each in opened]
            if opened and not self._is_serving and not self._ends_at_exit:
                self._ends_at_exit = True
                atexit.register(self.close)
        future.set_result(value)
        return value

    async def while_serving(self) -> AsyncIterator[None]:
        """Make all that is planned, and close it after the last request, on the same loop."""
        self._is_serving = True
        try:
            for node in list(self.nodes.values()):
                await self.obtain_async(node)
            yield
        finally:
            self._is_serving = False
            failed = await close_async(self._forget(None), None)
            if failed is not None:
                raise failed

    def close(self, providers: list[Any] | None = None) -> None:
        """Close what was opened, for some providers or for all."""
        failed = close(self._forget(providers), None)
        if failed is not None:
            raise failed

    def _forget(self, providers: list[Any] | None) -> Opened:
        with self._lock:
            gone = [*self.ready] if providers is None else providers
            for provider in gone:
                self.ready.pop(provider, None)
                self._making.pop(provider, None)
            closing = [each for provider, each in self._opened if provider in gone]
            self._opened = [pair for pair in self._opened if pair[0] not in gone]
        return closing


def app_values(app: Any) -> AppValues:
    """The application's values; made at first use, which is while its plan is made."""
    values: AppValues | None = app.__dict__.get("_provided")
    if values is None:
        values = app.__dict__["_provided"] = AppValues()
        serving = app.__dict__.setdefault("_serving", {})
        # Before what the application enters itself: which may ask for them.
        serving.setdefault("while_serving", []).insert(0, values.while_serving)
    return values


# Others in their place, for tests.

_override_lock = threading.RLock()


@contextlib.contextmanager
def override(app: Any, replacements: Mapping[Any, Any]) -> Iterator[None]:
    """In the `with` block let other providers give the values: `{provider: replacement}`.

    A replacement is a provider itself, with parameters of its own; for a value write a
    lambda. Blocks may be nested, the inner one counts. It holds for the application, not for
    one thread: tests that run at once need applications of their own. What a replacement
    gave for the whole application is closed at the end of the block. Raises SetupError for
    what cannot be called.

        with override(app, {current_user: lambda: User("Ada")}):
            assert client.get("/me").json["name"] == "Ada"
    """
    for replacement in replacements.values():
        if not callable(replacement):
            raise SetupError(
                f"override() was given {replacement!r} to stand in for a provider, and it cannot"
                " be called. For a value write 'lambda: value'."
            )
    layer = dict(replacements)
    with _override_lock:
        layers = app.__dict__.setdefault("_overrides", [])
        layers.append(layer)
        app._cell.empty()
    try:
        yield
    finally:
        with _override_lock:
            for number, other in enumerate(layers):
                if other is layer:
                    del layers[number]
                    break
            app._cell.empty()
        values: AppValues | None = app.__dict__.get("_provided")
        if values is not None:
            in_use = [each for other in layers for each in other.values()]
            values.close([each for each in layer.values() if each not in in_use])
            for replacement in layer.values():
                values.nodes.pop(replacement, None)


def replacement_of(app: Any, provider: Any) -> Any:
    """The provider that stands in for `provider`, or itself."""
    for layer in reversed(app.__dict__.get("_overrides", ())):
        if provider in layer:
            return layer[provider]
    return provider
