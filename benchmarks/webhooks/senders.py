"""Senders that keep at an event until it is acknowledged, and remember what they were told."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .events import Event, Maker
from .wire import Cut, Wire

#: One event in so many goes in two pieces, a moment between them: a process can die mid-body.
IN_PIECES = 40
#: One in so many is sent again after its acknowledgement, as senders do who missed the answer.
AGAIN = 25
#: The longest rest after a failure; a provider waits seconds, but the storm is to be short.
LONGEST_REST_S = 0.5


@dataclass
class Told:
    """What the senders know: of each acknowledged id, its source and the digest of its body."""

    acked: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    #: 2xx of any kind, repeated ones with them.
    answers_2xx: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    #: Events that had no acknowledgement when the senders were stopped.
    given_up: int = 0


class Senders:
    """So many clients at once, until they are stopped."""

    def __init__(self, port: int, makers: list[Maker], seed: int) -> None:
        self.told = Told()
        self._port = port
        self._stopped = False
        #: Told of the service's port and ours when an acknowledgement has come.
        self.on_ack: Callable[[int, int], None] = lambda local, remote: None
        #: While it says true the senders rest: whoever does the work is too far behind.
        self.is_behind: Callable[[], bool] = lambda: False
        self._tasks = [
            asyncio.create_task(self._client(maker, random.Random(seed + number)))
            for number, maker in enumerate(makers)
        ]

    async def wait(self) -> None:
        await asyncio.gather(*self._tasks)

    def stop(self) -> None:
        """Let each give up the event it is at."""
        self._stopped = True

    async def _client(self, maker: Maker, luck: random.Random) -> None:
        wire: Wire | None = None
        while not self._stopped:
            while self.is_behind() and not self._stopped:
                await asyncio.sleep(0.05)
            event = maker.any()
            times = 2 if luck.randrange(AGAIN) == 0 else 1
            for _ in range(times):
                wire = await self._deliver(event, wire, luck)
        if wire is not None:
            wire.close()

    async def _deliver(self, event: Event, wire: Wire | None, luck: random.Random) -> Wire | None:
        """Send until there is a 2xx; gives back the connection if it still stands."""
        told, rest_s = self.told, 0.01
        while not self._stopped:
            began = time.perf_counter()
            try:
                if wire is None or not wire.is_open:
                    wire = await Wire.open(self._port)
                in_pieces = luck.randrange(IN_PIECES) == 0
                middle = (event.body_at + len(event.wire)) // 2 if in_pieces else 0
                status = await wire.ask(event.wire, pause_at=middle)
            except Cut as error:
                told.cut[str(error)] += 1
                wire = None
            else:
                told.statuses[status] += 1
                if 200 <= status < 300:
                    told.answers_2xx += 1
                    told.acked[event.id] = (event.source, event.digest)
                    if wire.is_open:
                        self.on_ack(self._port, wire.port)
                    if not in_pieces:
                        told.times.append(time.perf_counter() - began)
                    return wire
            await asyncio.sleep(rest_s * (0.5 + luck.random()))
            rest_s = min(rest_s * 2, LONGEST_REST_S)
        told.given_up += 1
        return wire
