"""How full the pools of database connections are.

The store's own pool is watched by itself. For another engine of SQLAlchemy's, or anything with
`size()` and `checkedout()`:

    from hipflask.ops.pools import watch_pool

    watch_pool("shop", engine.pool)
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from . import metrics

size = metrics.gauge(
    "hipflask_database_pool_size", "Connections that a pool keeps open.", ["database"]
)
busy = metrics.gauge(
    "hipflask_database_pool_busy", "Connections that are in use; above the size, extra ones.",
    ["database"],
)  # fmt: skip


def watch_pool(name: str, pool: Any) -> None:
    """Have the figures of `pool` collected under `name` while it is there; the last one counts."""
    size.ask(_asked(pool, "size"), name)
    busy.ask(_asked(pool, "checkedout"), name)


def _asked(pool: Any, method: str) -> Callable[[], float]:
    # Not kept alive for its figures.
    found = weakref.ref(pool)

    def ask() -> float:
        alive = found()
        return 0.0 if alive is None else float(getattr(alive, method)())

    return ask
