"""Iterators that keep a request current while they are sent: `stream_with_context`."""

from __future__ import annotations

import io
import typing as t
from contextlib import ExitStack
from contextvars import Context, copy_context
from functools import update_wrapper

from werkzeug.exceptions import ClientDisconnected, LengthRequired, RequestEntityTooLarge

from .globals import _cv_app, _cv_current, _cv_request


class _StreamFrame:
    """What a stream makes current: the contexts themselves, without pushing them."""

    # The proxies ask a context for its own request; a frame has only the one it stands for.
    _is_shown = False

    def __init__(self, app_ctx: t.Any, request_ctx: t.Any) -> None:
        self.app_ctx = self._app_face = app_ctx
        self.app = app_ctx.app
        self.request_ctx = request_ctx


class _ContextStream(t.Iterator[t.Any]):
    """An iterator whose every step sees the contexts that were current when it was made.

    They are current in a `contextvars.Context` of the stream's own, which each step enters
    and leaves again. Between steps nothing is current on the server's thread: a client that
    goes away in the middle, or a server that drops the iterator without closing it, leaves
    no context behind for the next request, and steps may come from different threads
    (pallets/flask#6123). The end is a push and a pop, so that teardown functions run again
    after what the stream did.
    """

    _space: Context | None = None
    _done = False

    def __init__(self, source: t.Iterator[t.Any], frame: _StreamFrame) -> None:
        self._source = source
        self._frame = frame

    def __next__(self) -> t.Any:
        if self._done:
            raise StopIteration
        space = self._space
        if space is None:
            # Taken at the first step: an async view's own Context is gone by then.
            space = self._space = copy_context()
            space.run(_cv_current.set, self._frame)
        try:
            return space.run(next, self._source)
        except StopIteration:
            self._finish(space, None)
            raise
        except BaseException as error:
            self._finish(space, error)
            raise

    def close(self) -> None:
        """Close the source and tear down, as if the client had gone away."""
        if self._done:
            return
        if self._space is None:
            self._done = True
            _close(self._source)
        else:
            self._finish(self._space, GeneratorExit())

    def __del__(self) -> None:
        # A stream that never started has nothing to tear down, and its source goes with it.
        if self._space is not None:
            self.close()

    def _finish(self, space: Context, error: BaseException | None) -> None:
        self._done = True
        try:
            space.run(_close, self._source)
        except BaseException as failure:
            error = failure
            raise
        finally:
            space.run(_tear_down, self._frame, error)


class _AsyncContextStream:
    """`_ContextStream` over an async iterator: each step is a task in the stream's Context."""

    _space: Context | None = None
    _done = False

    def __init__(self, source: t.Any, frame: _StreamFrame) -> None:
        self._source = source
        self._frame = frame

    def __aiter__(self) -> _AsyncContextStream:
        return self

    async def __anext__(self) -> t.Any:
        if self._done:
            raise StopAsyncIteration
        if self._space is None:
            self._space = copy_context()
            self._space.run(_cv_current.set, self._frame)
        try:
            found, piece = await self._task(self._step())
        except BaseException as error:
            await self._finish(error)
            raise
        if not found:
            await self._finish(None)
            raise StopAsyncIteration
        return piece

    async def _step(self) -> tuple[bool, t.Any]:
        # A task cannot end with StopAsyncIteration and tell it from a failure.
        try:
            return True, await anext(self._source)
        except StopAsyncIteration:
            return False, None

    def _task(self, coroutine: t.Any) -> t.Any:
        import asyncio  # who comes here runs on a loop

        return asyncio.get_running_loop().create_task(coroutine, context=self._space)

    async def aclose(self) -> None:
        """Close the source and tear down, as if the client had gone away."""
        if self._done:
            return
        if self._space is None:
            self._done = True
            await self._source.aclose()
        else:
            await self._finish(GeneratorExit())

    async def _finish(self, error: BaseException | None) -> None:
        if self._done:
            return
        self._done = True
        await self._task(self._end(error))

    async def _end(self, error: BaseException | None) -> None:
        try:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()
        finally:
            _tear_down(self._frame, error)


