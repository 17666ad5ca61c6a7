"""Single flight: of those who want the same thing in one process, one makes it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

#: What a flight ends with when whoever made it was cancelled: somebody else tries.
_AGAIN: Any = object()


class Flights:
    """Who is making what. Thread-safe, from plain code and from event loops alike."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Any]] = {}

    def is_under_way(self, key: str) -> bool:
        """Whether somebody is making it now."""
        return key in self._under_way

    def lead(self, key: str) -> tuple[Future[Any], bool]:
        """The flight for a key, and whether it is ours to make."""
        with self._lock:
            flight = self._under_way.get(key)
            if flight is not None:
                return flight, False
            flight = self._under_way[key] = Future()
            return flight, True

    def run(self, key: str, make: Callable[[], Any], wait_s: float) -> Any:
        """What `make` returns, here or in the thread that is at it already; its error as well.

        Whoever has waited for `wait_s` makes it too.
        """
        while True:
            flight, is_ours = self.lead(key)
            if is_ours:
                return self._make(key, flight, make)
            try:
                result = flight.result(wait_s)
            except TimeoutError:
                if not flight.done():
                    return make()
                raise
            if result is not _AGAIN:
                return result

    async def run_async(self, key: str, make: Callable[[], Awaitable[Any]], wait_s: float) -> Any:
        """`run` on an event loop."""
        while True:
            flight, is_ours = self.lead(key)
            if is_ours:
                return await self._make_async(key, flight, make)
            try:
                # Shielded: who gives up waiting must not cancel what others wait for.
                waiting = asyncio.shield(asyncio.wrap_future(flight))
                result = await asyncio.wait_for(waiting, wait_s)
            except TimeoutError:
                if not flight.done():
                    return await make()
                raise
            if result is not _AGAIN:
                return result

    def _make(self, key: str, flight: Future[Any], make: Callable[[], Any]) -> Any:
        try:
            result = make()
        except BaseException as error:
            self._land(key, flight, error=error)
            raise
        self._land(key, flight, result)
        return result

    async def _make_async(
        self, key: str, flight: Future[Any], make: Callable[[], Awaitable[Any]]
    ) -> Any:
        try:
            result = await make()
        except BaseException as error:
            self._land(key, flight, error=error)
            raise
        self._land(key, flight, result)
        return result

    def _land(
        self, key: str, flight: Future[Any], result: Any = None, error: BaseException | None = None
    ) -> None:
        with self._lock:
            self._under_way.pop(key, None)
        with suppress(Exception):  # cancelled by a waiter that did not shield it
            if error is None:
                flight.set_result(result)
            elif isinstance(error, Exception):
                flight.set_exception(error)
            else:
                flight.set_result(_AGAIN)
