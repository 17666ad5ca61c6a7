"""A process that is a whole service by itself, and its ops port: `hipflask worker`."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from typing import Any

from ..ops import metrics, probes, process
from ..ops.metrics import Family
from . import listen
from .opsport import OpsPort
from .oversee import announce
from .overview import own_version, plain


class Alone:
    """What this process counts, and whether `app` is ready. Asked on any thread."""

    def __init__(self, app: Any, name: str) -> None:
        self._app = app
        self._name = name
        self._began = time.monotonic()
        process.declare(metrics.registry)
        build = metrics.gauge(
            "hipflask_build_info", "What runs; 1.", ["app", "version", "python"], across="max"
        )
        build.set(1, name, own_version(), platform.python_version())

    def families(self) -> list[Family]:
        """The figures, as of now."""
        return metrics.registry.families()

    def status(self) -> dict[str, Any]:
        """What `hipflask top` shows: a service without workers that answer requests."""
        now = time.monotonic()
        return {
            "app": self._name,
            "version": own_version(),
            "pid": os.getpid(),
            "age_s": now - self._began,
            "at_s": now,
            "draining": False,
            "workers": [],
            "figures": [plain(family) for family in self.families() if family.series],
        }

    def alive(self) -> probes.Answer:
        """Say so: who can answer lives."""
        return probes.alive()

    def ready(self) -> probes.Answer:
        """Whether the app's checks pass."""
        return asyncio.run(probes.ready(probes.Readiness(self._app), draining=False))


def open_port(app: Any, name: str, bind: str, token: str) -> OpsPort:
    """Serve this process's figures and probes on `bind`; ends the process if it cannot."""
    listener = listen.open_listener(bind)
    port = OpsPort(Alone(app, name), listener, None, token)
    announce(listener, token)
    return port
