"""Functions whose result is the answer to the sender, within a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..bridge import in_pool, is_async
from ..scaffold import SetupError
from .handlers import Binding, no_tx
from .places import place_of
from .received import Received

_log = logging.getLogger("hipflask.webhooks")


class ReplyHandler:
    """A function that answers, plain (in the pool) or async (on the loop)."""

    def __init__(self, function: Callable[..., Any], deadline_s: float, source: str) -> None:
        self.place = place_of(function)
        self.deadline_s = deadline_s
        self._source = source
        self._binding = Binding(function, f"The reply {self.place} of the source {source!r}")
        if self._binding.takes("tx"):
            raise SetupError(
                f"The reply {self.place} of the source {source!r} takes a tx. It only answers:"
                " put what writes into a handler, @source.on()."
            )
        self._is_async = is_async(function)

    async def answer(self, received: Received) -> Any:
        """What the function returns; None, and a line in the log, if it is late or fails."""
        limit = asyncio.timeout(self.deadline_s)
        try:
            async with limit:
                if self._is_async:
                    return await self._binding.call(received, no_tx)
                return await in_pool(self._binding.call, received, no_tx)
        except Exception as error:
            if limit.expired():
                _log.warning(
                    "source %r: the reply %s took more than %g s, the sender got the plain answer",
                    self._source,
                    self.place,
                    self.deadline_s,
                )
                return None
            _log.error(
                "source %r: the reply %s failed, the sender got the plain answer",
                self._source,
                self.place,
                exc_info=error,
            )
        return None
