"""hipflask's applications with 100 us too much in each request: what `FAULT=1` serves."""

from __future__ import annotations

import time
from typing import Any

from .peers import served

EXTRA_S = 100e-6


def burn() -> None:
    """Compute, so that the time is the processor's."""
    end = time.thread_time() + EXTRA_S
    while time.thread_time() < end:
        pass


def __getattr__(name: str) -> Any:
    app = getattr(served, name)
    app.before_request(burn)
    return app
