"""Streamed answers: what providers opened is closed after the last piece, not when it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextvars import copy_context
from typing import Any

from ...bridge import AsyncBody
from .calling import Opened, close, close_async


def is_streamed(ctx: Any, response: Any) -> bool:
    """Whether the response's body is still to be made when it is sent."""
    body = response.response
    return not (
        isinstance(body, (list, tuple, str, bytes))
        or response.direct_passthrough
        or ctx.request.method == "HEAD"
        or response.status_code in (204, 304)
    )


def hold(response: Any, opened: Opened) -> None:
    """Have what was opened closed after the last piece of the response, or with it."""
    taken = opened[:]
    opened.clear()
    if isinstance(response.response, AsyncBody):
        response.response = AsyncBody(_HeldAsync(response.response, taken))
    else:
        response.response = _Held(iter(response.response), response.response, taken)


class _Held(Iterator[Any]):
    """An iterator whose end closes what was opened for it, in the context it was opened in."""

    def __init__(self, steps: Iterator[Any], source: Any, opened: Opened) -> None:
        self._steps = steps
        self._source = source
        self._opened: Opened | None = opened
        self._space = copy_context()

    def __next__(self) -> Any:
        try:
            return next(self._steps)
        except StopIteration:
            self._finish(None)
            raise
        except BaseException as error:
            self._finish(error)
            raise

    def close(self) -> None:
        try:
            for source in dict.fromkeys((id(self._steps), id(self._source))):
                found = self._steps if source == id(self._steps) else self._source
                if hasattr(found, "close"):
                    found.close()
        finally:
            self._finish(GeneratorExit())

    def _finish(self, error: BaseException | None) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            failed = self._space.run(close, opened, error)
            if failed is not None and failed is not error:
                raise failed


class _HeldAsync(AsyncIterator[Any]):
    """The same for an async body."""

    def __init__(self, body: AsyncBody, opened: Opened) -> None:
        self._body = body
        self._opened: Opened | None = opened
        self._space = copy_context()

    async def __anext__(self) -> Any:
        if self._body._steps is None:
            aiter(self._body)
        try:
            return await anext(self._body)
        except StopAsyncIteration:
            await self._finish(None)
            raise
        except BaseException as error:
            await self._finish(error)
            raise

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            await self._finish(GeneratorExit())

    async def _finish(self, error: BaseException | None) -> None:
        import asyncio  # who comes here runs on a loop

        opened, self._opened = self._opened, None
        if opened is not None:
            loop = asyncio.get_running_loop()
            task = loop.create_task(close_async(opened, error), context=self._space)
            # The end is not cut short by the cancelling that a client's leaving is.
            failed = await asyncio.shield(task)
            if failed is not None and failed is not error:
                raise failed