class ChunkedInput(io.RawIOBase):
    """A WSGI server's input for a chunked body.

    Whatever it raises for a body that is cut or out of form becomes ClientDisconnected, a
    400: gunicorn raises classes of its own there, which would be a 500. Raises LengthRequired
    under Granian's WSGI, where a cut body ends like a whole one.
    """

    def __init__(self, environ: dict[str, t.Any]) -> None:
        if environ.get("SERVER_SOFTWARE", "").lower().startswith("granian"):
            raise LengthRequired("This server cannot tell whether a chunked body is whole.")
        self._file = environ["wsgi.input"]

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        try:
            piece = self._file.read(len(buffer))
        except Exception as error:
            raise ClientDisconnected() from error
        buffer[: len(piece)] = piece
        return len(piece)


class AtMost(io.RawIOBase):
    """A WSGI server's input that tells its own end, up to a limit in bytes.

    Reading past it raises RequestEntityTooLarge. Werkzeug's stops there without a word when it
    is read as a whole, so that a part passes for the body.
    """

    def __init__(self, file: t.Any, limit: int) -> None:
        self._file = file
        self._left = limit

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        try:
            # One more than may come tells whether more comes.
            piece = self._file.read(min(len(buffer), self._left + 1))
        except (OSError, ValueError) as error:
            raise ClientDisconnected() from error
        self._left -= len(piece)
        if self._left < 0:
            raise RequestEntityTooLarge()
        buffer[: len(piece)] = piece
        return len(piece)


def _close(source: t.Any) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


def _tear_down(frame: _StreamFrame, error: BaseException | None) -> None:
    app_context, request_context = frame.app_ctx, frame.request_ctx
    if request_context.is_pushed:
        return  # still pushed elsewhere: in the view, or kept by the test client
    with ExitStack() as stack:
        if app_context is request_context:
            # Else it would be pushed as a guest of itself, and not end the application's part.
            _cv_current.set(None)
        elif not app_context.is_pushed:
            app_context.push()
            stack.callback(app_context.pop, error)
        request_context.push()
        stack.callback(request_context.pop, error)


@t.overload
def stream_with_context(
    generator_or_function: t.Iterator[t.AnyStr],
) -> t.Iterator[t.AnyStr]: ...


@t.overload
def stream_with_context(
    generator_or_function: t.Callable[..., t.Iterator[t.AnyStr]],
) -> t.Callable[..., t.Iterator[t.AnyStr]]: ...


def stream_with_context(
    generator_or_function: t.Iterator[t.AnyStr] | t.Callable[..., t.Iterator[t.AnyStr]],
) -> t.Iterator[t.AnyStr] | t.Callable[..., t.Iterator[t.AnyStr]]:
    """Return the iterator, made to run with the request that is current now.

    A generator returned by a view runs after the view, when the request is no longer
    current; wrapped, it can use `request`, `session` and `g`. Also a decorator for a
    generator function. Raises RuntimeError outside a request, TypeError for anything that
    is neither iterable nor callable.

    Differs from Flask: between two chunks the context is not current on the server's
    thread, and a stream closed before its first chunk closes what it wraps.

        @app.get("/names")
        def names():
            def rows():
                for name in request.args.getlist("name"):
                    yield f"{name}\\n"
            return stream_with_context(rows())
    """
    is_async = hasattr(generator_or_function, "__anext__")
    try:
        source: t.Any = (
            generator_or_function if is_async else iter(generator_or_function)  # type: ignore[arg-type]  # asked, not assumed
        )
    except TypeError:
        if callable(generator_or_function):
            return _wrap_generator_function(generator_or_function)
        raise TypeError(
            "stream_with_context takes an iterator or a generator function, not"
            f" {type(generator_or_function).__name__}."
        ) from None
    request_context = _cv_request.get(None)
    if request_context is None:
        raise RuntimeError(
            "'stream_with_context' was called while no request context is active: call it"
            " inside a view, so that it knows which request the stream belongs to."
        )
    frame = _StreamFrame(_cv_app.get(), request_context)
    if is_async:
        return _AsyncContextStream(source, frame)  # type: ignore[return-value]  # as it was given
    return _ContextStream(source, frame)


def _wrap_generator_function(
    function: t.Callable[..., t.Iterator[t.AnyStr]],
) -> t.Callable[..., t.Iterator[t.AnyStr]]:
    def start(*args: t.Any, **kwargs: t.Any) -> t.Iterator[t.AnyStr]:
        return stream_with_context(function(*args, **kwargs))

    return update_wrapper(start, function)
